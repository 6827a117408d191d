-- Pauses a queue, or ends its pause and wakes those who wait. A change gives the
-- ready lists another epoch, by which each claim that does not know of it is refused.
-- KEYS: ready lists, meta. ARGV: clock offset, epoch, the next epoch,
-- wake channel, field of the queue, 'pause' or 'resume', how many fields the table may
-- have.
-- Reply: {-1} if the epoch is stale; {-2} if the table would have more; else {1}, also
-- if there is nothing to change.
local lists, meta, field = KEYS[1], KEYS[2], ARGV[5]
if (redis.call('HGET', meta, 'generation') or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])
if (redis.call('HEXISTS', lists, field) == 1) == (ARGV[6] == 'pause') then return { 1 } end
if ARGV[6] == 'pause' then
  if redis.call('HLEN', lists) >= tonumber(ARGV[7]) then return { -2 } end
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', meta, '')
  redis.call('HSET', lists, field, digits(now))
else
  redis.call('HDEL', lists, field)
  if redis.call('HDEL', meta, 'idle') == 1 then redis.call('PUBLISH', ARGV[4], '1') end
end
redis.call('HSET', meta, 'generation', ARGV[3])
return { 1 }
