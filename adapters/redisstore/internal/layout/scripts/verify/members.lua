-- Looks through one page of an index of tasks for members that may not belong
-- there. tasks.lua then decides about each.
-- KEYS: tasks, state, scheduled, retrying, the index. ARGV: cursor, how many
-- members to look at, what the index is: the statuses of its members ('6'), a
-- ready list ('ready:3'), 'due', 'expiring' or 'kept'.
-- Reply: the next cursor, the bytes that were read, then the members to look at.
-- include: queue/common
local tasks, state, scheduled, retrying = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local what = ARGV[3]
local list_no = tonumber(string.match(what, '^ready:(%d+)$'))
local page = redis.call('ZSCAN', KEYS[5], ARGV[1], 'COUNT', ARGV[2])
local ids, bytes = {}, 0
for i = 1, #page[2], 2 do
  ids[#ids + 1] = page[2][i]
  bytes = bytes + #page[2][i]
end
local states = get_many('HMGET', state, ids)

local function belongs(id, t)
  if #id ~= 16 or redis.call('HEXISTS', tasks, id) == 0 then return false end
  if what == 'due' then
    return (redis.call('ZSCORE', scheduled, id) or redis.call('ZSCORE', retrying, id)) ~= false
  end
  if what == 'expiring' then return not t or t.status == PENDING and t.deliveries == 0 end
  if what == 'kept' then return t and t.kept and (t.status == COMPLETED or t.status == FAILED or t.status == CANCELLED) end
  if t then return tonumber(what) == t.status or t.status == PENDING and (what == 'scheduled' or list_no == t.list_no) end
  if what == 'scheduled' then return true end
  if not list_no then return false end
  -- Only its record says in which ready list a task is that was never claimed.
  local record = redis.call('HGET', tasks, id)
  bytes = bytes + #record
  local head = fresh_state(record, 0)
  return head and head.list_no == list_no
end

local out = { page[1], 0 }
for i, id in ipairs(ids) do
  if not belongs(id, unpack_state(states[i])) then out[#out + 1] = id end
end
out[2] = bytes
return out
