-- The keys of scripts that may touch any of them, in the order of queueKeys.all:
-- twenty fixed ones, then the ready keys of all ready lists, from ready list 0.
local K = {
  tasks = KEYS[1], state = KEYS[2], results = KEYS[3], errors = KEYS[4],
  active = KEYS[5], scheduled = KEYS[6], retrying = KEYS[7], due = KEYS[8],
  completed = KEYS[9], failed = KEYS[10], cancelled = KEYS[11], finished = KEYS[12],
  unique = KEYS[13], unique_of = KEYS[14], meta = KEYS[15], events = KEYS[16],
  unique_until = KEYS[17], expiring = KEYS[18], kept = KEYS[19], dead = KEYS[20],
}
-- A ready list that cannot be, of a damaged record, is taken for another one: a script
-- that fails in its midst would do harm to other tasks.
K.ready = function(list_no) return KEYS[21 + list_no] or KEYS[21] or K.scheduled end

-- emit and emit_all do what steps.lua says if somebody reads events or follows tasks, once
-- emit_if_read has found out.
local emit, emit_all = function() end, function() end
local function emit_if_read(now)
  local m = redis.call('HMGET', K.meta, 'watch', 'follow')
  local reads, follow = (tonumber(m[1] or 0) or 0) > now, m[2]
  K.has_nodes = follow and string.find(follow, 'w', 1, true) ~= nil
  -- include: queue/steps
end

-- node_of returns what is stored of a node, see workflows.lua, and the key and the field where
-- that is; nil for a task that is none. emit_if_read has found out whether there are any.
local function node_of(id)
  local prefix = string.sub(K.meta, 1, -5)
  local at = K.has_nodes and redis.call('HGET', prefix .. 'nodes', id)
  if not at then return nil end
  local flow, field = prefix .. 'workflow:' .. string.sub(at, 1, 16), 'n' .. string.sub(at, 17)
  return redis.call('HGET', flow, field) or '', flow, field
end

-- locate returns the state of a task wherever it is, or nil if there is none.
-- A task without a stored state is found by its record and its index.
local function locate(id)
  local t = unpack_state(redis.call('HGET', K.state, id))
  if t then
    t.is_scheduled = t.status == PENDING and redis.call('ZSCORE', K.scheduled, id) ~= false
    return t
  end
  local record = redis.call('HGET', K.tasks, id)
  local head = fresh_state(record, 0)
  if not head then return nil end
  local seq = redis.call('ZSCORE', K.scheduled, id)
  if seq then
    t = fresh_state(record, tonumber(seq))
    t.is_scheduled = true
    return t
  end
  local score = redis.call('ZSCORE', K.ready(head.list_no), id)
  if not score then return nil end
  return fresh_state(record, tonumber(score) - (10 - head.prio) * WIDTH)
end

-- leave takes a task out of the index of its state.
local function leave(id, t)
  if t.status == PENDING then
    if t.is_scheduled then
      redis.call('ZREM', K.scheduled, id)
      redis.call('ZREM', K.due, id)
    else
      redis.call('ZREM', K.ready(t.list_no), id)
    end
  elseif t.status == PROCESSING then redis.call('ZREM', K.active, id)
  elseif t.status == RETRYING then
    redis.call('ZREM', K.retrying, id)
    redis.call('ZREM', K.due, id)
  elseif t.status == COMPLETED then redis.call('ZREM', K.completed, id)
  elseif t.status == FAILED then redis.call('ZREM', K.failed, id)
  elseif t.status == CANCELLED then redis.call('ZREM', K.cancelled, id)
  end
  if t.kept and t.status ~= PENDING then redis.call('ZREM', K.kept, id) end
end

-- make_ready stores the state as PENDING and puts the task among the ready ones.
local function make_ready(id, t)
  t.status = PENDING
  redis.call('HSET', K.state, id, pack_state(t))
  redis.call('ZADD', K.ready(t.list_no), ready_score(t), id)
end
