-- Pauses a queue, or ends its pause and wakes those who wait. A change gives the
-- lanes another generation, by which each claim that does not know of it is refused.
-- KEYS: lanes, meta. ARGV: clock offset, generation of the lanes, their number, the
-- next generation, wake channel, most pauses, field of the queue, 'pause' or
-- 'resume'.
-- Reply: {-1} if the lanes are stale; {-2} if there would be too many pauses; else
-- {1}, also if there is nothing to change.
local lanes, meta, field = KEYS[1], KEYS[2], ARGV[7]
local known = redis.call('HMGET', meta, 'generation', 'lanes')
if (known[1] or '') ~= ARGV[2] or tonumber(known[2] or 0) ~= tonumber(ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
if (redis.call('HEXISTS', lanes, field) == 1) == (ARGV[8] == 'pause') then return { 1 } end
if ARGV[8] == 'pause' then
  if redis.call('HLEN', lanes) - tonumber(ARGV[3]) >= tonumber(ARGV[6]) then return { -2 } end
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', meta, '')
  redis.call('HSET', lanes, field, digits(now))
else
  redis.call('HDEL', lanes, field)
  if redis.call('HDEL', meta, 'idle') == 1 then redis.call('PUBLISH', ARGV[5], '1') end
end
redis.call('HSET', meta, 'generation', ARGV[4])
return { 1 }
