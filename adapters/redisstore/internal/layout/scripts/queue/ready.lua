-- Tells whether the queue takes tasks now, by a write that is refused whenever that of a
-- new task is, and that changes nothing: there is no such key.
-- KEYS: meta, a key that never is. ARGV: epoch.
-- Reply: {-1} if the epoch is stale; else {1}.
if (redis.call('HGET', KEYS[1], 'generation') or '') ~= ARGV[1] then return { -1 } end
redis.call('SET', KEYS[2], '', 'XX')
return { 1 }
