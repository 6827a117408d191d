-- Compares one page of what is known of the limits and turns of a queue's keys with the tasks, and
-- mends what is wrong if it is asked to. Each page is seen between two steps.
-- KEYS: ready lists, meta. ARGV: cursor, how much to look at, clock offset, queue, what to
-- look at: 'open', 'ready', 'active', 'slots', 'keys' or 'keyed'; ready list (of the first two;
-- lane of the last), 'repair' or '', and of 'keyed' the key.
-- Reply: the next cursor, the bytes that were read, then for each finding: id, kind, place,
-- detail, action. The kind 'keyed' is none: the tasks of the key in detail are to be looked at in
-- the lane that is the place.
-- include: queue/common
local meta, K, cursor, size = KEYS[2], {}, ARGV[1], ARGV[2]
local now, list_no, repair = store_now(ARGV[3]), tonumber(ARGV[6]), ARGV[7] == 'repair'
local function key(name) return string.sub(meta, 1, -5) .. name end
-- include: limits/common
local queue, out = learn_queue(ARGV[4]), { '0', 0 }
-- While limits are changed, what is known of keys is not what it will be.
if not queue.open then return out end
local function report(id, kind, place, detail, action)
  for _, v in ipairs({ id, kind, place, detail, repair and action or '' }) do out[#out + 1] = v end
end
local slots_key, keys_key = 'slots:' .. queue.name, 'keys:' .. queue.name
local function page_of(command, name)
  local page = redis.call(command, key(name), cursor, 'COUNT', size)
  out[1] = page[1]
  return page[2]
end
-- holds reports whether a task may have the slot that it has.
local function holds(id, name)
  local t = unpack_state(redis.call('HGET', key('state'), id))
  local limit = key_state(queue, name).limit
  return t and (t.status == PROCESSING or limit and limit.blocks and (t.status == PENDING or t.status == RETRYING)), t
end
local checks = {}

-- look_at finds which tasks of a key are not ready.
local function look_at(s, lane, ids)
  local strays = {}
  out[2] = out[2] + 16 * #ids
  for i, score in ipairs(get_many('ZMSCORE', key('ready:' .. list_of(lane)), ids)) do
    if not score or 16 * list_of(lane) + level_of(tonumber(score)) ~= lane then
      report(ids[i], 'limit_task_stray', 'keyed:' .. lane .. ':' .. s.id, 'it is among the tasks of its key that wait, and is not ready', 'removed')
      strays[#strays + 1] = ids[i]
    end
  end
  if repair and #strays > 0 then
    call_many('ZREM', keyed_key(s, lane), strays)
    s.lanes[lane] = nil -- They are counted anew.
    touch(s, lane)
  end
end
-- look_at_all does so for all tasks of a key, and leaves it to calls of its own once there are
-- many.
local rest = 2000
local function look_at_all(s, lane, count)
  rest = rest - count
  if rest >= 0 then return look_at(s, lane, redis.call('ZRANGE', keyed_key(s, lane), 0, -1)) end
  rest = rest + count
  for _, v in ipairs({ '', 'keyed', lane, s.name, '' }) do out[#out + 1] = v end
end
checks.keyed = function()
  local s, lane, ids = key_state(queue, ARGV[8]), list_no, {}
  local page = page_of('ZSCAN', 'keyed:' .. lane .. ':' .. s.id)
  for i = 1, #page, 2 do ids[#ids + 1] = page[i] end
  look_at(s, lane, ids)
end
-- opens reports whether a key is to be open in a lane.
local function opens(s, lane)
  touch(s, lane)
  return (open_lanes(s))[lane]
end

checks.open = function()
  local page = page_of('ZSCAN', 'open:' .. list_no)
  for i = 1, #page, 2 do
    local s, lane = key_state(queue, string.sub(page[i], 2)), lane_of(list_no, string.byte(page[i]) or 0)
    if page[i] ~= member_of(lane, s.name) or lane_of(list_no, level_of(tonumber(page[i + 1]))) ~= lane then
      report('', 'limit_task_stray', 'open:' .. list_no, 'it is no key that may begin', 'removed')
      touch(s, lane)
      if repair then redis.call('ZREM', open_key(list_no), page[i]) end
    else
      if not (s.limit and s.lanes[lane]) then look_at_all(s, lane, redis.call('ZCARD', keyed_key(s, lane))) end
      if not opens(s, lane) then
        report('', 'limit_task_stray', 'open:' .. list_no, string.format('key %.80q may begin, and has no task that may', s.name), 'removed')
      end
    end
  end
end

checks.ready = function()
  local page, seen = page_of('ZSCAN', 'ready:' .. list_no), {}
  for i = 1, #page, 2 do
    local id, score = page[i], tonumber(page[i + 1])
    local s, lane = key_state(queue, key_of(id) or ''), lane_of(list_no, level_of(score))
    local has = redis.call('HGET', key(slots_key), id)
    local at = redis.call('ZSCORE', keyed_key(s, lane), id)
    if not at or tonumber(at) ~= (has and score - AHEAD or score) then
      report(id, 'limit_task_missing', 'keyed:' .. lane .. ':' .. s.id, 'it is ready, and not at its place among the tasks of its key', 'put in its place')
      if repair then insert(s, list_no, id, score, has) end
    end
    if s.limit and not s.lanes[lane] and not seen[lane .. s.id] then
      report('', 'limit_count_wrong', keys_key, string.format('of key %.80q it is not known that a task waits', s.name), 'counted anew')
      touch(s, lane)
    end
    -- What a token lets begin is opened by the next claim.
    if not seen[lane .. s.id] and not (s.limit and s.limit.every > 0) and opens(s, lane) and not redis.call('ZSCORE', open_key(list_no), member_of(lane, s.name)) then
      report('', 'limit_task_missing', 'open:' .. list_no, string.format('key %.80q has a task that may begin, and is held back', s.name), 'put among those that may begin')
    end
    seen[lane .. s.id] = true
  end
end

checks.active = function()
  local page = page_of('ZSCAN', 'active')
  for i = 1, #page, 2 do
    local t = unpack_state(redis.call('HGET', key('state'), page[i]))
    learn({ t and t.list_no })
    local mine = t and t.status == PROCESSING and lists[t.list_no] and lists[t.list_no].queue.name == queue.name
    local name = mine and key_of(page[i])
    local s = name and key_state(queue, name)
    if s and s.limit and not redis.call('HGET', key(slots_key), page[i]) then
      report(page[i], 'limit_slot_missing', slots_key, 'it runs, and has no slot of its key', 'given one')
      if repair then
        redis.call('HSET', key(slots_key), page[i], slot_of(name))
        touch(s)
        s.held, s.running = s.held + 1, s.running + 1
      end
    end
  end
end

checks.slots = function()
  local page = page_of('HSCAN', slots_key)
  for i = 1, #page, 2 do
    local id, name = page[i], slot_key(page[i + 1]) or ''
    local s = key_state(queue, name)
    local may, t = holds(id, name)
    if not may then
      report(id, 'limit_slot_stray', slots_key, 'it has a slot of its key, and ' .. (t and 'does not run' or 'never ran'), 'freed the slot')
      if repair then
        redis.call('HDEL', key(slots_key), id)
        touch(s)
        s.held = s.held - 1
        local score = t and t.status == PENDING and redis.call('ZSCORE', key('ready:' .. t.list_no), id)
        if score then insert(s, t.list_no, id, tonumber(score), false) end
      end
    end
  end
end

checks.keys = function()
  local held, running, names, all = {}, {}, {}, redis.call('HGETALL', key(slots_key))
  for i = 1, #all, 2 do
    local name, s = slot_key(all[i + 1]) or '', redis.call('HGET', key('state'), all[i])
    held[name] = (held[name] or 0) + 1
    running[name] = (running[name] or 0) + (s and #s >= 44 and string.byte(s) % 8 == PROCESSING and 1 or 0)
  end
  if cursor == '0' then
    local list = {}
    for name in pairs(held) do list[#list + 1] = name end
    for i, known in ipairs(get_many('HMGET', key(keys_key), list)) do
      if not known then names[list[i]] = true end
    end
    -- The sum is looked at if that does not take long.
    if redis.call('HLEN', key(keys_key)) <= 10000 then
      local sum = 0
      local raws = redis.call('HGETALL', key(keys_key))
      for i = 2, #raws, 2 do sum = sum + (#raws[i] >= KEY_STATE_SIZE and struct.unpack('>I4', raws[i], 29) or 0) end
      if sum ~= (tonumber(redis.call('HGET', limited, 'w:' .. queue.name)) or 0) then
        report('', 'limit_count_wrong', 'limited', 'the tasks that limits of keys hold back are others than those counted', 'counted anew')
        if repair then redis.call('HSET', limited, 'w:' .. queue.name, sum) end
      end
    end
  end
  local page = page_of('HSCAN', keys_key)
  for i = 1, #page, 2 do names[page[i]] = true end
  for name in pairs(names) do
    local s = key_state(queue, name)
    local wrong = s.held ~= (held[name] or 0) or s.running ~= (running[name] or 0)
    s.held, s.running = held[name] or 0, running[name] or 0
    for lane, counted in pairs(s.lanes) do
      local ready = redis.call('ZCARD', keyed_key(s, lane))
      if s.limit and counted ~= ready then
        wrong, s.lanes[lane] = true, nil
        touch(s, lane)
      end
      look_at_all(s, lane, ready)
    end
    touch(s)
    if s.at > 0 and not redis.call('ZSCORE', tokens_key(queue), s.name) then wrong, s.at = true, 0 end
    if not wrong and not (s.limit and s.limit.every > 0) then
      local _, waiting = open_lanes(s)
      wrong = waiting ~= s.waiting
    end
    if wrong then report('', 'limit_count_wrong', keys_key, string.format('what is known of key %.80q is not what its tasks say', name), 'counted anew') end
  end
end

checks[ARGV[5]]()
if repair then
  store_keys()
  wake()
end
return out
