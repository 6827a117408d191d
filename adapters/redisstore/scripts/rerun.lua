-- Runs FAILED and CANCELLED tasks again: ready at once, with all their retries.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their
-- number, wake channel, then ids.
-- Reply: {-1} if the lanes are stale; else for each 0 if it is ready, -2 if there
-- is no such task, its status if that forbids it, or the id of the task that
-- holds its unique key.
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
watch(now)
local out, woken = {}, false
for i = 5, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  local key = t and redis.call('HGET', K.unique_of, id)
  local holder = key and redis.call('HGET', K.unique, key)
  if not t then
    out[#out + 1] = -2
  elseif t.status ~= FAILED and t.status ~= CANCELLED then
    out[#out + 1] = t.status
  elseif holder and holder ~= id then
    out[#out + 1] = holder
  else
    leave(id, t)
    tell(id, t.status, PENDING, 0, t.lane)
    t.attempt, t.recoveries, t.scheduled, t.finished, t.claim = 0, 0, 0, 0, NO_CLAIM
    if key then redis.call('HSET', K.unique, key, id) end
    make_ready(id, t)
    woken = true
    out[#out + 1] = 0
  end
end
tell_all(now)
if woken then wake(K.meta, ARGV[4]) end
return out
