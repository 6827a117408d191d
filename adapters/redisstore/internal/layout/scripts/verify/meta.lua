-- Checks that the newest sequence number is not below one that is in use.
-- KEYS: meta. ARGV: the highest one that was seen, 'repair' or ''.
-- Reply: what is stored, if it is wrong.
-- include: queue/common
-- num writes any double, since what is damaged may hold one that digits cannot.
local function num(n) return string.format('%.0f', n) end
local seq = redis.call('HGET', KEYS[1], 'seq')
local n = tonumber(seq or 0)
if n and n >= tonumber(ARGV[1]) then return {} end
if ARGV[2] == 'repair' then redis.call('HSET', KEYS[1], 'seq', num(math.max(n or 0, tonumber(ARGV[1])))) end
return { seq or '' }
