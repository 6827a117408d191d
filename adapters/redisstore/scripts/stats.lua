-- Counts tasks by state; each count is the size of an index.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their number.
-- Reply: {-1} if the lanes are stale; else ready, scheduled, processing, retrying,
-- completed, failed, cancelled, and the age in microseconds of the oldest ready
-- task.
-- include: common
-- include: oldest
-- include: keys
if lanes_stale(K.meta, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
local ready, oldest = 0, nil
for lane = 0, tonumber(ARGV[3]) - 1 do
  local n, first = ready_tasks(K.ready(lane))
  ready = ready + n
  if first then oldest = math.min(oldest or math.huge, first) end
end
local age = oldest and math.max(0, now - EPOCH - oldest) or 0
return { ready, redis.call('ZCARD', K.scheduled), redis.call('ZCARD', K.active), redis.call('ZCARD', K.retrying),
  redis.call('ZCARD', K.completed), redis.call('ZCARD', K.failed), redis.call('ZCARD', K.cancelled), age }
