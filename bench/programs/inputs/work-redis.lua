-- Deterministic work for the benchmark, run inside the server. The argument scales it.
local n = tonumber(ARGV[1])
local seed = 17
local function random(m) -- the "minimal standard" generator: exact in the doubles that are this Lua's only numbers
    seed = seed * 16807 % 2147483647
    return seed % math.floor(m)
end
local sum = 0
for i = 1, n do
    local key = 'k' .. random(n)
    local kind = random(8)
    if kind < 3 then
        redis.call('set', 's' .. key, string.rep('v', 8 + random(200)))
    elseif kind == 3 then
        redis.call('append', 's' .. key, string.rep('a', 40))
    elseif kind == 4 then
        redis.call('hset', 'h' .. random(n / 50), key, i)
    elseif kind == 5 then
        redis.call('rpush', 'l' .. random(n / 50), key)
    elseif kind == 6 then
        redis.call('zadd', 'z' .. random(n / 100), i, key)
    else
        sum = sum + redis.call('del', 's' .. key)
    end
end
return sum .. ' ' .. redis.call('dbsize')
