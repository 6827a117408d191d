-- Makes scheduled and RETRYING tasks ready at once.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their
-- number, wake channel, then ids.
-- Reply: {-1} if the lanes are stale; else for each 0 if it is ready, -2 if there
-- is no such task, or its status, which forbids it.
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
watch(now)
local out, woken = {}, false
for i = 5, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  if not t then
    out[#out + 1] = -2
  elseif t.status ~= PENDING and t.status ~= RETRYING then
    out[#out + 1] = t.status
  else
    if t.is_scheduled or t.status == RETRYING then
      leave(id, t)
      tell(id, t.status, PENDING, t.attempt, t.lane)
      t.scheduled, t.claim = 0, NO_CLAIM
      make_ready(id, t)
      woken = true
    end
    out[#out + 1] = 0
  end
end
tell_all(now)
if woken then wake(K.meta, ARGV[4]) end
return out
