-- Stores tasks as PENDING, ready or scheduled. The first write needs memory, so
-- that a full server refuses the whole call.
-- KEYS: tasks, unique, unique_of, scheduled, due, meta, lanes, then the ready
-- keys of the lanes that are used.
-- ARGV: clock offset, generation of the lanes, wake channel, then for each task:
-- id, record, place of its ready key among KEYS, due ('' at once, '+'delay, or a
-- time, in microseconds), unique key or ''.
-- Reply: {-1} if the lanes are stale; else for each task its created_at, 0 if the
-- same task is stored already, -2 if another one has its id, or the id that holds
-- its unique key.
local tasks, unique, unique_of, scheduled, due_key, meta, lanes =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
if (redis.call('HGET', lanes, '') or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])

local ids = {}
for i = 4, #ARGV, 5 do ids[#ids + 1] = ARGV[i] end
local old = get_many('HMGET', tasks, ids)
local m = redis.call('HMGET', meta, 'seq', 'idle')
local seq = math.max(now - EPOCH, tonumber(m[1] or 0) + 1) - 1

local out, records, ready, sched, dues, keys, keys_of = {}, {}, {}, {}, {}, {}, {}
local seen, held, is_ready, first_due = {}, {}, false, nil
for n, id in ipairs(ids) do
  local at = 4 + (n - 1) * 5
  local record, place, due, key = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local stored = old[n] or seen[id]
  local holder = stored and '' or key ~= '' and (held[key] or redis.call('HGET', unique, key)) or ''
  if stored then
    out[n] = stored == record and 0 or -2
  elseif holder ~= '' then
    out[n] = holder
  else
    seq = seq + 1
    local at_us = 0
    if string.byte(due, 1) == 43 then at_us = EPOCH + seq + tonumber(string.sub(due, 2))
    elseif due ~= '' then at_us = tonumber(due) end
    seen[id] = record
    records[#records + 1] = id
    records[#records + 1] = record
    if at_us > now then
      sched[#sched + 1] = num(seq)
      sched[#sched + 1] = id
      dues[#dues + 1] = num(at_us)
      dues[#dues + 1] = id
      first_due = math.min(first_due or at_us, at_us)
    else
      local list = ready[place]
      if not list then
        list = {}
        ready[place] = list
      end
      local _, _, prio = struct.unpack(HEAD, record)
      list[#list + 1] = num((10 - prio) * WIDTH + seq)
      list[#list + 1] = id
      is_ready = true
    end
    if key ~= '' then
      held[key] = id
      keys[#keys + 1] = key
      keys[#keys + 1] = id
      keys_of[#keys_of + 1] = id
      keys_of[#keys_of + 1] = key
    end
    out[n] = EPOCH + seq
  end
end
if #records == 0 then return out end

local nearer = false
if first_due and m[2] then
  local head = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
  nearer = not head[2] or first_due < tonumber(head[2])
end
call_many('HSET', tasks, records)
for place, list in pairs(ready) do call_many('ZADD', KEYS[tonumber(place)], list) end
if #sched > 0 then
  call_many('ZADD', scheduled, sched)
  call_many('ZADD', due_key, dues)
end
if #keys > 0 then
  call_many('HSET', unique, keys)
  call_many('HSET', unique_of, keys_of)
end
redis.call('HSET', meta, 'seq', num(seq))
if m[2] and (is_ready or nearer) then wake(meta, ARGV[3]) end
return out
