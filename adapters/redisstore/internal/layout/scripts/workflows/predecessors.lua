-- Reads how the predecessors of a task ended.
-- KEYS: as in keys.lua. ARGV: id, place of the first, most, and how many bytes are enough.
-- Reply: {-2} if there is no such task, or its workflow is being removed; else how many there are in all, then for each ref, id, status,
-- result and errors.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
local id, from, room = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
if redis.call('HEXISTS', K.tasks, id) == 0 then return { -2 } end
local at = redis.call('HGET', key('nodes'), id)
if not at then return { 0 } end
local flow = key('workflow:' .. string.sub(at, 1, 16))
if redis.call('HEXISTS', flow, 'z') == 1 then return { -2 } end
local before = redis.call('HGET', flow, 'p' .. string.sub(at, 17)) or ''
local _, ids, refs = nodes_at(flow, string.sub(before, 4 * from + 1, 4 * (from + tonumber(ARGV[3]))))
local out = { math.floor(#before / 4) }
for i, status in ipairs(status_of(ids)) do
  local result, errors = redis.call('HGET', K.results, ids[i]) or '', redis.call('HGET', K.errors, ids[i]) or ''
  room = room - #result - #errors
  if room < 0 and i > 1 then break end
  out[#out + 1] = refs[i]
  out[#out + 1] = ids[i]
  out[#out + 1] = status
  out[#out + 1] = result
  out[#out + 1] = errors
end
return out
