-- Stores the report of a scheduler, and forgets some that have ended.
-- KEYS: reports, ends. ARGV: clock offset, id of the scheduler, time to live in
-- microseconds, how long in milliseconds any report may last, report.
-- Reply: the time.
local now = store_now(ARGV[1])
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', digits(now), 'LIMIT', 0, 100)
if #ended > 0 then
  redis.call('HDEL', KEYS[1], unpack(ended))
  redis.call('ZREM', KEYS[2], unpack(ended))
end
-- A removal first lets the rest through when memory is full: a process that works is
-- listed.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], ARGV[2], struct.pack('>I7', now) .. ARGV[5])
redis.call('ZADD', KEYS[2], digits(now + ARGV[3]), ARGV[2])
-- Should nobody report any more, nothing is left.
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return now
