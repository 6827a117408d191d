-- Closes a batch.
-- KEYS: closed batches, the batch. ARGV: clock offset, batch id.
-- Reply: the ids of its entries in their order.
-- include: queue/common
if not redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  -- A script that begins with a removal may write although memory is full: what
  -- is stored can be analysed then, and removed.
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('ZADD', KEYS[1], digits(store_now(ARGV[1])), ARGV[2])
end
return redis.call('LRANGE', KEYS[2], 0, -1)
