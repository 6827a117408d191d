-- Stores tasks as PENDING, ready or scheduled. The first write needs memory, so
-- that a full server refuses the whole call.
-- KEYS: tasks, unique, unique_of, scheduled, due, meta, events, state, unique_until,
-- expiring, then the ready keys of the ready lists that are used.
-- ARGV: clock offset, epoch, wake channel ('' if all ready lists are of
-- paused queues, so that nobody is woken), number of tasks, negative if some have groups; id
-- and record of each; the number of each ready list whose ready key is given; then for
-- each task with a unique key its place among the tasks, the key, 'replace' if it is to
-- replace a holder, else '', and for how many microseconds it holds the key (0: as its
-- state says). No task that is to replace comes after one of the same key.
-- Reply: {-1} if the epoch is stale; else for each task its created_at, 0 if the
-- same task is stored already, -2 if another one has its id, or the id that holds
-- its unique key, with an 'r' behind it if that was replaced.
local tasks, unique, unique_of, scheduled, due_key, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local state, unique_until = KEYS[8], KEYS[9]
local m = redis.call('HMGET', meta, 'seq', 'idle', 'watch', 'generation', 'follow')
local count = tonumber(ARGV[4])
if (m[4] or '') ~= ARGV[2] or count < 0 and not string.find(m[5] or '', 'g', 1, true) then return { -1 } end
count = math.abs(count)
local now = store_now(ARGV[1])
local seq = math.max(now - SEQUENCE_START, tonumber(m[1] or 0) + 1) - 1
local emit, emit_all, records, was
local reads, follow = m[3] and (tonumber(m[3]) or 0) > now, m[5]
if reads or follow then
  records, was = {}, {}
  local K = { meta = meta, events = KEYS[7], records = records, was = was }
  -- include: queue/steps
end

local last = 4 + 2 * count

local ids = {}
for n = 1, count do ids[n] = ARGV[3 + 2 * n] end
local old = get_many('HMGET', tasks, ids)

local key_of, rule_of, for_of, ready_key, split, replaced = {}, {}, {}, {}, nil, nil
for i = 11, #KEYS do ready_key[tonumber(ARGV[last + i - 10])] = KEYS[i] end
for i = last + #KEYS - 9, #ARGV, 4 do
  local n = tonumber(ARGV[i])
  key_of[n], rule_of[n], for_of[n] = ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
end
if next(key_of) then
  -- include: queue/replace
end

-- same tells whether the stored record is that of a task which is enqueued again: but for
-- its trace, which one of an even version ends with, for what was replaced of it, and for
-- when it expires, which its options say too, since that is cleared when it is run again.
local function same(stored, record)
  local version, flags = string.byte(stored) - 1, string.byte(record) - 1
  if version % 16 >= 8 and split then return version % 8 - version % 2 == flags % 8 - flags % 2 and split(stored) == split(record) end
  if version % 2 == 1 then stored = string.char(version) .. string.sub(stored, 2, -26) end
  if flags % 2 == 1 then record = string.char(flags) .. string.sub(record, 2, -26) end
  if version >= 16 then stored = string.sub(stored, 1, 12) .. string.sub(stored, 21) end
  if flags >= 16 then record = string.sub(record, 1, 12) .. string.sub(record, 21) end
  return stored == record
end

-- holder_of returns who holds a unique key, if its time has not passed.
local function holder_of(key)
  local id = redis.call('HGET', unique, key)
  local till = id and redis.call('ZSCORE', unique_until, key)
  return (not till or tonumber(till) > now) and id
end

