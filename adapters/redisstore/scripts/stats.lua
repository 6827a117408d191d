-- Counts tasks by state; each count is the size of an index.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their number.
-- Reply: {-1} if the lanes are stale; else ready, scheduled, processing, retrying,
-- completed, failed, cancelled, and the age in microseconds of the oldest ready
-- task.
-- include: common
-- include: keys
if lanes_stale(K.lanes, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
local ready, oldest = 0, nil
for lane = 0, tonumber(ARGV[3]) - 1 do
  local key = K.ready(lane)
  local n = redis.call('ZCARD', key)
  if n > 0 then
    ready = ready + n
    for band = 0, 10 do
      local head = redis.call('ZRANGEBYSCORE', key, digits(band * WIDTH), '(' .. digits((band + 1) * WIDTH), 'WITHSCORES', 'LIMIT', 0, 1)
      if head[2] then oldest = math.min(oldest or math.huge, tonumber(head[2]) - band * WIDTH) end
    end
  end
end
local age = oldest and math.max(0, now - EPOCH - oldest) or 0
return { ready, redis.call('ZCARD', K.scheduled), redis.call('ZCARD', K.active), redis.call('ZCARD', K.retrying),
  redis.call('ZCARD', K.completed), redis.call('ZCARD', K.failed), redis.call('ZCARD', K.cancelled), age }
