-- Compares some nodes of a workflow with the states of their predecessors, and its counts with
-- the states of all, and mends them if it is asked to: what becomes of a node then is done as
-- after the end of a predecessor. Nothing can be said while there is something to be done for
-- workflows, see queue/workflows.lua.
-- KEYS: as in queue/keys.lua. ARGV: id, place of the first node, most nodes, 'repair' or '', clock offset.
-- Reply: the place to go on at, 0 if there is none, then for each finding: id, kind, place,
-- detail, action.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
-- include: workflows/act
local id, from, most, repairs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == 'repair'
local name = 'workflow:' .. id
local flow, out = key(name), { 0 }
local function report(member, kind, detail, action)
  for _, v in ipairs({ member, kind, name, detail, repairs and action or '' }) do out[#out + 1] = v end
end
if redis.call('EXISTS', key('following')) == 1 then return out end
local v = redis.call('HMGET', flow, 'h', 'c', 'f', 'z', 'x')
if v[4] or v[5] then return out end
if not v[1] or #v[1] < 43 or not v[2] or #v[2] ~= 28 then
  report(id, 'workflow_corrupt', 'what is kept of the workflow is damaged', '')
  return out
end
local total = struct.unpack('>I4', v[1], 33)
local function places(first, n)
  local all = {}
  for i = first, math.min(total, first + n) - 1 do all[#all + 1] = struct.pack('>I4', i) end
  return table.concat(all)
end

if from == 0 then
  if not redis.call('ZSCORE', key('workflows'), id) then
    report(id, 'workflow_not_listed', 'the workflow is not in the list of all', 'listed')
    if repairs then redis.call('ZADD', key('workflows'), digits(struct.unpack('>I7', v[1], 37) - SEQUENCE_START), id) end
  end
  local counts, at = { 0, 0, 0, 0, 0, 0, 0 }, { [1] = 2, [2] = 3, [5] = 4, [3] = 5, [4] = 6, [6] = 7 }
  for first = 0, total - 1, 1000 do
    local nodes, ids = nodes_at(flow, places(first, 1000))
    for i, status in ipairs(status_of(ids)) do
      local c = status == PENDING and string.byte(nodes[i]) == 1 and 1 or at[status]
      counts[c] = counts[c] + 1
    end
  end
  local packed, unfinished = struct.pack('>I4I4I4I4I4I4I4', unpack(counts)), counts[1] + counts[2] + counts[3] + counts[4] > 0
  if packed ~= v[2] or unfinished == (v[3] ~= false) then
    report(id, 'workflow_counts_wrong', 'its counts, or its end, are not those of its tasks', 'counted anew')
    if repairs then
      redis.call('HSET', flow, 'c', packed)
      local now = store_now(ARGV[5])
      if unfinished then redis.call('HDEL', flow, 'f')
      elseif not v[3] then
        redis.call('HSET', flow, 'f', digits(now))
        redis.call('RPUSH', K.finished, id .. struct.pack('>I7', now) .. 'w')
      end
    end
  end
end

local nodes, ids = nodes_at(flow, places(from, most))
local status, known, settles = status_of(ids), {}, false
for i, node in ipairs(nodes) do
  local place = struct.pack('>I4', from + i - 1)
  local before, fields = redis.call('HGET', flow, 'p' .. place) or '', {}
  for n = 1, #before, 4 do
    local p = string.sub(before, n, n + 3)
    if known[p] == nil then fields[#fields + 1] = p end
  end
  local _, others = nodes_at(flow, table.concat(fields))
  for n, s in ipairs(status_of(others)) do known[fields[n]] = s end
  if #node < 37 then
    report(id, 'workflow_corrupt', 'a node of the workflow is damaged', '')
  elseif redis.call('HEXISTS', K.tasks, ids[i]) == 0 then
    report(ids[i], 'workflow_task_missing', 'the task of a node is gone, and all that waits for it waits for ever', '')
  else
    local gate, when, has_unfinished, has_unmet = struct.unpack('>BBI4I4', node)
    local unfinished, unmet = 0, 0
    for n = 1, #before, 4 do
      local s = known[string.sub(before, n, n + 3)]
      if s ~= COMPLETED and s ~= FAILED and s ~= CANCELLED then unfinished = unfinished + 1
      elseif when ~= 2 and (when == 1) == (s == COMPLETED) then unmet = unmet + 1
      end
    end
    local new_gate = gate
    if gate == 1 and status[i] ~= PENDING then new_gate = 0 end
    local stuck = new_gate == 1 and (unmet > 0 or unfinished == 0)
    if has_unfinished ~= unfinished or has_unmet ~= unmet or new_gate ~= gate or stuck then
      report(ids[i], 'workflow_gate_wrong', string.format('it counts %d unfinished and %d unmet predecessors, and has %d and %d',
        has_unfinished, has_unmet, unfinished, unmet), 'counted anew')
      if repairs then
        redis.call('HSET', flow, 'n' .. place, struct.pack('>BBI4I4', new_gate, when, unfinished, unmet) .. string.sub(node, 11))
      end
      settles = settles or stuck
    end
  end
end
if settles and repairs then
  act_on(id, 3)
  return out -- The rest is looked at when that is done, by another check.
end
if from + #nodes < total then out[1] = from + #nodes end
return out
