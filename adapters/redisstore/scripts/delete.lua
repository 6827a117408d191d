-- Removes tasks with all that belongs to them, unless they are PROCESSING.
-- KEYS: as in keys.lua. ARGV: generation of the lanes, their number, then ids.
-- Reply: {-1} if the lanes are stale; else for each 0 if it is gone, -2 if there
-- is no such task, or its status, which forbids it.
-- include: common
-- include: keys
if lanes_stale(K.lanes, ARGV[1], ARGV[2]) then return { -1 } end
local out = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  if not t then
    -- What is left of a record that cannot be read goes too.
    out[#out + 1] = redis.call('HDEL', K.tasks, id) == 1 and 0 or -2
  elseif t.status == PROCESSING then
    out[#out + 1] = t.status
  else
    leave(id, t)
    free_unique(K.unique, K.unique_of, { id })
    for _, key in ipairs({ K.tasks, K.state, K.results, K.errors, K.unique_of }) do
      redis.call('HDEL', key, id)
    end
    out[#out + 1] = 0
  end
end
return out
