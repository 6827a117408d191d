-- Claims ready tasks for a lease, the best first, after promoting due ones. A
-- repeat with the same claim id gives the tasks that the claim still holds, with
-- leases that last anew, and gives those back that are beyond the most bytes.
-- KEYS: tasks, state, errors, active, due, scheduled, retrying, meta, the key
-- of this claim, events, unique, unique_of, expiring, then the ready
-- keys of all ready lists.
-- ARGV: clock offset, epoch, claim id, most tasks, lease in
-- microseconds, most bytes of records and errors (one task may have more), wake
-- channel ('' if it is not to be notified when it finds none), microseconds of ageing
-- (0: none), then the ready lists to take from.
-- Reply: {-1} if the epoch is stale; {-3} if nothing is claimed since promote.lua is to
-- end expired tasks first; else microseconds until the next task is
-- due (-1: none), the end of the lease, then for each task id, record, state and
-- errors. A task whose record is gone, or whose id is none, is dropped from the
-- index.
local K = { tasks = KEYS[1], state = KEYS[2], errors = KEYS[3], active = KEYS[4], due = KEYS[5],
  scheduled = KEYS[6], retrying = KEYS[7], meta = KEYS[8], claim = KEYS[9], events = KEYS[10], expiring = KEYS[13] }
local m = redis.call('HMGET', K.meta, 'generation', 'watch', 'follow')
if (m[1] or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])
local claim, max, lease, room = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local sub, byte, pack_in, unpack_from = string.sub, string.byte, struct.pack, struct.unpack

local emit, emit_all
local reads, follow = m[2] and (tonumber(m[2]) or 0) > now, m[3]
if reads or follow then
  -- include: queue/steps
end

