-- Reads tasks whole.
-- KEYS: as in keys.lua. ARGV: generation of the lanes, their number, then ids.
-- Reply: {-1} if the lanes are stale; else for each task record ('' if there is
-- no such task), state, result, errors, and the end of its lease or the empty
-- string. A task without a stored state gets the state that its index implies.
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[1], ARGV[2]) then return { -1 } end
local ids = {}
for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
local records, states = get_many('HMGET', K.tasks, ids), get_many('HMGET', K.state, ids)
local results, errors = get_many('HMGET', K.results, ids), get_many('HMGET', K.errors, ids)
local out = {}
for i, id in ipairs(ids) do
  local s = states[i] or ''
  if records[i] and not unpack_state(s) then
    local t = locate(id)
    s = t and pack_state(t) or ''
  end
  out[#out + 1] = records[i] or ''
  out[#out + 1] = s
  out[#out + 1] = results[i] or ''
  out[#out + 1] = errors[i] or ''
  out[#out + 1] = redis.call('ZSCORE', K.active, id) or ''
end
return out
