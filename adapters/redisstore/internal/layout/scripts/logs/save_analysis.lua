-- Stores an analysis unless its task has one.
-- KEYS: analyses, index of the analyses, index of the anomalies, their ids.
-- ARGV: clock offset, task id, bytes, digests of the ids of the anomalies.
-- Reply: 1 if it was stored, else 0.
-- include: queue/common
-- include: logs/common
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 0 end
local at = pack_us(store_now(ARGV[1]))
-- A removal first lets the rest through when memory is full: what runs finishes.
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[2], VERSION .. at .. ARGV[3])
redis.call('ZADD', KEYS[2], 0, at .. ARGV[2])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[2], ARGV[4])
  local scored = {}
  for _, member in ipairs(anomaly_members(ARGV[4], at .. ARGV[2])) do
    scored[#scored + 1] = 0
    scored[#scored + 1] = member
  end
  call_many('ZADD', KEYS[3], scored)
end
return 1
