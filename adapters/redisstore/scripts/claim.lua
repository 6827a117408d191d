-- Claims ready tasks for a lease, the best first, after promoting due ones. A
-- repeat with the same claim id gives the tasks that the claim still holds.
-- KEYS: tasks, state, errors, active, due, scheduled, retrying, meta, lanes, the
-- key of this claim, then the ready keys of all lanes.
-- ARGV: clock offset, generation of the lanes, their number, claim id, most
-- tasks, lease in microseconds, then the lanes to take from.
-- Reply: {-1} if the lanes are stale; else microseconds until the next task is
-- due (-1: none), the end of the lease, then for each task id, record, state and
-- errors. A task whose record is gone is dropped from the index.
local K = { tasks = KEYS[1], state = KEYS[2], errors = KEYS[3], active = KEYS[4], due = KEYS[5],
  scheduled = KEYS[6], retrying = KEYS[7], meta = KEYS[8], lanes = KEYS[9], claim = KEYS[10] }
K.ready = function(lane) return KEYS[11 + lane] end
if lanes_stale(K.lanes, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
local claim, max, lease = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])

local function reply(ids, records, states, errors, ends)
  local out = { next_after(K.due, now), ends }
  for i, id in ipairs(ids) do
    out[#out + 1] = id
    out[#out + 1] = records[i]
    out[#out + 1] = states[i]
    out[#out + 1] = errors[i] or ''
  end
  return out
end

local before = redis.call('GET', K.claim)
if before then
  local ids, states = {}, {}
  local all = {}
  for i = 1, #before, 16 do all[#all + 1] = string.sub(before, i, i + 15) end
  local ends = 0
  for i, s in ipairs(get_many('HMGET', K.state, all)) do
    local t = unpack_state(s)
    if t and t.status == PROCESSING and t.claim == claim then
      ids[#ids + 1] = all[i]
      states[#states + 1] = s
      ends = tonumber(redis.call('ZSCORE', K.active, all[i]) or ends)
    end
  end
  return reply(ids, get_many('HMGET', K.tasks, ids), states, get_many('HMGET', K.errors, ids), ends)
end

promote(K, now, 200)

-- Take from the lane with the best head for as long as it stays the best.
local ids, scores = {}, {}
local heads = {}
for i = 7, #ARGV do
  local key = K.ready(tonumber(ARGV[i]))
  if #ARGV == 7 then
    heads[1] = { key = key, score = 0 }
  else
    local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if head[2] then heads[#heads + 1] = { key = key, score = tonumber(head[2]) } end
  end
end
while #heads > 0 and #ids < max do
  local best, second = 1, nil
  for i = 2, #heads do
    if heads[i].score < heads[best].score then
      second = heads[best].score
      best = i
    elseif not second or heads[i].score < second then
      second = heads[i].score
    end
  end
  local key, count = heads[best].key, max - #ids
  if second then
    count = #redis.call('ZRANGEBYSCORE', key, '-inf', num(second), 'LIMIT', 0, count)
  end
  local got = redis.call('ZPOPMIN', key, count)
  for i = 1, #got, 2 do
    ids[#ids + 1] = got[i]
    scores[#scores + 1] = tonumber(got[i + 1])
  end
  local head = second and redis.call('ZRANGE', key, 0, 0, 'WITHSCORES') or {}
  if head[2] then heads[best].score = tonumber(head[2])
  else table.remove(heads, best) end
end

if #ids == 0 then
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', K.meta, '')
  redis.call('HSET', K.meta, 'idle', 1)
  return { next_after(K.due, now), 0 }
end

local records, states = get_many('HMGET', K.tasks, ids), get_many('HMGET', K.state, ids)
local kept, kept_records, kept_states, again = {}, {}, {}, {}
local leases, changed = {}, {}
local ends = now + lease
for i, id in ipairs(ids) do
  local t = unpack_state(states[i])
  if t then
    again[#again + 1] = id
  elseif records[i] then
    local head = fresh_state(records[i], 0)
    t = head and fresh_state(records[i], scores[i] - (10 - head.prio) * WIDTH)
      -- An unreadable record is handed out like any other, so that the client
      -- can set it aside.
      or { status = PENDING, lane = 0, prio = 0, deliveries = 0, attempt = 0, recoveries = 0,
        seq = scores[i] % WIDTH, scheduled = 0, started = 0, finished = 0, claim = NO_CLAIM }
  end
  if t and records[i] then
    t.status, t.deliveries, t.claim = PROCESSING, t.deliveries + 1, claim
    t.started = math.max(now, EPOCH + t.seq)
    local packed = pack_state(t)
    kept[#kept + 1] = id
    kept_records[#kept_records + 1] = records[i]
    kept_states[#kept_states + 1] = packed
    leases[#leases + 1] = num(ends)
    leases[#leases + 1] = id
    changed[#changed + 1] = id
    changed[#changed + 1] = packed
  end
end
local errors = {}
if #again > 0 and redis.call('HLEN', K.errors) > 0 then errors = get_many('HMGET', K.errors, kept) end
if #kept > 0 then
  call_many('ZADD', K.active, leases)
  call_many('HSET', K.state, changed)
  redis.call('SET', K.claim, table.concat(kept), 'PX', math.ceil(lease / 1000) + 60000)
end
return reply(kept, kept_records, kept_states, errors, ends)
