-- Stores an analysis unless its task has one.
-- KEYS: analyses, index of the analyses. ARGV: clock offset, task id, bytes.
-- Reply: 1 if it was stored, else 0.
-- include: common
-- include: logs_common
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 0 end
local at = pack_us(store_now(ARGV[1]))
redis.call('HSET', KEYS[1], ARGV[2], VERSION .. at .. ARGV[3])
redis.call('ZADD', KEYS[2], 0, at .. ARGV[2])
return 1