-- What this claim took before. Its record holds the end of its leases and their
-- number; as long as none was extended or reported, that is where they are.
local before = redis.call('GET', K.claim)
if before then
  local first_end, count = unpack_from('>I7I4', before)
  local ids, states = {}, {}
  local function look(low, high)
    local members = redis.call('ZRANGEBYSCORE', K.active, low, high)
    ids, states = {}, {}
    for i, s in ipairs(get_many('HMGET', K.state, members)) do
      -- The offsets into a state are those of its description in common.lua.
      if s and byte(s, 1) % 8 == 2 and sub(s, 29, 44) == claim then
        ids[#ids + 1] = members[i]
        states[#states + 1] = s
      end
    end
  end
  look(first_end, first_end)
  if #ids < count then look('-inf', '+inf') end
  if #ids == 0 then return { -1, 0 } end
  local out, renewed, back, changed, ready = { -1, now + lease }, {}, { '' }, {}, {}
  for i, id in ipairs(ids) do
    local s, record, failures = states[i], nil, nil
    if room > 0 then
      record, failures = redis.call('HGET', K.tasks, id), redis.call('HGET', K.errors, id) or ''
      local size = (record and #record or 0) + #failures
      if size > room and #renewed > 0 then record = nil end
      room = room - size
    end
    if record then
      renewed[#renewed + 1] = digits(now + lease)
      renewed[#renewed + 1] = id
      out[#out + 1] = id
      out[#out + 1] = record
      out[#out + 1] = s
      out[#out + 1] = failures
    else
      back[#back + 1] = id
      changed[#changed + 1] = id
      changed[#changed + 1] = string.char(byte(s, 1) - 1) .. sub(s, 2)
      local list_no, seq = unpack_from('>H', s, 2), unpack_from('>I7', s, 6)
      -- As in keys.lua: a damaged state must not stop the claim.
      local key = KEYS[14 + list_no] or KEYS[14] or K.scheduled
      ready[key] = ready[key] or {}
      local list = ready[key]
      list[#list + 1] = digits((10 - math.floor(byte(s, 1) / 8) % 16) * WIDTH + seq)
      list[#list + 1] = id
      if emit then emit(id, 2, 1, byte(s, 4), list_no) end
    end
  end
  -- A removal first lets the rest through when memory is full.
  call_many('ZREM', K.active, back)
  if #renewed > 0 then call_many('ZADD', K.active, renewed) end
  redis.call('SET', K.claim, pack_in('>I7I4', now + lease, #renewed / 2), 'PX', math.ceil(lease / 1000) + 60000)
  if #changed > 0 then
    call_many('HSET', K.state, changed)
    for key, list in pairs(ready) do call_many('ZADD', key, list) end
    if emit then emit_all(now) end
    if redis.call('HDEL', K.meta, 'idle') == 1 then redis.call('PUBLISH', string.sub(K.meta, 1, -5) .. 'wake', '1') end
  end
  return out
end

if follow and string.find(follow, 'W', 1, true) then K.follow(now) end
local due = redis.call('ZRANGE', K.due, 0, 0, 'WITHSCORES')[2]
if due and tonumber(due) <= now then
  -- include: queue/common
  -- As in keys.lua: a damaged record must not stop the claim.
  K.ready = function(list_no) return KEYS[14 + list_no] or KEYS[14] or K.scheduled end
  promote(K, now, 200, emit)
  if K.follow then K.follow(now) end
  due = redis.call('ZRANGE', K.due, 0, 0, 'WITHSCORES')[2]
end
local next_due = due and math.max(0, tonumber(due) - now) or -1

local age = tonumber(ARGV[8])
if age > 0 then
  -- include: queue/ageing
end

-- Take from the ready list with the best head for as long as it stays the best.
local ids, scores, heads, groups = {}, {}, {}, {}
if K.pick then
  local numbers, keys = {}, {}
  for i = 9, #ARGV do numbers[i - 8], keys[i - 8] = tonumber(ARGV[i]), KEYS[14 + ARGV[i]] end
  next_due = K.pick(numbers, keys, max, next_due, ids, scores, groups)
  K.records = {}
end
for i = 9, K.pick and 0 or #ARGV do
  local key = KEYS[14 + ARGV[i]]
  if #ARGV == 9 then
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
  groups[#groups + 1] = { key = key, first = n + 1 }
  for i = 1, #got, 2 do
    n = n + 1
    ids[n] = got[i]
    scores[n] = got[i + 1]
  end
  groups[#groups].last = n
  local head = second and redis.call('ZRANGE', key, 0, 0, 'WITHSCORES') or {}
  if head[2] then heads[best].score = tonumber(head[2])
  else table.remove(heads, best) end
end

if #ids == 0 then
  if emit then emit_all(now) end
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', K.meta, '')
  if K.keep then K.keep({}, true) end
  if ARGV[7] ~= '' then redis.call('HSET', K.meta, 'idle', 1) end
  return { next_due, 0 }
end

local ends = digits(now + lease)
-- The offsets into a state are those of its description in common.lua.
local out, leases, changed, timed, late = { next_due, now + lease }, {}, {}, {}, false
-- again has those that were taken and are ready again.
local o, c, taken, part, frees, again, along = 2, 0, 0, 8, {}, {}, nil
if follow and string.find(follow, 'g', 1, true) then
  local function key(name) return string.sub(K.meta, 1, -5) .. name end
  -- include: groups/claim
end
-- waits reports whether a task is where a PENDING one is that promote.lua can end: a damaged
-- one is handed out like any other.
local function waits(n, s, record)
  local list_no = unpack_from('>H', s or record, 2)
  for _, g in ipairs(groups) do
    if n <= g.last then return g.key == KEYS[14 + list_no] and (not s or byte(s, 1) % 8 == 1) end
  end
end
-- Records are read in parts, few at first, since they may be large.
while (taken < #ids or along and along.back()) and room > 0 and not late do
  local first, last = taken, math.min(taken + part, #ids)
  local records = redis.call('HMGET', K.tasks, unpack(ids, first + 1, last))
  local states = redis.call('HMGET', K.state, unpack(ids, first + 1, last))
  local errors = {}
  for i = 1, last - first do
    if states[i] then
      if redis.call('HLEN', K.errors) > 0 then errors = redis.call('HMGET', K.errors, unpack(ids, first + 1, last)) end
      break
    end
  end
  part = math.min(4 * part, 64)
  for i = 1, last - first do
    local id, s, record = ids[first + i], states[i], records[i]
    if along and along.is_stale(id, s) then record = nil end
    if K.records then K.records[id] = record end
    -- As times in common.lua.
    local version, expires, retention, expiring = record and byte(record, 1) or 0, 0, 0, false
    if version > 16 and version < 33 and #record >= 28 and #id == 16 then
      expires, retention = unpack_from('>dd', record, 13)
      if expires ~= 0 and (not s or sub(s, 27, 28) == '\0\0') then
        if expires < 0 then expires = SEQUENCE_START + (s and unpack_from('>I7', s, 6) or tonumber(scores[first + i]) % WIDTH) - expires end
        if expires <= now and waits(first + i, s, record) then
          -- That it expires may have been forgotten.
          redis.call('ZADD', K.expiring, digits(expires), id)
          late = true
          break
        end
        expiring = true
      end
    end
    if record and #id == 16 then
      local size = #record + (errors[i] and #errors[i] or 0)
      if size > room and c > 0 then
        room = 0
        break
      end
      room = room - size
      if s and (#s == 44 or #s == 51) then
        local seq = unpack_from('>I7', s, 6)
        s = string.char(byte(s, 1) - byte(s, 1) % 8 + 2) .. sub(s, 2, 12) .. pack_in('>I7I7H', math.max(now, SEQUENCE_START + seq), 0,
          math.min(unpack_from('>H', s, 27) + 1, 65535)) .. claim .. sub(s, 45)
      else
        -- It is claimed for the first time. An unreadable record is handed out like
        -- any other, so that the client can set it aside.
        local seq = tonumber(scores[first + i]) % WIDTH
        local list_no, prio = 0, 0
        if #record >= 12 then
          list_no, prio = unpack_from('>HB', record, 2)
        end
        s = pack_in('>BHHI7I7I7Hc16', 2 + 8 * math.min(prio, 15) + (retention > 0 and 128 or 0), list_no, 0, seq, math.max(now, SEQUENCE_START + seq), 0, 1, claim)
      end
      c = c + 1
      if expiring then timed[#timed + 1] = id end
      leases[2 * c - 1], leases[2 * c] = ends, id
      changed[2 * c - 1], changed[2 * c] = id, s
      -- See layout/codec.go: it holds its unique key until it is claimed.
      if (byte(record) or 0) > 4 and (byte(record) - 1) % 8 > 3 then frees[#frees + 1] = id end
      out[o + 1], out[o + 2], out[o + 3], out[o + 4] = id, record, s, errors[i] or ''
      o = o + 4
    end
    taken = first + i
    if along and record and along.begin(id, record, (unpack_from('>H', s, 2))) then break end
  end
end
if along then along.stop() end
if late then c, taken, frees, timed = 0, 0, {}, {} end
if #timed > 0 then call_many('ZREM', K.expiring, timed) end
if taken < #ids then
  -- What there is no room for stays ready, and everything if something has expired.
  for _, g in ipairs(groups) do
    local back = {}
    for i = math.max(g.first, taken + 1), g.last do
      -- "" is in the place of one that along has taken.
      if ids[i] ~= '' then
        back[#back + 1] = scores[i]
        back[#back + 1] = ids[i]
        again[ids[i]] = true
      end
    end
    if #back > 0 then call_many('ZADD', g.key, back) end
  end
end
if #frees > 0 then
  for i, key in ipairs(get_many('HMGET', KEYS[12], frees)) do
    if key and redis.call('HGET', KEYS[11], key) == frees[i] then redis.call('HDEL', KEYS[11], key) end
  end
end
if K.keep then K.keep(again, c == 0) end
if c > 0 then
  if emit then
    for n = 1, c do emit(changed[2 * n - 1], 1, 2, byte(changed[2 * n], 4), (unpack_from('>H', changed[2 * n], 2))) end
  end
  call_many('ZADD', K.active, leases)
  call_many('HSET', K.state, changed)
  redis.call('SET', K.claim, pack_in('>I7I4', now + lease, c), 'PX', math.ceil(lease / 1000) + 60000)
end
if emit then emit_all(now) end
if late then return { -3 } end
return out
