-- What the queue's scripts share: constants, the packed state of a task, and
-- helpers. Every script begins by checking and reading, and writes last, since
-- what a script has written stays written if it fails later.
--
-- Scores and sequence numbers are microseconds. A task's sequence number is the
-- time of its creation, made strictly increasing, counted from EPOCH; it orders
-- tasks of one priority and is their created_at. A ready score is
-- (10 - priority) * WIDTH + sequence, which a double holds exactly until 2050.
local EPOCH = 1735689600000000 -- 2025-01-01T00:00:00Z
local WIDTH = 800000000000000  -- 25 years
local PENDING, PROCESSING, COMPLETED, FAILED, RETRYING, CANCELLED = 1, 2, 3, 4, 5, 6
local MAX_ERRORS = 128

-- The state of a task that was claimed or touched at least once; a task without
-- one is PENDING, and its record and its index say the rest. status, lane,
-- priority, deliveries, attempt, recoveries, sequence, scheduled_at, started_at,
-- finished_at, claim id. Times are microseconds since 1970, 0 for none.
local STATE = '>BHBI3HBddddc16'
local STATE_SIZE = 58
local NO_CLAIM = string.rep('\0', 16)

-- The fixed head of a record: version, lane, priority, scheduled_at (negative: a
-- delay), all written by the client and never changed.
local HEAD = '>BHBd'
local HEAD_SIZE = 12

local function store_now(offset)
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2] + tonumber(offset)
end

local function num(n) return string.format('%.0f', n) end

-- call_many runs a variadic command in parts that fit Lua's stack.
local function call_many(cmd, key, args)
  for i = 1, #args, 4000 do
    redis.call(cmd, key, unpack(args, i, math.min(i + 3999, #args)))
  end
end

-- get_many is HMGET or ZMSCORE of many fields, in parts.
local function get_many(cmd, key, ids)
  if #ids <= 4000 then
    if #ids == 0 then return {} end
    return redis.call(cmd, key, unpack(ids))
  end
  local out = {}
  for i = 1, #ids, 4000 do
    for _, v in ipairs(redis.call(cmd, key, unpack(ids, i, math.min(i + 3999, #ids)))) do
      out[#out + 1] = v
    end
  end
  return out
end

local function unpack_state(s)
  if not s or #s ~= STATE_SIZE then return nil end
  local t = {}
  t.status, t.lane, t.prio, t.deliveries, t.attempt, t.recoveries,
    t.seq, t.scheduled, t.started, t.finished, t.claim = struct.unpack(STATE, s)
  return t
end

local function pack_state(t)
  return struct.pack(STATE, t.status, t.lane, t.prio, t.deliveries, t.attempt, t.recoveries,
    t.seq, t.scheduled, t.started, t.finished, t.claim)
end

-- fresh_state is the state of a task that has none stored yet.
local function fresh_state(record, seq)
  if not record or #record < HEAD_SIZE then return nil end
  local _, lane, prio, sched = struct.unpack(HEAD, record)
  if sched < 0 then sched = EPOCH + seq - sched end
  return { status = PENDING, lane = lane, prio = prio, deliveries = 0, attempt = 0, recoveries = 0,
    seq = seq, scheduled = sched, started = 0, finished = 0, claim = NO_CLAIM }
end

local function ready_score(t) return num((10 - t.prio) * WIDTH + t.seq) end

-- append_error adds one failure to a task's stored ones and keeps the newest
-- MAX_ERRORS: attempt, started_at, at, length, and the client's bytes.
local function append_error(old, attempt, started, at, blob)
  local all = (old or '') .. struct.pack('>HddI4', attempt, started, at, #blob) .. blob
  local count, pos, starts = 0, 1, {}
  while pos + 21 <= #all do
    count = count + 1
    starts[count] = pos
    pos = pos + 22 + struct.unpack('>I4', all, pos + 18)
  end
  if count > MAX_ERRORS then all = string.sub(all, starts[count - MAX_ERRORS + 1]) end
  return all
end

-- finish_entry is what the list of finished tasks holds: the id, and when it
-- finished, so that an entry of a task that ran again is told apart.
local function finish_entry(id, at) return id .. struct.pack('>d', at) end

-- wake tells waiting claims, if one waits, that something became ready or that
-- a due time came nearer.
local function wake(meta, channel)
  if redis.call('HDEL', meta, 'idle') == 1 then redis.call('PUBLISH', channel, '1') end
end

-- free_unique gives back the unique keys that these tasks hold.
local function free_unique(unique, unique_of, ids)
  if #ids == 0 or redis.call('HLEN', unique_of) == 0 then return end
  for i, key in ipairs(get_many('HMGET', unique_of, ids)) do
    if key and redis.call('HGET', unique, key) == ids[i] then redis.call('HDEL', unique, key) end
  end
end

-- next_after returns how long it is until the lowest score of a sorted set, in
-- microseconds and not below 0; -1 if the set is empty.
local function next_after(key, now)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not head[2] then return -1 end
  return math.max(0, tonumber(head[2]) - now)
end

-- lanes_stale reports whether the client's list of lanes is not the stored one.
local function lanes_stale(lanes, generation, count)
  local known = redis.call('HMGET', lanes, '', '#')
  return (known[1] or '') ~= generation or tonumber(known[2] or 0) ~= tonumber(count)
end

-- promote makes due tasks ready, at most limit of them, and returns how many.
-- K names the keys; K.ready(lane) is the key of a lane's ready tasks.
local function promote(K, now, limit)
  local ids = redis.call('ZRANGEBYSCORE', K.due, '-inf', num(now), 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  local states = get_many('HMGET', K.state, ids)
  local changed, ready, fresh, fresh_at = {}, {}, {}, {}
  local function add(t, id)
    local key = K.ready(t.lane)
    ready[key] = ready[key] or {}
    local list = ready[key]
    list[#list + 1] = ready_score(t)
    list[#list + 1] = id
  end
  for i, id in ipairs(ids) do
    local t = unpack_state(states[i])
    if t then
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
      if t then add(t, id) end
    end
  end
  call_many('ZREM', K.due, ids)
  call_many('ZREM', K.scheduled, ids)
  call_many('ZREM', K.retrying, ids)
  if #changed > 0 then call_many('HSET', K.state, changed) end
  for key, list in pairs(ready) do call_many('ZADD', key, list) end
  return #ids
end
