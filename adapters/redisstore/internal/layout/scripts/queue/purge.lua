-- Removes finished tasks with all that belongs to them, the first to finish
-- first, and unique keys whose time has passed. Entries of tasks that were deleted or ran again are dropped. What is FAILED
-- moves from the list of finished tasks to the dead ones, if these are kept for longer: so
-- that many of these hold the others up little, it looks at more entries than it removes.
-- KEYS: as in keys.lua. ARGV: clock offset, retention in microseconds, that of FAILED
-- tasks, most tasks to remove.
-- Reply: 1 if there may be more, else 0, then the ids.
-- include: queue/common
-- include: queue/keys
local now = store_now(ARGV[1])
local before, dead_before, most = now - tonumber(ARGV[2]), now - tonumber(ARGV[3]), tonumber(ARGV[4])
local limit = math.max(most, 500)
local ids, ends, entries, places, flows = {}, {}, {}, {}, {}
local passed = redis.call('ZRANGEBYSCORE', K.unique_until, '-inf', digits(now), 'LIMIT', 0, limit)
if #passed > 0 then
  call_many('ZREM', K.unique_until, passed)
  call_many('HDEL', K.unique, passed)
end

-- take adds the entries of a list whose time has come, and returns how many. Those of
-- workflows end with a letter, and are not those of tasks.
local function take(key, till)
  local n = 0
  for _, e in ipairs(redis.call('LRANGE', key, 0, limit - #ids - 1)) do
    local at = #e >= 23 and struct.unpack('>I7', e, 17) or 0
    if at > till or #flows == most then break end
    n = n + 1
    if #e == 24 then
      flows[#flows + 1] = { string.sub(e, 1, 16), at, e, key, n }
    else
      local i = #ids + 1
      ids[i], ends[i], entries[i], places[i] = string.sub(e, 1, 16), at, e, { key, n }
    end
  end
  return n
end
local own = redis.call('ZRANGEBYSCORE', K.kept, '-inf', digits(now), 'LIMIT', 0, limit)
for i, id in ipairs(own) do ids[i] = id end
local dead = #ids < limit and take(K.dead, dead_before) or 0
local finished = #ids < limit and take(K.finished, before) or 0
if #ids == 0 and #flows == 0 then return { 0 } end
emit_if_read(now)
local gone, moved, more, stop = {}, {}, false, nil
local nodes = K.has_nodes and get_many('HMGET', string.sub(K.meta, 1, -5) .. 'nodes', ids) or {}
local lists = { [COMPLETED] = {}, [FAILED] = {}, [CANCELLED] = {} }
for i, s in ipairs(get_many('HMGET', K.state, ids)) do
  if #gone == most then
    stop = i
    break
  end
  local t = unpack_state(s)
  local is_own = i <= #own
  -- A node goes with its workflow.
  if t and lists[t.status] and not nodes[i] and t.kept == is_own and (is_own or t.finished == ends[i]) then
    if t.status == FAILED and not is_own and t.finished > dead_before then
      moved[#moved + 1] = entries[i]
    else
      gone[#gone + 1] = ids[i]
      local list = lists[t.status]
      list[#list + 1] = ids[i]
      emit(ids[i], t.status, 0, t.attempt, t.list_no)
    end
  end
end
if stop then
  -- What comes behind the last one that was looked at stays where it is.
  local place = places[stop]
  for i = #own, stop, -1 do own[i] = nil end
  if not place or place[1] == K.dead then finished = 0 end
  if not place then dead = 0
  elseif place[1] == K.dead then dead = place[2] - 1
  else finished = place[2] - 1
  end
  for i = #flows, 1, -1 do
    if flows[i][5] > (flows[i][4] == K.dead and dead or finished) then table.remove(flows, i) end
  end
end
if #own > 0 then call_many('ZREM', K.kept, own) end
redis.call('LTRIM', K.dead, dead, -1)
redis.call('LTRIM', K.finished, finished, -1)
if #flows > 0 then
  -- include: workflows/purge
end
if #moved > 0 then call_many('RPUSH', K.dead, moved) end
if #lists[COMPLETED] > 0 then call_many('ZREM', K.completed, lists[COMPLETED]) end
if #lists[FAILED] > 0 then call_many('ZREM', K.failed, lists[FAILED]) end
if #lists[CANCELLED] > 0 then call_many('ZREM', K.cancelled, lists[CANCELLED]) end
if #gone > 0 then
  for _, key in ipairs({ K.tasks, K.state, K.results, K.errors, K.unique_of }) do
    call_many('HDEL', key, gone)
  end
  local follow = redis.call('EXISTS', K.tasks) == 0 and redis.call('HGET', K.meta, 'follow') or ''
  if follow == 'g' then redis.call('HDEL', K.meta, 'follow')
  elseif string.find(follow, 'g', 1, true) then redis.call('HSET', K.meta, 'follow', (string.gsub(follow, 'g', '')))
  end
end
emit_all(now)
table.insert(gone, 1, (more or stop or #ids >= limit) and 1 or 0)
return gone