local out, ready, sched, dues, keys, keys_of, expiries = {}, {}, {}, {}, {}, {}, {}
local seen, held, refused, is_ready, first_due = {}, {}, false, false, nil
local tills, replaces = {}, {}
for n = 1, count do
  local id, record, key = ids[n], ARGV[4 + 2 * n], key_of[n]
  local stored = old[n] or seen[id]
  local holder = not stored and key and (held[key] or holder_of(key))
  if stored then
    out[n] = same(stored, record) and 0 or -2
    refused = true
  elseif holder then
    out[n] = holder
    refused = true
    if rule_of[n] ~= '' then replaces[#replaces + 1] = n end
  else
    seq = seq + 1
    seen[id] = record
    -- The head of a record: version, ready list, priority, and when it is scheduled, a
    -- delay if negative.
    local version, list_no, prio, due = struct.unpack('>BHBd', record)
    if version >= 17 then
      local expires = struct.unpack('>d', record, 13)
      if expires ~= 0 then
        expiries[#expiries + 1] = digits(expires < 0 and SEQUENCE_START + seq - expires or expires)
        expiries[#expiries + 1] = id
      end
    end
    if due < 0 then due = SEQUENCE_START + seq - due end
    if due > now then
      sched[#sched + 1] = digits(seq)
      sched[#sched + 1] = id
      dues[#dues + 1] = digits(due)
      dues[#dues + 1] = id
      if not first_due or due < first_due then first_due = due end
    else
      local list = ready[list_no]
      if not list then
        list = {}
        ready[list_no] = list
      end
      local at = #list
      list[at + 1] = digits((10 - prio) * WIDTH + seq)
      list[at + 2] = id
      is_ready = true
    end
    if key then
      held[key] = id
      keys[#keys + 1] = key
      keys[#keys + 1] = id
      if for_of[n] > 0 then
        tills[#tills + 1] = digits(now + for_of[n])
        tills[#tills + 1] = key
      else
        keys_of[#keys_of + 1] = id
        keys_of[#keys_of + 1] = key
      end
    end
    if emit then
      emit(id, 0, 1, 0, list_no)
      records[id] = record
    end
    out[n] = SEQUENCE_START + seq
  end
end

-- Who was replaced: its id, its new record, its state, and the index that it leaves.
local changes = {}
if #replaces > 0 then
  -- include: queue/common
  -- include: groups/record
  for _, n in ipairs(replaces) do
    local id, record = out[n], ARGV[4 + 2 * n]
    local old = redis.call('HGET', tasks, id)
    local list_no, prio, at = struct.unpack('>HBd', record, 2)
    if old and #old >= HEAD_SIZE and string.sub(old, 2, 3) == string.sub(record, 2, 3) and group_in(old) == group_in(record) then
      local new = replaced(old, record, ids[n])
      local t, from = unpack_state(redis.call('HGET', state, id)), ready_key[list_no]
      local score, low = redis.call('ZSCORE', scheduled, id), 0
      if score then from = scheduled
      else
        score, low = redis.call('ZSCORE', from, id), (10 - string.byte(old, 4)) * WIDTH
      end
      t = t or score and fresh_state(old, tonumber(score) - low)
      if new == old then
        out[n] = id .. 'r'
      elseif t and score and t.status == PENDING and t.deliveries == 0 then
        out[n] = id .. 'r'
        t.prio, t.scheduled = prio, at < 0 and now - at or at
        if t.scheduled > now then
          sched[#sched + 1] = digits(t.seq)
          sched[#sched + 1] = id
          dues[#dues + 1] = digits(t.scheduled)
          dues[#dues + 1] = id
          if not first_due or t.scheduled < first_due then first_due = t.scheduled end
        else
          ready[list_no] = ready[list_no] or {}
          local list = ready[list_no]
          list[#list + 1] = ready_score(t)
          list[#list + 1] = id
          is_ready = true
        end
        changes[#changes + 1] = { id, new, pack_state(t), from }
        if emit then
          emit(id, PENDING, PENDING, 0, list_no)
          was[id] = string.byte(old, 4)
        end
      end
    end
  end
end

local nearer = false
if first_due and m[2] then
  local head = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
  nearer = not head[2] or first_due < tonumber(head[2])
end
if refused then
  local records = {}
  for _, c in ipairs(changes) do
    records[#records + 1] = c[1]
    records[#records + 1] = c[2]
  end
  for n = 1, count do
    if type(out[n]) == 'number' and out[n] > 0 then
      records[#records + 1] = ids[n]
      records[#records + 1] = ARGV[4 + 2 * n]
    end
  end
  if #records == 0 then return out end
  call_many('HSET', tasks, records)
else
  call_many('HSET', tasks, ARGV, 5, last)
end
for _, c in ipairs(changes) do
  redis.call('HSET', state, c[1], c[3])
  redis.call('ZREM', c[4], c[1])
  redis.call('ZREM', due_key, c[1])
end
for list_no, list in pairs(ready) do call_many('ZADD', ready_key[list_no], list) end
if #sched > 0 then
  call_many('ZADD', scheduled, sched)
  call_many('ZADD', due_key, dues)
end
if #expiries > 0 then call_many('ZADD', KEYS[10], expiries) end
if #keys > 0 then
  if #tills > 0 then
    -- As many are forgotten as come, at least, so that they do not grow for ever.
    local passed = redis.call('ZRANGEBYSCORE', unique_until, '-inf', digits(now), 'LIMIT', 0, #tills)
    if #passed > 0 then
      call_many('HDEL', unique, passed)
      call_many('ZREM', unique_until, passed)
    end
  end
  call_many('HSET', unique, keys)
  for i = 1, #keys, 2 do redis.call('ZREM', unique_until, keys[i]) end
  if #tills > 0 then call_many('ZADD', unique_until, tills) end
  if #keys_of > 0 then call_many('HSET', unique_of, keys_of) end
end
redis.call('HSET', meta, 'seq', digits(seq))
if emit then emit_all(now) end
if m[2] and ARGV[3] ~= '' and (is_ready or nearer) and redis.call('HDEL', meta, 'idle') == 1 then
  redis.call('PUBLISH', ARGV[3], '1')
end
return out
