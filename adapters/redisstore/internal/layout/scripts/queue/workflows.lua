-- The part of steps.lua for workflows: what the steps of tasks mean for those that wait for
-- them, as domain/workflow_gate.go says.
--
-- The hash "nodes" has, by the id of a task, its workflow (16 bytes) and its place there
-- (4 bytes, big-endian as all numbers here). The zset "workflows" has the ids of workflows by
-- creation. Each workflow has a hash "workflow:ID", whose fields are:
--
--   h      digest (32 bytes), number of nodes (4), created_at (7), name
--   c      how many nodes wait, are PENDING and do not, PROCESSING, RETRYING, COMPLETED,
--          FAILED, CANCELLED: 4 bytes each
--   f      when it finished, in microseconds; missing while it has not
--   x      it is being cancelled: no task becomes ready or is dropped by others
--   y      it is being retried
--   z      how many of the first nodes are left while it is removed
--   n + place (4 bytes)   node: see NODE
--   p, s + place   places of the predecessors and successors, 4 bytes each
--   o + part (4 bytes)   the places in an order in which each comes after its predecessors,
--          in parts of 500
--
-- The list "following" has what is still to be done, first to last: workflow, place, status
-- before and after (or 0 and what to do to the whole workflow: 1 cancel, 2 retry, 3 what a verifier has mended),
-- and the place among the successors (or nodes) to go on at. What is to be done to whole workflows
-- comes after all else. If it has any, meta's field
-- "follow" has a "W" behind the "w", and every script that follows does a part of it.
local NODE, NODE_SIZE, ITEM = '>BBI4I4HBd', 21, '>c16I4BBI4'
local GATE_OPEN, GATE_WAITING, GATE_CLOSED = 0, 1, 2
local SUCCESS, FAILURE, DONE = 0, 1, 2
local BUDGET, PART = 1000, 500
local rest, todo = string.find(follow, 'W', 1, true) ~= nil, {}

local function place_of(n) return struct.pack('>I4', n) end
local function is_end(status) return status == 3 or status == 4 or status == 6 end
-- met reports whether an end is what a node waits for.
local function met(when, status) return when == DONE or (when == FAILURE) ~= (status == 3) end

-- Workflows that were looked at, by id, with their counts and nodes as far as they were.
local flows = {}
local function flow_of(id)
  local w = flows[id]
  if w == nil then
    local name = key('workflow:' .. id)
    local v = redis.call('HMGET', name, 'c', 'f', 'x', 'z')
    w = v[1] and #v[1] == 28 and { id = id, key = name, finished = v[2], stopped = v[3], removed = v[4], nodes = {}, changed = {} } or false
    if w then w.counts = { struct.unpack('>I4I4I4I4I4I4I4', v[1]) } end
    flows[id] = w
  end
  return w
end

-- load_nodes reads nodes of a workflow that were not read yet.
local function load_nodes(w, places)
  local fields, at = {}, {}
  for _, n in ipairs(places) do
    if w.nodes[n] == nil then
      fields[#fields + 1] = 'n' .. place_of(n)
      at[#at + 1] = n
    end
  end
  for i, v in ipairs(get_many('HMGET', w.key, fields)) do
    local node = false
    if v and #v >= NODE_SIZE + 16 then
      local gate, when, unfinished, unmet, list_no, prio, scheduled = struct.unpack(NODE, v)
      node = { gate = gate, when = when, unfinished = unfinished, unmet = unmet, list_no = list_no, prio = prio, scheduled = scheduled,
        id = string.sub(v, NODE_SIZE + 1, NODE_SIZE + 16), rest = string.sub(v, NODE_SIZE + 1), place = at[i] }
    end
    w.nodes[at[i]] = node
  end
end

local function node_at(w, n)
  if w.nodes[n] == nil then load_nodes(w, { n }) end
  return w.nodes[n]
end

local function count(w, status, waits, n)
  local at = status == 1 and (waits and 1 or 2) or status == 2 and 3 or status == 5 and 4 or status + 2
  if status == 6 then at = 7 end
  w.counts[at] = math.max(0, w.counts[at] + n)
  w.counted = true
end

-- note_step counts a step of a node, and has it followed if others may wait for it.
local function note_step(v, from, to)
  local w, place = flow_of(string.sub(v, 1, 16)), struct.unpack('>I4', v, 17)
  if not w or w.removed or from == to then return end
  local waited, waits = false, false
  if from == 1 and to ~= 2 or is_end(from) then
    local node = node_at(w, place)
    if not node then return end
    waits = to == 1 and node.gate == GATE_WAITING
    if from == 1 and (node.gate == GATE_WAITING or node.dropped) then
      waited, node.dropped = true, nil
      if node.gate == GATE_WAITING then
        node.gate = GATE_OPEN
        w.changed[place] = node
      end
    end
  end
  count(w, from, waited, -1)
  count(w, to, waits, 1)
  if is_end(from) ~= is_end(to) then todo[#todo + 1] = { w.id, place, from, to, 0 } end
end

local noted_to = first - 1
-- note counts the steps that were not counted yet.
local function note()
  local ids, at = {}, {}
  for i = noted_to + 1, #steps do
    if steps[i][2] ~= 0 and steps[i][3] ~= 0 then
      ids[#ids + 1] = steps[i][1]
      at[#at + 1] = i
    end
  end
  noted_to = #steps
  if #ids == 0 then return end
  for i, v in ipairs(get_many('HMGET', key('nodes'), ids)) do
    if v and #v == 20 then note_step(v, steps[at[i]][2], steps[at[i]][3]) end
  end
end
note()

if rest or #todo > 0 then
  -- include: queue/workflow_steps
end

for _, w in pairs(flows) do
  if w then
    local nodes = {}
    for n, node in pairs(w.changed) do
      nodes[#nodes + 1] = 'n' .. place_of(n)
      nodes[#nodes + 1] = struct.pack(NODE, node.gate, node.when, node.unfinished, node.unmet, node.list_no, node.prio, node.scheduled) .. node.rest
    end
    if #nodes > 0 then call_many('HSET', w.key, nodes) end
    if w.counted then
      local c = w.counts
      redis.call('HSET', w.key, 'c', struct.pack('>I4I4I4I4I4I4I4', unpack(c)))
      local unfinished = c[1] + c[2] + c[3] + c[4] > 0
      if unfinished and w.finished then redis.call('HDEL', w.key, 'f')
      elseif not unfinished and not w.finished then
        redis.call('HSET', w.key, 'f', digits(now))
        redis.call('RPUSH', key('finished'), w.id .. struct.pack('>I7', now) .. 'w')
      end
    end
  end
end
