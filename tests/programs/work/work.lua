-- Work for lua: trees of a given depth, N strings, closures, coroutines. Prints what it found.
local depth, n = tonumber(arg[1]), tonumber(arg[2])
local function tree(d)
    if d == 0 then return {} end
    return { tree(d - 1), tree(d - 1) }
end
local function count(t)
    if not t[1] then return 1 end
    return 1 + count(t[1]) + count(t[2])
end
local nodes = 0
for _ = 1, 8 do nodes = nodes + count(tree(depth)) end
print("nodes " .. nodes)

local seed = 12345
local function rnd(m)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed % m
end
local list, sum = {}, 0
for i = 1, n do
    list[i] = string.rep(string.char(97 + rnd(26)), 1 + rnd(40)) .. i
    if i % 3 == 0 then list[rnd(i) + 1] = nil end
end
local words = {}
for _, w in pairs(list) do words[#words + 1] = w end
table.sort(words)
for i, w in ipairs(words) do sum = (sum * 31 + #w * i + w:byte(1)) % 1000000007 end
print("sorted " .. #words .. " " .. sum)
local text = table.concat(words, " ")
local swapped, times = text:gsub("(%a)(%d+)", "%2%1")
print("text " .. #text .. " " .. #swapped .. " " .. times)
local closures = {}
for i = 1, n // 10 do closures[i] = function(x) return x + i end end
sum = 0
for i, f in ipairs(closures) do sum = sum + f(i) end
print("closures " .. sum)
local threads = {}
for i = 1, 2000 do
    threads[i] = coroutine.wrap(function()
        local kept = {}
        for k = 1, 20 do
            kept[k] = ("x"):rep(k * i % 97)
            coroutine.yield(#kept[k])
        end
        return 0
    end)
end
sum = 0
for _ = 1, 20 do for i = 1, 2000 do sum = sum + threads[i]() end end
print("coroutines " .. sum)
threads, closures, words = nil, nil, nil
collectgarbage()
print("summary " .. nodes .. " nodes, " .. n .. " strings, 2000 coroutines")
