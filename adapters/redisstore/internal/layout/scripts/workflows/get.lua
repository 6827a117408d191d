-- Reads a workflow and some of its nodes.
-- KEYS: as in keys.lua. ARGV: epoch, id, place of the first node, most nodes.
-- Reply: {-1} if the epoch is stale; else as workflows/common.lua, and for each node what is
-- stored, the places of its predecessors, and its status.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
if epoch_stale(K.meta, ARGV[1]) then return { -1 } end
local out = describe(ARGV[2])
if #out == 0 then return out end
local flow, from, places = key('workflow:' .. ARGV[2]), tonumber(ARGV[3]), {}
local count = struct.unpack('>I4', out[2], 33)
for n = from, math.min(count, from + tonumber(ARGV[4])) - 1 do places[#places + 1] = struct.pack('>I4', n) end
local nodes, ids = nodes_at(flow, table.concat(places))
local fields = {}
for i, place in ipairs(places) do fields[i] = 'p' .. place end
local before, status = get_many('HMGET', flow, fields), status_of(ids)
for i, node in ipairs(nodes) do
  out[#out + 1] = node
  out[#out + 1] = before[i] or ''
  out[#out + 1] = status[i]
end
return out
