-- Takes tasks back whose lease has expired: ready again at once, or FAILED as
-- poison after too many recoveries. Or makes such leases last anew.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, most tasks, most recoveries, the failure to keep for an expired lease, and
-- for how many microseconds expired leases are to last anew (0: they are recovered).
-- Reply: {-1} if the epoch is stale; else how many tasks, microseconds until the
-- next lease ends (-1: none is held), and how many of the tasks are poison.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
local most = tonumber(ARGV[5])
emit_if_read(now)
local ids = redis.call('ZRANGEBYSCORE', K.active, '-inf', digits(now), 'LIMIT', 0, ARGV[4])
local renew = tonumber(ARGV[7])
if renew > 0 then
  local renewed = {}
  for _, id in ipairs(ids) do
    renewed[#renewed + 1] = digits(now + renew)
    renewed[#renewed + 1] = id
  end
  if #ids > 0 then
    -- A removal first lets the rest through when memory is full.
    call_many('ZREM', K.active, ids)
    call_many('ZADD', K.active, renewed)
  end
  return { #ids, next_after(K.active, now), 0 }
end
local states = get_many('HMGET', K.state, ids)
local freed, poisoned = false, 0
if #ids > 0 then call_many('ZREM', K.active, ids) end
for i, id in ipairs(ids) do
  local t = unpack_state(states[i])
  -- Without a state the record tells where the task belongs; it counts as new.
  t = t or fresh_state(redis.call('HGET', K.tasks, id), now - SEQUENCE_START)
  if t then
    t.recoveries, t.claim = math.min(t.recoveries + 1, 255), NO_CLAIM
    local failure = ARGV[6]
    if t.recoveries > most then
      failure = string.format('poison\0poison: the lease expired %d times, the limit is %d\0', t.recoveries, most)
    end
    redis.call('HSET', K.errors, id,
      append_error(redis.call('HGET', K.errors, id), t.attempt, t.started, now, failure))
    if t.recoveries > most then
      poisoned = poisoned + 1
      t.status, t.finished = FAILED, math.max(now, t.started)
      redis.call('HSET', K.state, id, pack_state(t))
      redis.call('ZADD', K.failed, digits(t.seq), id)
      finish(K, id, t)
      free_unique(K.unique, K.unique_of, { id })
    else
      make_ready(id, t)
      freed = true
    end
    emit(id, PROCESSING, t.status, t.attempt, t.list_no, string.match(failure, '^%Z*'))
  end
end
emit_all(now)
if freed then notify_claim(K.meta, ARGV[3]) end
return { #ids, next_after(K.active, now), poisoned }
