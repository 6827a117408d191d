-- Makes scheduled and RETRYING tasks ready at once.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, then ids.
-- Reply: {-1} if the epoch is stale; else for each 0 if it is ready, -2 if there
-- is no such task, its status, which forbids it, or -10 - status if its workflow does.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
emit_if_read(now)
local out, notify = {}, false
for i = 4, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  if not t then
    out[#out + 1] = -2
  elseif t.status ~= PENDING and t.status ~= RETRYING then
    out[#out + 1] = t.status
  elseif t.is_scheduled and string.byte(node_of(id) or '') == 1 then
    out[#out + 1] = -10 - t.status
  else
    if t.is_scheduled or t.status == RETRYING then
      leave(id, t)
      emit(id, t.status, PENDING, t.attempt, t.list_no)
      t.scheduled, t.claim = 0, NO_CLAIM
      make_ready(id, t)
      notify = true
    end
    out[#out + 1] = 0
  end
end
emit_all(now)
if notify then notify_claim(K.meta, ARGV[3]) end
return out
