-- Stores tasks as PENDING, ready or scheduled. The first write needs memory, so
-- that a full server refuses the whole call.
-- KEYS: tasks, unique, unique_of, scheduled, due, meta, events, then the ready
-- keys of the ready lists that are used.
-- ARGV: clock offset, epoch, wake channel ('' if all ready lists are of
-- paused queues, so that nobody is woken), number of tasks; id
-- and record of each; the number of each ready list whose ready key is given; then for
-- each task with a unique key its place among the tasks, and the key.
-- Reply: {-1} if the epoch is stale; else for each task its created_at, 0 if the
-- same task is stored already, -2 if another one has its id, or the id that holds
-- its unique key.
local tasks, unique, unique_of, scheduled, due_key, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local m = redis.call('HMGET', meta, 'seq', 'idle', 'watch', 'generation')
if (m[4] or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])
local count = tonumber(ARGV[4])
local seq = math.max(now - SEQUENCE_START, tonumber(m[1] or 0) + 1) - 1
local emit, emit_all
if m[3] and (tonumber(m[3]) or 0) > now then
  local K = { meta = meta, events = KEYS[7] }
  -- include: events/emit
end

-- The contents of a record: without the trace that one of an even version ends with,
-- since a call may be repeated in another trace.
local function contents(record)
  local version = string.byte(record)
  if version % 2 == 0 then return string.char(version - 1) .. string.sub(record, 2, -26) end
  return record
end

local last = 4 + 2 * count

local ids = {}
for n = 1, count do ids[n] = ARGV[3 + 2 * n] end
local old = get_many('HMGET', tasks, ids)

local key_of, ready_key = {}, {}
for i = 8, #KEYS do ready_key[tonumber(ARGV[last + i - 7])] = KEYS[i] end
for i = last + #KEYS - 6, #ARGV, 2 do key_of[tonumber(ARGV[i])] = ARGV[i + 1] end

local out, ready, sched, dues, keys, keys_of = {}, {}, {}, {}, {}, {}
local seen, held, refused, is_ready, first_due = {}, {}, false, false, nil
for n = 1, count do
  local id, record, key = ids[n], ARGV[4 + 2 * n], key_of[n]
  local stored = old[n] or seen[id]
  local holder = not stored and key and (held[key] or redis.call('HGET', unique, key))
  if stored then
    out[n] = contents(stored) == contents(record) and 0 or -2
    refused = true
  elseif holder then
    out[n] = holder
    refused = true
  else
    seq = seq + 1
    seen[id] = record
    -- The head of a record: version, ready list, priority, and when it is scheduled, a
    -- delay if negative.
    local _, list_no, prio, due = struct.unpack('>BHBd', record)
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
      keys_of[#keys_of + 1] = id
      keys_of[#keys_of + 1] = key
    end
    if emit then emit(id, 0, 1, 0, list_no) end
    out[n] = SEQUENCE_START + seq
  end
end

local nearer = false
if first_due and m[2] then
  local head = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
  nearer = not head[2] or first_due < tonumber(head[2])
end
if refused then
  local records = {}
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
for list_no, list in pairs(ready) do call_many('ZADD', ready_key[list_no], list) end
if #sched > 0 then
  call_many('ZADD', scheduled, sched)
  call_many('ZADD', due_key, dues)
end
if #keys > 0 then
  call_many('HSET', unique, keys)
  call_many('HSET', unique_of, keys_of)
end
redis.call('HSET', meta, 'seq', digits(seq))
if emit then emit_all(now) end
if m[2] and ARGV[3] ~= '' and (is_ready or nearer) and redis.call('HDEL', meta, 'idle') == 1 then
  redis.call('PUBLISH', ARGV[3], '1')
end
return out
