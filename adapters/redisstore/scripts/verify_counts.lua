-- Compares the statistics with the number of tasks. Every step of a task keeps
-- the two the same.
-- KEYS: as in keys.lua. ARGV: generation of the lanes and their number as they are
-- stored, number of ready keys.
-- Reply: {-1} if the lanes are stale; else number of tasks in the indexes, number of
-- records.
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[1], ARGV[2]) then return { -1 } end
local n = 0
for lane = 0, tonumber(ARGV[3]) - 1 do n = n + redis.call('ZCARD', K.ready(lane)) end
for _, key in ipairs({ K.scheduled, K.active, K.retrying, K.completed, K.failed, K.cancelled }) do
  n = n + redis.call('ZCARD', key)
end
return { n, redis.call('HLEN', K.tasks) }
