-- Removes tasks with all that belongs to them, unless they are PROCESSING.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, then
-- ids.
-- Reply: {-1} if the epoch is stale; else for each 0 if it is gone, -2 if there
-- is no such task, its status, which forbids it, or -10 - status if its workflow does.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
emit_if_read(now)
local out = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  if not t then
    -- What is left of a record that cannot be read goes too.
    local gone = redis.call('HDEL', K.tasks, id) == 1
    if gone then emit(id, PENDING, 0, 0, 65535) end
    out[#out + 1] = gone and 0 or -2
  elseif t.status == PROCESSING then
    out[#out + 1] = t.status
  elseif node_of(id) then
    out[#out + 1] = -10 - t.status
  else
    leave(id, t)
    if t.deliveries == 0 then redis.call('ZREM', K.expiring, id) end
    emit(id, t.status, 0, t.attempt, t.list_no)
    -- One that was cancelled may run yet: see keep_unique.
    if t.status ~= CANCELLED or t.claim == NO_CLAIM then free_unique(K.unique, K.unique_of, { id }) end
    -- While its record can be read.
    if K.follow then K.follow(now) end
    for _, key in ipairs({ K.tasks, K.state, K.results, K.errors, K.unique_of }) do
      redis.call('HDEL', key, id)
    end
    out[#out + 1] = 0
  end
end
emit_all(now)
return out
