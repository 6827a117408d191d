-- The part of workflows.lua that takes the steps of tasks which others cause, as many as
-- there is time for; what is left goes to the list "following".
-- include: queue/common
local following, tasks, state, scheduled_key = key('following'), key('tasks'), key('state'), key('scheduled')
local left, notify, watched = K.left or BUDGET, false, {}
-- What is being done to whole workflows, first to last.
local acts = {}

local function pack_item(i) return struct.pack(ITEM, i[1], i[2], i[3], i[4], i[5]) end

-- states_of reads the states of nodes, which have one or are PENDING without ever having
-- been claimed.
local function states_of(nodes)
  local ids, out = {}, {}
  for i, node in ipairs(nodes) do ids[i] = node.id end
  local stored, seqs = get_many('HMGET', state, ids), get_many('ZMSCORE', scheduled_key, ids)
  for i, node in ipairs(nodes) do
    local t = unpack_state(stored[i])
    if not t and seqs[i] then
      t = { status = PENDING, list_no = node.list_no, prio = node.prio, deliveries = 0, attempt = 0, recoveries = 0,
        seq = tonumber(seqs[i]), started = 0, finished = 0, claim = NO_CLAIM }
    end
    if t then t.is_scheduled = seqs[i] and t.status == PENDING end
    out[i] = t or false
  end
  return out
end

