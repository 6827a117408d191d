-- Removes finished tasks with all that belongs to them, the first to finish
-- first, and unique keys whose time has passed. Entries of tasks that were deleted or
-- ran again are dropped.
-- KEYS: as in keys.lua. ARGV: clock offset, retention in microseconds, most
-- entries to look at.
-- Reply: 1 if there may be more, else 0, then the ids.
-- include: queue/common
-- include: queue/keys
local now = store_now(ARGV[1])
local before = now - tonumber(ARGV[2])
local limit = tonumber(ARGV[3])
local passed = redis.call('ZRANGEBYSCORE', K.unique_until, '-inf', digits(now), 'LIMIT', 0, limit)
if #passed > 0 then
  call_many('ZREM', K.unique_until, passed)
  call_many('HDEL', K.unique, passed)
end
local entries = redis.call('LRANGE', K.finished, 0, limit - 1)
local ids, ends = {}, {}
for _, e in ipairs(entries) do
  local at = #e == 23 and struct.unpack('>I7', e, 17) or 0
  if at > before then break end
  ids[#ids + 1] = string.sub(e, 1, 16)
  ends[#ends + 1] = at
end
if #ids == 0 then return { 0 } end
emit_if_read(now)
local gone = {}
local lists = { [COMPLETED] = {}, [FAILED] = {}, [CANCELLED] = {} }
for i, s in ipairs(get_many('HMGET', K.state, ids)) do
  local t = unpack_state(s)
  if t and lists[t.status] and t.finished == ends[i] then
    gone[#gone + 1] = ids[i]
    local list = lists[t.status]
    list[#list + 1] = ids[i]
    emit(ids[i], t.status, 0, t.attempt, t.list_no)
  end
end
redis.call('LTRIM', K.finished, #ids, -1)
if #lists[COMPLETED] > 0 then call_many('ZREM', K.completed, lists[COMPLETED]) end
if #lists[FAILED] > 0 then call_many('ZREM', K.failed, lists[FAILED]) end
if #lists[CANCELLED] > 0 then call_many('ZREM', K.cancelled, lists[CANCELLED]) end
if #gone > 0 then
  for _, key in ipairs({ K.tasks, K.state, K.results, K.errors, K.unique_of }) do
    call_many('HDEL', key, gone)
  end
end
emit_all(now)
table.insert(gone, 1, #ids == limit and 1 or 0)
return gone
