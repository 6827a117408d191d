-- What the scripts of workflows share; see queue/workflows.lua for the layout.
local function key(name) return string.sub(K.meta, 1, -5) .. name end

-- describe returns id, digest to name, counts and end ('' for none) of a workflow; an empty
-- table if there is none.
local function describe(id)
  local v = redis.call('HMGET', key('workflow:' .. id), 'h', 'c', 'f', 'z')
  if not v[1] or not v[2] or v[4] then return {} end
  return { id, v[1], v[2], v[3] or '' }
end

-- status_of returns the status of each task, 1 for one without a state.
local function status_of(ids)
  local out = {}
  for i, s in ipairs(get_many('HMGET', K.state, ids)) do
    local t = unpack_state(s)
    out[i] = t and t.status or PENDING
  end
  return out
end

-- nodes_at returns the nodes at places (4 bytes each, in one string), with ids and refs.
local function nodes_at(flow, places)
  local fields, nodes, ids, refs = {}, {}, {}, {}
  for i = 1, #places, 4 do fields[#fields + 1] = 'n' .. string.sub(places, i, i + 3) end
  for i, v in ipairs(get_many('HMGET', flow, fields)) do
    nodes[i], ids[i], refs[i] = v or '', string.sub(v or '', 22, 37), string.sub(v or '', 38)
  end
  return nodes, ids, refs
end
