-- Ends PENDING, RETRYING and PROCESSING tasks.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake channel, which gets the ids of
-- those that were PROCESSING in one message, then ids.
-- Reply: {-1} if the epoch is stale; else for each 0 if it is cancelled, -2 if
-- there is no such task, or its status, which forbids it.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
emit_if_read(now)
local out, running = {}, {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  if not t then
    out[#out + 1] = -2
  elseif t.status ~= PENDING and t.status ~= RETRYING and t.status ~= PROCESSING then
    out[#out + 1] = t.status
  else
    local ends, claim = t.status == PROCESSING and tonumber(redis.call('ZSCORE', K.active, id) or 0), NO_CLAIM
    leave(id, t)
    if ends then
      running[#running + 1] = id
      if ends > now then claim = STOPPING .. struct.pack('>I7', ends) end
    end
    if claim == NO_CLAIM then free_unique(K.unique, K.unique_of, { id }) else keep_unique(K, id, ends) end
    if t.deliveries == 0 then redis.call('ZREM', K.expiring, id) end
    emit(id, t.status, CANCELLED, t.attempt, t.list_no)
    t.status, t.finished, t.claim = CANCELLED, math.max(now, t.started), claim
    redis.call('HSET', K.state, id, pack_state(t))
    redis.call('ZADD', K.cancelled, digits(t.seq), id)
    finish(K, id, t)
    out[#out + 1] = 0
  end
end
emit_all(now)
if #running > 0 then redis.call('PUBLISH', ARGV[3], table.concat(running)) end
return out