-- release has nodes be due whose wait has ended.
local function release(w, nodes)
  local changed, gone, ready, dues = {}, {}, {}, {}
  for i, t in ipairs(states_of(nodes)) do
    local node = nodes[i]
    if t and t.status == PENDING and t.is_scheduled then
      local at = t.scheduled or math.max(node.scheduled, 0)
      t.scheduled = math.max(at, now + math.max(-node.scheduled, 0))
      changed[#changed + 1] = node.id
      changed[#changed + 1] = pack_state(t)
      count(w, PENDING, true, -1)
      count(w, PENDING, false, 1)
      notify = true
      if t.scheduled > now then
        dues[#dues + 1] = digits(t.scheduled)
        dues[#dues + 1] = node.id
      else
        gone[#gone + 1] = node.id
        local list = ready[t.list_no] or {}
        ready[t.list_no] = list
        list[#list + 1] = ready_score(t)
        list[#list + 1] = node.id
        emit(node.id, PENDING, PENDING, t.attempt, t.list_no)
      end
    end
  end
  if #gone > 0 then call_many('ZREM', scheduled_key, gone) end
  if #changed > 0 then call_many('HSET', state, changed) end
  for list_no, list in pairs(ready) do call_many('ZADD', key('ready:' .. list_no), list) end
  if #dues > 0 then call_many('ZADD', key('due'), dues) end
  noted_to = #steps
end

-- cancel_node takes a task out of where it waits, and cancels it.
local function cancel_node(node, t, failure, reason)
  local claim = NO_CLAIM
  if t.status == PROCESSING then
    local ends = tonumber(redis.call('ZSCORE', key('active'), node.id) or 0)
    if ends > now then claim = STOPPING .. struct.pack('>I7', ends) end
    redis.call('ZREM', key('active'), node.id)
    watched[#watched + 1] = node.id
  elseif t.status == RETRYING then
    redis.call('ZREM', key('retrying'), node.id)
    redis.call('ZREM', key('due'), node.id)
  elseif t.is_scheduled then
    redis.call('ZREM', scheduled_key, node.id)
    redis.call('ZREM', key('due'), node.id)
  else
    redis.call('ZREM', key('ready:' .. t.list_no), node.id)
  end
  if t.deliveries == 0 then redis.call('ZREM', key('expiring'), node.id) end
  emit(node.id, t.status, CANCELLED, t.attempt, t.list_no, reason)
  if failure then
    local errors = key('errors')
    redis.call('HSET', errors, node.id, append_error(redis.call('HGET', errors, node.id), t.attempt, t.started, now, failure))
  end
  t.status, t.finished, t.claim = CANCELLED, math.max(now, t.started), claim
  redis.call('HSET', state, node.id, pack_state(t))
  redis.call('ZADD', key('cancelled'), digits(t.seq), node.id)
end

-- run_again has a FAILED or CANCELLED task wait for its predecessors, or be ready.
local function run_again(node, t, waits)
  redis.call('ZREM', key(t.status == FAILED and 'failed' or 'cancelled'), node.id)
  emit(node.id, t.status, PENDING, 0, t.list_no)
  t.status, t.attempt, t.recoveries, t.scheduled, t.finished, t.claim = PENDING, 0, 0, 0, 0, NO_CLAIM
  if t.deliveries == 0 then
    local record = redis.call('HGET', tasks, node.id) or ''
    if times(record) ~= 0 then
      redis.call('HSET', tasks, node.id, string.sub(record, 1, 12) .. string.rep('\0', 8) .. string.sub(record, 21))
    end
  end
  redis.call('HSET', state, node.id, pack_state(t))
  if waits then
    redis.call('ZADD', scheduled_key, digits(t.seq), node.id)
  else
    redis.call('ZADD', key('ready:' .. t.list_no), ready_score(t), node.id)
    notify = true
  end
end

local WHENS, ENDS = { [SUCCESS] = 'success', [FAILURE] = 'failure', [DONE] = 'done' }, { [3] = 'COMPLETED', [4] = 'FAILED', [6] = 'CANCELLED' }

-- follow_edges tells the successors of a node what became of it.
local function follow_edges(w, item)
  local _, place, from, to, at = unpack(item)
  local all = redis.call('HGET', w.key, 's' .. place_of(place)) or ''
  local total = math.floor(#all / 4)
  local places, till = {}, math.min(total, at + left)
  for i = at, till - 1 do places[#places + 1] = (struct.unpack('>I4', all, 4 * i + 1)) end
  left = left - math.max(#places, 1)
  load_nodes(w, places)
  local ready, dropped, again = {}, {}, {}
  for _, n in ipairs(places) do
    local node = w.nodes[n]
    if node then
      if is_end(to) then
        node.unfinished = math.max(0, node.unfinished - 1)
        if not met(node.when, to) then node.unmet = node.unmet + 1 end
      else
        node.unfinished = node.unfinished + 1
        if not met(node.when, from) then node.unmet = math.max(0, node.unmet - 1) end
      end
      w.changed[n] = node
      if w.stopped then
        -- Nothing becomes of it.
      elseif node.gate == GATE_WAITING and node.unmet > 0 then
        node.gate, node.dropped = GATE_CLOSED, true
        dropped[#dropped + 1] = node
      elseif node.gate == GATE_WAITING and node.unfinished == 0 then
        node.gate = GATE_OPEN
        ready[#ready + 1] = node
      elseif node.gate == GATE_CLOSED and node.unmet == 0 and node.unfinished > 0 then
        node.gate = GATE_WAITING
        again[#again + 1] = node
      end
    end
  end
  if #ready > 0 then release(w, ready) end
  if #dropped > 0 then
    local by = node_at(w, place)
    local states = states_of(dropped)
    for i, node in ipairs(dropped) do
      local t = states[i]
      if t and not is_end(t.status) then
        cancel_node(node, t, 'predecessor\0predecessor: it waited for the ' .. WHENS[node.when] .. ' of "' .. string.sub(by.rest, 17) ..
          '", which ended ' .. ENDS[to] .. '\0', 'predecessor')
      end
    end
  end
  if #again > 0 then
    local states = states_of(again)
    for i, node in ipairs(again) do
      local t = states[i]
      if t and (t.status == FAILED or t.status == CANCELLED) then run_again(node, t, true) end
    end
  end
  note()
  if till < total then return { item[1], place, from, to, till } end
end

-- end_action notes that an action of a workflow is done, unless the same is to be done again.
local function end_action(w, field, what)
  for i = 2, #acts do
    if acts[i][1] == w.id and acts[i][4] == what then return end
  end
  redis.call('HDEL', w.key, field)
  if what == 1 then w.stopped = nil end
end

-- cancel_all cancels the next nodes of a workflow, and lets it go on when all are.
local function cancel_all(w, item)
  local at = item[5]
  local places, total = {}, 0
  for i = 1, 7 do total = total + w.counts[i] end
  if at >= total then return end_action(w, 'x', 1) end
  local till = math.min(total, at + left)
  for n = at, till - 1 do places[#places + 1] = n end
  left = left - #places
  load_nodes(w, places)
  local nodes = {}
  for _, n in ipairs(places) do nodes[#nodes + 1] = w.nodes[n] or nil end
  local states = states_of(nodes)
  -- A ready task that was never claimed has no state, and no place among the scheduled.
  for i, node in ipairs(nodes) do
    local t = states[i]
    if not t then
      local score = redis.call('ZSCORE', key('ready:' .. node.list_no), node.id)
      t = score and { status = PENDING, list_no = node.list_no, prio = node.prio, deliveries = 0, attempt = 0, recoveries = 0,
        seq = tonumber(score) - (10 - node.prio) * WIDTH, started = 0, finished = 0, claim = NO_CLAIM }
    end
    if t and not is_end(t.status) then cancel_node(node, t) end
  end
  note()
  return { item[1], item[2], 0, 1, till }
end

-- retry_all runs the next nodes of a workflow again, predecessors first, up to one for
-- which others may have to wait. A cancellation that was asked for later is all that is left to do.
local function retry_all(w, item)
  local at, total = item[5], 0
  for i = 1, 7 do total = total + w.counts[i] end
  if at >= total or w.stopped then return end_action(w, 'y', 2) end
  local before = #todo
  while at < total and left > 0 and #todo == before do
    local part = redis.call('HGET', w.key, 'o' .. place_of(math.floor(at / PART))) or ''
    local i = at % PART
    while 4 * i < #part and left > 0 and #todo == before do
      local node = node_at(w, (struct.unpack('>I4', part, 4 * i + 1)))
      local t = node and states_of({ node })[1]
      if t and (t.status == FAILED or t.status == CANCELLED) then
        if node.unmet > 0 then
          node.gate = GATE_CLOSED
        else
          node.gate = node.unfinished > 0 and GATE_WAITING or GATE_OPEN
          run_again(node, t, node.gate == GATE_WAITING)
        end
        w.changed[node.place] = node
        note()
      end
      i, at, left = i + 1, at + 1, left - 1
    end
    if #part == 0 then at = total end
  end
  return { item[1], item[2], 0, 2, at }
end

-- settle_all does what the counts of the next nodes ask for, which a verifier has mended.
local function settle_all(w, item)
  local at, total, places = item[5], 0, {}
  for i = 1, 7 do total = total + w.counts[i] end
  local till = math.min(total, at + left)
  for n = at, till - 1 do places[#places + 1] = n end
  left = left - math.max(#places, 1)
  load_nodes(w, places)
  for _, n in ipairs(places) do
    local node = w.nodes[n]
    if node and node.gate == GATE_WAITING and node.unmet > 0 then
      local t = states_of({ node })[1]
      node.gate, node.dropped, w.changed[n] = GATE_CLOSED, true, node
      if t and not is_end(t.status) then
        cancel_node(node, t, 'predecessor\0predecessor: one that it waited for ended otherwise\0', 'predecessor')
        note()
      end
    elseif node and node.gate == GATE_WAITING and node.unfinished == 0 then
      node.gate, w.changed[n] = GATE_OPEN, node
      release(w, { node })
    end
  end
  if till < total then return { item[1], item[2], 0, 3, till } end
end

-- What is to be done: each step is told in its turn, behind those that came before it, and
-- only when all are told goes on what is being done to whole workflows.
local tells, told, count_tells = {}, 0, 0
local unread = rest
local function put(items)
  if unread then
    for i, item in ipairs(items) do items[i] = pack_item(item) end
    if #items > 0 then call_many('RPUSH', following, items) end
  else
    for _, item in ipairs(items) do
      count_tells = count_tells + 1
      tells[count_tells] = item
    end
  end
end
put(todo)
todo = {}
while left > 0 do
  local item, w, more
  if told < count_tells then
    item = tells[told + 1]
    w = flow_of(item[1])
    if w and not w.removed then more = follow_edges(w, item) else left = left - 1 end
    if more then
      tells[told + 1] = more
    else
      told = told + 1
      tells[told] = nil
    end
  elseif unread then
    local items = redis.call('LRANGE', following, 0, 63)
    unread = #items > 0
    if unread then redis.call('LTRIM', following, #items, -1) end
    for _, s in ipairs(items) do
      if #s == 26 then
        item = { struct.unpack(ITEM, s) }
        if item[3] == 0 then
          acts[#acts + 1] = item
        else
          count_tells = count_tells + 1
          tells[count_tells] = item
        end
      end
    end
  elseif acts[1] then
    item = acts[1]
    w = flow_of(item[1])
    if w and not w.removed then
      if item[4] == 1 then more = cancel_all(w, item)
      elseif item[4] == 3 then more = settle_all(w, item)
      else more = retry_all(w, item)
      end
    end
    if more then acts[1] = more else table.remove(acts, 1) end
  else
    break
  end
  put(todo)
  todo = {}
end
K.left = left
local back = {}
for i = #acts, 1, -1 do back[#back + 1] = pack_item(acts[i]) end
for i = count_tells, told + 1, -1 do back[#back + 1] = pack_item(tells[i]) end
if #back > 0 then call_many('LPUSH', following, back) end
rest = #back > 0 or unread and redis.call('EXISTS', following) == 1
K.rest = rest
local marked = string.find(follow, 'W', 1, true) ~= nil
if rest ~= marked then
  follow = rest and follow .. 'W' or string.gsub(follow, 'W', '')
  redis.call('HSET', K.meta, 'follow', follow)
end
if notify or rest then notify_claim(K.meta, key('wake')) end
if #watched > 0 then redis.call('PUBLISH', key('wake'), table.concat(watched)) end
