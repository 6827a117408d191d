-- What the scripts share that take tasks one by one: the packed state of a task,
-- and helpers. The hottest scripts (enqueue, claim, update, extend) do without,
-- since creating these functions costs more than what they do for one task.
local PENDING, PROCESSING, COMPLETED, FAILED, RETRYING, CANCELLED = 1, 2, 3, 4, 5, 6

-- The state of a task that was claimed or touched at least once; a task without
-- one is PENDING, and its record and its index say the rest:
--
--   1  status + 8 * priority        20  finished at, 7 bytes
--      + 128 if it has a retention
--   2  ready list, 2 bytes                27  deliveries, 2 bytes
--   4  attempt                      29  claim id, 16 bytes
--   5  recoveries                   45  scheduled at, 7 bytes, if it is not what
--   6  sequence number, 7 bytes         the record says
--  13  started at, 7 bytes
--
-- In place of a claim id a CANCELLED task has STOPPING and the time, in 7 bytes, when the lease
-- ends of a run that may not have stopped.
--
-- Numbers are big-endian; times are microseconds since 1970, 0 for none. The
-- fence of a lease is deliveries and claim id as they stand here. 44 bytes are
-- the most that Redis' allocator puts into 48.
local STATE = '>BHBBI7I7I7Hc16'
local STATE_SIZE = 44
local NO_CLAIM = string.rep('\0', 16)
local STOPPING = string.rep('\0', 8) .. '\1'

-- The fixed head of a record: version, ready list, priority, scheduled_at (negative: a
-- delay), all written by the client and never changed.
local HEAD = '>BHBd'
local HEAD_SIZE = 12

-- times returns when a record says that its task expires (negative: a span from its
-- creation) and how long it is kept when it has finished; 0 for none.
local function times(record)
  local version = string.byte(record) or 0
  if version < 17 or version > 32 or #record < 28 then return 0, 0 end
  local expires, retention = struct.unpack('>dd', record, 13)
  return expires, retention
end

-- unpack_state reads a state; one that cannot be is as good as none.
local function unpack_state(s)
  if not s or #s ~= STATE_SIZE and #s ~= STATE_SIZE + 7 then return nil end
  local kind, list_no, attempt, recoveries, seq, started, finished, deliveries, claim = struct.unpack(STATE, s)
  if kind % 8 < PENDING or kind % 8 > CANCELLED then return nil end
  return { status = kind % 8, prio = math.floor(kind / 8) % 16, kept = kind >= 128, list_no = list_no, attempt = attempt, recoveries = recoveries,
    seq = seq, started = started, finished = finished, deliveries = deliveries, claim = claim,
    scheduled = #s > STATE_SIZE and struct.unpack('>I7', s, STATE_SIZE + 1) or nil }
end

local function pack_state(t)
  local s = struct.pack(STATE, t.status + 8 * t.prio + (t.kept and 128 or 0), t.list_no, t.attempt, t.recoveries,
    t.seq, t.started, t.finished, t.deliveries, t.claim)
  return t.scheduled and s .. struct.pack('>I7', t.scheduled) or s
end

-- fresh_state is the state of a task that has none stored yet.
local function fresh_state(record, seq)
  if not record or #record < HEAD_SIZE then return nil end
  local _, list_no, prio = struct.unpack(HEAD, record)
  local _, retention = times(record)
  return { status = PENDING, list_no = list_no, prio = prio, kept = retention > 0, deliveries = 0, attempt = 0, recoveries = 0,
    seq = seq, started = 0, finished = 0, claim = NO_CLAIM }
end

local function ready_score(t) return digits((10 - t.prio) * WIDTH + t.seq) end

-- include: queue/append_error

-- finish_entry is what the list of finished tasks holds: the id, and when it
-- finished, so that an entry of a task that ran again is told apart.
local function finish_entry(id, at) return id .. struct.pack('>I7', at) end

-- finish lists a finished task for its removal.
local function finish(K, id, t)
  if not t.kept then return redis.call('RPUSH', K.finished, finish_entry(id, t.finished)) end
  local _, retention = times(redis.call('HGET', K.tasks, id) or '')
  redis.call('ZADD', K.kept, digits(t.finished + retention), id)
end

-- notify_claim notifies waiting claims, if one waits, that something became ready or that
-- a due time came nearer.
local function notify_claim(meta, channel)
  if redis.call('HDEL', meta, 'idle') == 1 then redis.call('PUBLISH', channel, '1') end
end

-- free_unique gives back the unique keys that these tasks hold.
local function free_unique(unique, unique_of, ids)
  if #ids == 0 or redis.call('HLEN', unique_of) == 0 then return end
  for i, key in ipairs(get_many('HMGET', unique_of, ids)) do
    if key and redis.call('HGET', unique, key) == ids[i] then redis.call('HDEL', unique, key) end
  end
end

-- keep_unique has a task hold its unique key, if it does, until a time at the latest: it was
-- cancelled while it ran.
local function keep_unique(K, id, till)
  local key = redis.call('HGET', K.unique_of, id)
  if key and redis.call('HGET', K.unique, key) == id then redis.call('ZADD', K.unique_until, digits(till), key) end
end

-- next_after returns how long it is until the lowest score of a sorted set, in
-- microseconds and not below 0; -1 if the set is empty.
local function next_after(key, now)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not head[2] then return -1 end
  return math.max(0, tonumber(head[2]) - now)
end

-- epoch_stale reports whether the client's table of ready lists is not the stored one.
local function epoch_stale(meta, epoch)
  return (redis.call('HGET', meta, 'generation') or '') ~= epoch
end

-- promote makes due tasks ready, at most limit of them, and returns how many, and
-- whether one of them can be claimed. K names the keys; K.ready(ready list) is the key of
-- a ready list's ready tasks, K.paused[ready list] whether its queue is paused, if K has that.
-- emit notes each step, if it is not nil.
local function promote(K, now, limit, emit)
  local ids = redis.call('ZRANGEBYSCORE', K.due, '-inf', digits(now), 'LIMIT', 0, limit)
  if #ids == 0 then return 0, false end
  local states = get_many('HMGET', K.state, ids)
  local changed, ready, fresh, notify = {}, {}, {}, false
  local function add(t, id)
    notify = notify or not (K.paused and K.paused[t.list_no])
    local key = K.ready(t.list_no)
    ready[key] = ready[key] or {}
    local list = ready[key]
    list[#list + 1] = ready_score(t)
    list[#list + 1] = id
  end
  for i, id in ipairs(ids) do
    local t = unpack_state(states[i])
    if t then
      if emit then emit(id, t.status, PENDING, t.attempt, t.list_no) end
      t.status, t.claim = PENDING, NO_CLAIM
      changed[#changed + 1] = id
      changed[#changed + 1] = pack_state(t)
      add(t, id)
    else
      fresh[#fresh + 1] = id
    end
  end
  if #fresh > 0 then
    local records = get_many('HMGET', K.tasks, fresh)
    local seqs = get_many('ZMSCORE', K.scheduled, fresh)
    for i, id in ipairs(fresh) do
      local t = seqs[i] and fresh_state(records[i], tonumber(seqs[i]))
      if t then
        if emit then emit(id, PENDING, PENDING, 0, t.list_no) end
        add(t, id)
      end
    end
  end
  call_many('ZREM', K.due, ids)
  call_many('ZREM', K.scheduled, ids)
  call_many('ZREM', K.retrying, ids)
  if #changed > 0 then call_many('HSET', K.state, changed) end
  for key, list in pairs(ready) do call_many('ZADD', key, list) end
  return #ids, notify
end
