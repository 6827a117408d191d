-- Counts tasks by state; each count is the size of an index.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch.
-- Reply: {-1} if the epoch is stale; else ready, scheduled, processing, retrying,
-- completed, failed, cancelled, and the age in microseconds of the oldest ready
-- task.
-- include: queue/common
-- include: queue/oldest
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
local ready, oldest = 0, nil
for list_no = 0, #KEYS - 21 do
  local n, first = ready_tasks(K.ready(list_no))
  ready = ready + n
  if first then oldest = math.min(oldest or math.huge, first) end
end
local age = oldest and math.max(0, now - SEQUENCE_START - oldest) or 0
return { ready, redis.call('ZCARD', K.scheduled), redis.call('ZCARD', K.active), redis.call('ZCARD', K.retrying),
  redis.call('ZCARD', K.completed), redis.call('ZCARD', K.failed), redis.call('ZCARD', K.cancelled), age }
