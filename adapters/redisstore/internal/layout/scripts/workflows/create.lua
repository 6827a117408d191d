-- Stores a workflow and its tasks, unless there is one. What only the workflow needs is in a
-- hash that the client has filled, which becomes that of the workflow: a script that wrote all
-- would hold up the server for too long. The first write needs memory, so that a full server
-- refuses the whole call.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake channel ('' if all ready lists
-- are of paused queues), id, digest, name, number of nodes, the gate of each (1 byte), the
-- next epoch, the layout of a queue with workflows, then id and record of each.
-- Reply: {-1} if the epoch is stale, {-2, id} if a task has the id of one of the nodes, {-3} if
-- another workflow has the id, {-4} if the client's hash is gone; else as workflows/common.lua.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now, id, digest, count, gates = store_now(ARGV[1]), ARGV[4], ARGV[5], tonumber(ARGV[7]), ARGV[8]
local flow, staged, ids = key('workflow:' .. id), key('staged:' .. id .. digest), {}
local before = redis.call('HMGET', flow, 'h', 'z')
if before[1] then
  if before[2] or string.sub(before[1], 1, 32) ~= digest then return { -3 } end
  return describe(id)
end
if redis.call('EXISTS', staged) == 0 then return { -4 } end
for n = 1, count do ids[n] = ARGV[9 + 2 * n] end
for n, taken in ipairs(get_many('HMGET', K.tasks, ids)) do
  if taken then return { -2, ids[n] } end
end
local m = redis.call('HMGET', K.meta, 'seq', 'follow', 'lanes')
local seq = math.max(now - SEQUENCE_START, tonumber(m[1] or 0) + 1) - 1
local head = digest .. struct.pack('>I4I7', count, SEQUENCE_START + seq + 1) .. ARGV[6]
local places, ready, sched, dues, expiries, states = {}, {}, {}, {}, {}, {}
local waiting, is_ready = 0, false
emit_if_read(now)
call_many('HSET', K.tasks, ARGV, 11, 10 + 2 * count)
for n = 1, count do
  local task, record = ids[n], ARGV[10 + 2 * n]
  seq = seq + 1
  places[2 * n - 1], places[2 * n] = task, id .. struct.pack('>I4', n - 1)
  local version, list_no, prio, due = struct.unpack('>BHBd', record)
  local expires = version > 16 and times(record) or 0
  if expires ~= 0 then
    expiries[#expiries + 1] = digits(expires < 0 and SEQUENCE_START + seq - expires or expires)
    expiries[#expiries + 1] = task
  end
  if string.byte(gates, n) ~= 0 then
    waiting = waiting + 1
    sched[#sched + 1] = digits(seq)
    sched[#sched + 1] = task
    if due < 0 then
      -- It is not known yet when its delay ends.
      local t = fresh_state(record, seq)
      t.scheduled = 0
      states[#states + 1] = task
      states[#states + 1] = pack_state(t)
    end
  else
    is_ready = true
    if due < 0 then due = SEQUENCE_START + seq - due end
    if due > now then
      sched[#sched + 1] = digits(seq)
      sched[#sched + 1] = task
      dues[#dues + 1] = digits(due)
      dues[#dues + 1] = task
    else
      local list = ready[list_no] or {}
      ready[list_no] = list
      list[#list + 1] = digits((10 - prio) * WIDTH + seq)
      list[#list + 1] = task
    end
  end
  emit(task, 0, PENDING, 0, list_no)
end
redis.call('RENAME', staged, flow)
redis.call('PERSIST', flow)
redis.call('HSET', flow, 'h', head, 'c', struct.pack('>I4I4I4I4I4I4I4', waiting, count - waiting, 0, 0, 0, 0, 0))
call_many('HSET', key('nodes'), places)
redis.call('ZADD', key('workflows'), digits(seq - count + 1), id)
for list_no, list in pairs(ready) do call_many('ZADD', K.ready(list_no), list) end
if #sched > 0 then call_many('ZADD', K.scheduled, sched) end
if #dues > 0 then call_many('ZADD', K.due, dues) end
if #expiries > 0 then call_many('ZADD', K.expiring, expiries) end
if #states > 0 then call_many('HSET', K.state, states) end
redis.call('HSET', K.meta, 'seq', digits(seq))
emit_all(now)
if not string.find(m[2] or '', 'w', 1, true) then
  -- Programs that follow no steps read the table again, and refuse it.
  redis.call('HSET', K.meta, 'follow', (m[2] or '') .. 'w', 'generation', ARGV[9], 'lanes', (string.gsub(m[3] or '0', '^%d+:', ARGV[10] .. ':')))
end
if is_ready and ARGV[3] ~= '' then notify_claim(K.meta, ARGV[3]) end
return describe(id)
