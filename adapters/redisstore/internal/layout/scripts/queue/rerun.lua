-- Runs FAILED and CANCELLED tasks again: ready at once, with all their retries.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, then ids.
-- Reply: {-1} if the epoch is stale; else for each 0 if it is ready, -2 if there
-- is no such task, its status if that forbids it, or the id of the task that
-- holds its unique key.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
emit_if_read(now)
local out, notify = {}, false
for i = 4, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  local key = t and redis.call('HGET', K.unique_of, id)
  local holder = key and redis.call('HGET', K.unique, key)
  local till = holder and redis.call('ZSCORE', K.unique_until, key)
  if not t then
    out[#out + 1] = -2
  elseif t.status ~= FAILED and t.status ~= CANCELLED then
    out[#out + 1] = t.status
  elseif holder and holder ~= id and (not till or tonumber(till) > now) then
    out[#out + 1] = holder
  else
    leave(id, t)
    emit(id, t.status, PENDING, 0, t.list_no)
    t.attempt, t.recoveries, t.scheduled, t.finished, t.claim = 0, 0, 0, 0, NO_CLAIM
    if key then
      redis.call('HSET', K.unique, key, id)
      redis.call('ZREM', K.unique_until, key)
    end
    if t.deliveries == 0 then
      local record = redis.call('HGET', K.tasks, id) or ''
      -- What it says in its options stays, so that a repeated enqueue is known.
      if times(record) ~= 0 then
        redis.call('HSET', K.tasks, id, string.sub(record, 1, 12) .. string.rep('\0', 8) .. string.sub(record, 21))
      end
    end
    make_ready(id, t)
    notify = true
    out[#out + 1] = 0
  end
end
emit_all(now)
if notify then notify_claim(K.meta, ARGV[3]) end
return out
