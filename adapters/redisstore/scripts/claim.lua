-- Claims ready tasks for a lease, the best first, after promoting due ones. A
-- repeat with the same claim id gives the tasks that the claim still holds.
-- KEYS: tasks, state, errors, active, due, scheduled, retrying, meta, the key
-- of this claim, events, then the ready keys of all lanes.
-- ARGV: clock offset, generation of the lanes, their number, claim id, most
-- tasks, lease in microseconds, then the lanes to take from.
-- Reply: {-1} if the lanes are stale; else microseconds until the next task is
-- due (-1: none), the end of the lease, then for each task id, record, state and
-- errors. A task whose record is gone, or whose id is none, is dropped from the
-- index.
local K = { tasks = KEYS[1], state = KEYS[2], errors = KEYS[3], active = KEYS[4], due = KEYS[5],
  scheduled = KEYS[6], retrying = KEYS[7], meta = KEYS[8], claim = KEYS[9], events = KEYS[10] }
local m = redis.call('HMGET', K.meta, 'generation', 'lanes', 'watch')
if (m[1] or '') ~= ARGV[2] or tonumber(m[2] or 0) ~= tonumber(ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
local claim, max, lease = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local sub, byte, pack_in, unpack_from = string.sub, string.byte, struct.pack, struct.unpack

-- What this claim took before. Its record holds the end of its leases and their
-- number; as long as none was extended or reported, that is where they are.
local before = redis.call('GET', K.claim)
if before then
  local first_end, count = unpack_from('>I7I4', before)
  local ids, states, ends = {}, {}, 0
  local function look(low, high)
    local held = redis.call('ZRANGEBYSCORE', K.active, low, high, 'WITHSCORES')
    local members = {}
    for i = 1, #held, 2 do members[#members + 1] = held[i] end
    ids, states = {}, {}
    for i, s in ipairs(get_many('HMGET', K.state, members)) do
      -- The offsets into a state are those of its description in common.lua.
      if s and byte(s, 1) % 8 == 2 and sub(s, 29, 44) == claim then
        ids[#ids + 1] = members[i]
        states[#states + 1] = s
        ends = tonumber(held[2 * i])
      end
    end
  end
  look(first_end, first_end)
  if #ids < count then look('-inf', '+inf') end
  local out = { -1, ends }
  local records, errors = get_many('HMGET', K.tasks, ids), get_many('HMGET', K.errors, ids)
  for i, id in ipairs(ids) do
    out[#out + 1] = id
    out[#out + 1] = records[i]
    out[#out + 1] = states[i]
    out[#out + 1] = errors[i] or ''
  end
  return out
end

local tell, tell_all
if m[3] and (tonumber(m[3]) or 0) > now then
  -- include: tell
end

local due = redis.call('ZRANGE', K.due, 0, 0, 'WITHSCORES')[2]
if due and tonumber(due) <= now then
  -- include: common
  -- As in keys.lua: a damaged record must not stop the claim.
  K.ready = function(lane) return KEYS[11 + lane] or KEYS[11] or K.scheduled end
  promote(K, now, 200, tell)
  due = redis.call('ZRANGE', K.due, 0, 0, 'WITHSCORES')[2]
end
local next_due = due and math.max(0, tonumber(due) - now) or -1

-- Take from the lane with the best head for as long as it stays the best.
local ids, scores, heads = {}, {}, {}
for i = 7, #ARGV do
  local key = KEYS[11 + ARGV[i]]
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
    count = #redis.call('ZRANGEBYSCORE', key, '-inf', second, 'LIMIT', 0, count)
  end
  local got = redis.call('ZPOPMIN', key, count)
  local n = #ids
  for i = 1, #got, 2 do
    n = n + 1
    ids[n] = got[i]
    scores[n] = got[i + 1]
  end
  local head = second and redis.call('ZRANGE', key, 0, 0, 'WITHSCORES') or {}
  if head[2] then heads[best].score = tonumber(head[2])
  else table.remove(heads, best) end
end

if #ids == 0 then
  if tell then tell_all(now) end
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', K.meta, '')
  redis.call('HSET', K.meta, 'idle', 1)
  return { next_due, 0 }
end

local records, states = get_many('HMGET', K.tasks, ids), get_many('HMGET', K.state, ids)
local errors = {}
for i = 1, #ids do
  if states[i] then
    if redis.call('HLEN', K.errors) > 0 then errors = get_many('HMGET', K.errors, ids) end
    break
  end
end
local ends = digits(now + lease)
-- The offsets into a state are those of its description in common.lua.
local out, leases, changed = { next_due, now + lease }, {}, {}
local o, c = 2, 0
for i, id in ipairs(ids) do
  local s, record = states[i], records[i]
  if record and #id == 16 then
    if s and (#s == 44 or #s == 51) then
      local seq = unpack_from('>I7', s, 6)
      s = string.char(byte(s, 1) - byte(s, 1) % 8 + 2) .. sub(s, 2, 12) .. pack_in('>I7I7H', math.max(now, EPOCH + seq), 0,
        math.min(unpack_from('>H', s, 27) + 1, 65535)) .. claim .. sub(s, 45)
    else
      -- It is claimed for the first time. An unreadable record is handed out like
      -- any other, so that the client can set it aside.
      local seq = tonumber(scores[i]) % WIDTH
      local lane, prio = 0, 0
      if #record >= 12 then
        lane, prio = unpack_from('>HB', record, 2)
      end
      s = pack_in('>BHHI7I7I7Hc16', 2 + 8 * math.min(prio, 31), lane, 0, seq, math.max(now, EPOCH + seq), 0, 1, claim)
    end
    c = c + 1
    leases[2 * c - 1], leases[2 * c] = ends, id
    changed[2 * c - 1], changed[2 * c] = id, s
    if tell then tell(id, 1, 2, byte(s, 4), (unpack_from('>H', s, 2))) end
    out[o + 1], out[o + 2], out[o + 3], out[o + 4] = id, record, s, errors[i] or ''
    o = o + 4
  end
end
if c > 0 then
  call_many('ZADD', K.active, leases)
  call_many('HSET', K.state, changed)
  redis.call('SET', K.claim, pack_in('>I7I4', now + lease, c), 'PX', math.ceil(lease / 1000) + 60000)
end
if tell then tell_all(now) end
return out
