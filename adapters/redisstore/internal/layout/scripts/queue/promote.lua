-- Makes tasks ready whose time has come, and ends those that have expired.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, most tasks, the failure to keep for an expired task, then the ready lists of
-- paused queues.
-- Reply: {-1} if the epoch is stale; else how many tasks, microseconds
-- until there is more to do (-1: never), and how many of the tasks have expired.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now, limit, expired = store_now(ARGV[1]), tonumber(ARGV[4]), 0
K.paused = {}
for i = 6, #ARGV do K.paused[tonumber(ARGV[i])] = true end
emit_if_read(now)
local late = redis.call('ZRANGEBYSCORE', K.expiring, '-inf', digits(now), 'LIMIT', 0, limit)
-- A removal first lets the rest through when memory is full.
if #late > 0 then call_many('ZREM', K.expiring, late) end
for _, id in ipairs(late) do
  local t = locate(id)
  if t and t.status == PENDING and t.deliveries == 0 then
    expired = expired + 1
    leave(id, t)
    emit(id, PENDING, FAILED, t.attempt, t.list_no, string.match(ARGV[5], '^%Z*'))
    t.status, t.finished, t.claim = FAILED, math.max(now, SEQUENCE_START + t.seq), NO_CLAIM
    redis.call('HSET', K.errors, id, append_error(redis.call('HGET', K.errors, id), t.attempt, 0, now, ARGV[5]))
    redis.call('HSET', K.state, id, pack_state(t))
    redis.call('ZADD', K.failed, digits(t.seq), id)
    finish(K, id, t)
    free_unique(K.unique, K.unique_of, { id })
  end
end
local n, notify = promote(K, now, limit - #late, emit)
emit_all(now)
if notify then notify_claim(K.meta, ARGV[3]) end
local next, next_expiry = next_after(K.due, now), next_after(K.expiring, now)
if next < 0 or next_expiry >= 0 and next_expiry < next then next = next_expiry end
if K.rest then next = 0 end
return { #late + n, next, expired }
