-- Deterministic work for the benchmark: word counts, object graphs, string building. The argument scales it.
local scale = tonumber(arg[1])
local seed = 42
local function random(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 65536 % n
end

local function words()
    local counts = {}
    for i = 1, 60000 do
        local w = string.format("word%d_%s", random(5000), string.rep("x", random(24)))
        counts[w] = (counts[w] or 0) + 1
    end
    local keys = {}
    for w in pairs(counts) do keys[#keys + 1] = w end
    table.sort(keys)
    local parts = {}
    for i, w in ipairs(keys) do parts[i] = w .. "=" .. counts[w] end
    return #table.concat(parts, ";")
end

local function graph()
    local nodes = {}
    for i = 1, 30000 do nodes[i] = {id = i, edges = {}, label = "n" .. i} end
    for i = 1, 60000 do
        local a, b = nodes[random(#nodes) + 1], nodes[random(#nodes) + 1]
        a.edges[#a.edges + 1] = b
    end
    local sum = 0
    for _, n in ipairs(nodes) do
        for _, e in ipairs(n.edges) do sum = (sum + e.id * n.id) % 1000003 end
    end
    return sum
end

local function closures()
    local fs, total = {}, 0
    for i = 1, 50000 do
        local a, b = i, random(100)
        fs[i] = function(x) return a * x + b end
    end
    for i, f in ipairs(fs) do total = (total + f(i)) % 1000003 end
    return total
end

local result = {}
for i = 1, scale do
    result[1], result[2], result[3] = words(), graph(), closures()
    print(i, table.concat(result, " "))
end
