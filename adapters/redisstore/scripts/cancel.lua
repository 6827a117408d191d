-- Ends PENDING, RETRYING and PROCESSING tasks.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their
-- number, then ids.
-- Reply: {-1} if the lanes are stale; else for each 0 if it is cancelled, -2 if
-- there is no such task, or its status, which forbids it.
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
watch(now)
local out = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  if not t then
    out[#out + 1] = -2
  elseif t.status ~= PENDING and t.status ~= RETRYING and t.status ~= PROCESSING then
    out[#out + 1] = t.status
  else
    leave(id, t)
    tell(id, t.status, CANCELLED, t.attempt, t.lane)
    t.status, t.finished, t.claim = CANCELLED, math.max(now, t.started), NO_CLAIM
    redis.call('HSET', K.state, id, pack_state(t))
    redis.call('ZADD', K.cancelled, digits(t.seq), id)
    redis.call('RPUSH', K.finished, finish_entry(id, t.finished))
    free_unique(K.unique, K.unique_of, { id })
    out[#out + 1] = 0
  end
end
tell_all(now)
return out
