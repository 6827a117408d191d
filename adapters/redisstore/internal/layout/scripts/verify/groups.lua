-- Compares one page of a set of members, or of the tasks that are ready or scheduled, with the
-- groups that the tasks are to be members of, and mends that if it is asked to.
-- KEYS: the sorted set, meta. ARGV: cursor, how many to look at, "group:LIST:GROUP" if it is
-- that of a group, 'repair' or ''.
-- Reply: the next cursor, the bytes that were read, then findings: id, kind, place, detail, action.
-- include: queue/common
local function key(name) return string.sub(KEYS[2], 1, -5) .. name end
-- include: groups/common
local page, repairs = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]), ARGV[4] == 'repair'
local out = { page[1], 0 }

-- right is the set and the score of a task as a member of its group; nil if it is none.
local function right(id)
  local record, t = redis.call('HGET', key('tasks'), id), unpack_state(redis.call('HGET', key('state'), id))
  out[2] = out[2] + #id + (record and #record or 0)
  local group = group_in(record)
  if not group or t and t.status ~= PENDING then return nil end
  local list_no = t and t.list_no or struct.unpack('>H', record, 2)
  local name, ready = 'group:' .. list_no .. ':' .. group, redis.call('ZSCORE', key('ready:' .. list_no), id)
  if ready then return name, ready % WIDTH - WIDTH end
  local at = not (t and t.deliveries > 0) and redis.call('ZSCORE', key('scheduled'), id)
  if at then return name, tonumber(at) end
end

for i = 1, #page[2], 2 do
  local id, found = page[2][i], nil
  local name, score = right(id)
  if ARGV[3] ~= '' and name ~= ARGV[3] then
    found = { id, 'group_task_stray', ARGV[3], 'it is among the members of a group, and is none', 'removed' }
    if repairs then redis.call('ZREM', KEYS[1], id) end
  elseif name and tonumber(redis.call('ZSCORE', key(name), id)) ~= score then
    found = { id, 'group_task_missing', name, 'it is not at its place among the members of its group', 'put there' }
    if repairs then redis.call('ZADD', key(name), digits(score), id) end
  end
  if found then
    if not repairs then found[5] = '' end
    for _, v in ipairs(found) do out[#out + 1] = v end
  end
end
return out
