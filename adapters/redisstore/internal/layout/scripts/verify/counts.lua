-- Compares the statistics with the number of tasks. Every step of a task keeps
-- the two the same.
-- KEYS: as in queue/keys.lua. ARGV: epoch as it is stored, number of
-- ready keys.
-- Reply: {-1} if the epoch is stale; else number of tasks in the indexes, number of
-- records.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[1]) then return { -1 } end
local n = 0
for list_no = 0, tonumber(ARGV[2]) - 1 do n = n + redis.call('ZCARD', K.ready(list_no)) end
for _, key in ipairs({ K.scheduled, K.active, K.retrying, K.completed, K.failed, K.cancelled }) do
  n = n + redis.call('ZCARD', key)
end
return { n, redis.call('HLEN', K.tasks) }
