-- Stores one task without a unique key, ready at once. Most calls are this one, and
-- it is kept as short as it can be.
-- KEYS: tasks, meta, the ready key of the task's ready list, events.
-- ARGV: epoch, wake channel ('' if the queue is paused), id, record,
-- clock offset.
-- Reply: created_at; -1 if the epoch is stale; 0 if the id is taken.
local meta, id, record = KEYS[2], ARGV[3], ARGV[4]
local m = redis.call('HMGET', meta, 'seq', 'idle', 'watch', 'generation', 'follow')
if m[4] ~= ARGV[1] then return -1 end
local now = store_now(ARGV[5])
local emit, emit_all
local reads, follow = m[3] and (tonumber(m[3]) or 0) > now, m[5]
if reads or follow then
  local K = { meta = meta, events = KEYS[4], records = { [id] = record } }
  -- include: queue/steps
end
local seq, last = now - SEQUENCE_START, m[1] and tonumber(m[1]) or 0
if seq <= last then seq = last + 1 end
if redis.call('HSETNX', KEYS[1], id, record) == 0 then return 0 end
-- The priority is the fourth byte of a record, its ready list the two before.
redis.call('ZADD', KEYS[3], digits((10 - string.byte(record, 4)) * WIDTH + seq), id)
redis.call('HSET', meta, 'seq', digits(seq))
if emit then
  emit(id, 0, 1, 0, (struct.unpack('>H', record, 2)))
  emit_all(now)
end
if m[2] and ARGV[2] ~= '' and redis.call('HDEL', meta, 'idle') == 1 then redis.call('PUBLISH', ARGV[2], '1') end
return SEQUENCE_START + seq
