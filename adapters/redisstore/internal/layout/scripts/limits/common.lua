-- What the scripts share that keep to limits. They declare key(name), which is a key of
-- the partition, and now.
--
-- The hash "limited" has what limits are to be kept to, by text:
--
--   NUMBER              the queue and type of a ready list, "QUEUE|TYPE"
--   q:QUEUE, t:TYPE     the limit of a queue, or of a type
--   r:QUEUE             the rule for each key of a queue
--   k:QUEUE|KEY         the limit of one key, in the place of the rule; KEY as in JSON
--   x:QUEUE             how many of those there are
--   m:QUEUE             the stage of the limits and turns of keys, a number of its own, and
--                       "+" until build.lua has ended: 0 while what is left of earlier ones
--                       is removed, 1 while tasks are found that were there before, 2 when
--                       claims take what these limits admit only, by turns
--   f:QUEUE             its keys take turns without limits too
--   w:QUEUE             how many ready tasks the limits of its keys hold back
--
-- A lane is the tasks of a ready list that have one priority: 16 * number of the list + level,
-- which is 10 less the priority, as ready scores begin with. A ready task of such a queue is
-- in the sorted set "keyed:LANE:QUEUE|KEY", in the order of its key; those without a key are
-- one more, "". "open:LIST" has the levels (1 byte) and keys whose first task may begin, by
-- their turns: level * WIDTH + a number that no other key of the level has. A claim takes from it
-- at stage 2, the least turn first. A key that is opened, and one that was served and stays
-- open, goes behind all others of its level: so none is served twice before each that waited is
-- served once, and none that comes overtakes one that waits. "ready:LIST" has all ready tasks,
-- as always.
-- "slots:QUEUE" has the keys of the tasks that hold slots. What else is known of a limited
-- key is in "keys:QUEUE":
--
--    1  number of its limit           25  how many hold slots
--    5  when its bucket is full, a    29  how many ready tasks its limit holds back
--       double                        66  for each lane with tasks of it: the lane,
--   13  when "tokens:QUEUE"               2 bytes, and how many are ready, 4 bytes
--       has it, a double
--   21  how many of its tasks run
--
-- Redis would search a small hash from one end to the other if all its values had at most
-- 64 bytes: the 33 bytes before 66 are 0, and a key in "slots:QUEUE" has NULs behind it up
-- to 65.
--
-- A bucket is the time when it is full, in microseconds since SEQUENCE_START: of a queue or
-- a type in the hash "buckets", behind the number of its limit.
local KEY_STATE, KEY_STATE_SIZE, PADDING = '>I4ddI4I4I4c33', 65, string.rep('\0', 65)
-- A task that has a slot already comes before all others of its key.
local AHEAD = 11 * WIDTH
local limited, since = key('limited'), now - SEQUENCE_START

-- A damaged limit holds nothing back: the verifier tells of it.
local function limit_of(text)
  if not text then return nil end
  local ok, a = pcall(cjson.decode, text)
  if not ok or type(a) ~= 'table' or type(a[7]) ~= 'string' then return nil end
  for i = 1, 6 do
    if type(a[i]) ~= 'number' then return nil end
  end
  return { most = a[1] > 0 and a[1] or math.huge, every = a[2], size = a[3], number = a[4],
    blocks = a[5] == 1, ordered = a[6] == 1, name = a[7] }
end

-- tokens is how many tokens a bucket has that is full at that time, next_token when it
-- has so many, and take when it is full once n are taken. One that would be full more
-- than a minute later than an empty bucket is from before the clock was set back, and counts as full.
local function missing(limit, full)
  local left = full - since
  return left > 0 and left <= limit.size * limit.every + 60000000 and left or 0
end
local function tokens(limit, full)
  if limit.every == 0 then return math.huge end
  return math.max(limit.size - math.ceil(missing(limit, full) / limit.every - 1e-6), 0)
end
local function next_token(limit, full, n)
  return math.max(math.ceil(full - (limit.size - n) * limit.every), since + 1)
end
-- Who takes a token within 50 ms after it came makes those that follow no later.
local function take(limit, full, n)
  local late = since - full
  return (late > 0 and late <= 50000 and full or since + missing(limit, full)) + n * limit.every
end

-- learn finds out which limits ready lists are under: lists[number] has its queue and
-- type. A list that is in no table is under none.
local lists, queues, types = {}, {}, {}
local function learn(numbers)
  local ask = {}
  for _, n in ipairs(numbers) do
    if lists[n] == nil then
      lists[n] = false
      ask[#ask + 1] = n
    end
  end
  local fields, names = {}, get_many('HMGET', limited, ask)
  for i, n in ipairs(ask) do
    local queue, typ = string.match(names[i] or '', '^(.-)|(.*)$')
    if queue then
      if not queues[queue] then
        queues[queue] = { name = queue }
        for _, kind in ipairs({ 'q:', 'r:', 'x:', 'm:' }) do fields[#fields + 1] = kind .. queue end
      end
      if not types[typ] then
        types[typ] = {}
        fields[#fields + 1] = 't:' .. typ
      end
      lists[n] = { queue = queues[queue], type = types[typ] }
    end
  end
  for i, value in ipairs(get_many('HMGET', limited, fields)) do
    local kind, name = string.sub(fields[i], 1, 1), string.sub(fields[i], 3)
    if kind == 't' then types[name].limit = limit_of(value)
    elseif kind == 'q' then queues[name].limit = limit_of(value)
    elseif kind == 'r' then queues[name].rule = limit_of(value)
    elseif kind == 'x' then queues[name].exceptions = tonumber(value) or 0
    elseif value then
      local stage = tonumber(string.sub(value, 1, 1)) or 0
      queues[name].open, queues[name].stage = stage == 2, stage > 0 and stage
    end
  end
end

local function learn_queue(name)
  if not queues[name] then
    local m = redis.call('HMGET', limited, 'q:' .. name, 'r:' .. name, 'x:' .. name, 'm:' .. name)
    local stage = tonumber(string.sub(m[4] or '0', 1, 1)) or 0
    queues[name] = { name = name, limit = limit_of(m[1]), rule = limit_of(m[2]), exceptions = tonumber(m[3]) or 0,
      open = stage == 2, stage = stage > 0 and stage }
  end
  return queues[name]
end

-- include: queue/options

-- key_in is the key that a record says, as it stands in its JSON, nil for none.
local function key_in(record)
  local byte, at = string.byte, options_of(record)
  if not at then return nil end
  local name = string.match(record, '^{"key":"([^"\\]*)"', at)
  if name or string.sub(record, at, at + 7) ~= '{"key":"' then return name end
  local from = at + 8
  while true do
    local stop = string.find(record, '["\\]', from)
    if not stop then return nil end
    if byte(record, stop) == 34 then return string.sub(record, at + 8, stop - 1) end
    from = stop + 2
  end
end

local function slot_of(name) return name .. string.sub(PADDING, #name + 1) end
local function slot_key(slot) return slot and string.match(slot, '^%Z+') end

local function record_of(id) return K.records and K.records[id] or redis.call('HGET', key('tasks'), id) end
local function key_of(id) return key_in(record_of(id)) end

local function open_key(list_no) return key('open:' .. list_no) end
local function tokens_key(queue) return key('tokens:' .. queue.name) end
local function keyed_key(s, lane) return key('keyed:' .. lane .. ':' .. s.id) end

local function level_of(score) return math.floor(score / WIDTH) end
local function lane_of(list_no, level) return 16 * list_no + math.max(math.min(level, 15), 0) end
local function list_of(lane) return math.floor(lane / 16) end
-- member_of is what "open:LIST" knows a key by in a lane.
local function member_of(lane, name) return string.char(lane % 16) .. name end

-- key_state is what is known of a key: raw if that was read already.
local function key_state(queue, name, raw)
  queue.keys = queue.keys or {}
  local s = queue.keys[name]
  if s then return s end
  local id = queue.name .. '|' .. name
  s = { queue = queue, name = name, id = id, number = 0, full = 0, at = 0, running = 0, held = 0, waiting = 0, lanes = {} }
  queue.keys[name] = s
  if name == '' then return s end
  if raw == nil then raw = redis.call('HGET', key('keys:' .. queue.name), name) end
  if raw and #raw >= KEY_STATE_SIZE then
    s.stored = true
    s.number, s.full, s.at, s.running, s.held, s.waiting = struct.unpack(KEY_STATE, raw)
    for i = KEY_STATE_SIZE + 1, #raw - 5, 6 do
      local lane, ready = struct.unpack('>HI4', raw, i)
      s.lanes[lane] = ready
    end
  end
  s.limit = queue.exceptions > 0 and limit_of(redis.call('HGET', limited, 'k:' .. id)) or queue.rule
  if s.limit and s.limit.number ~= s.number then s.number, s.full = s.limit.number, 0 end
  return s
end

-- load_keys reads what is known of keys that were not read yet, all at once.
local function load_keys(queue, names)
  local list, seen = {}, { [''] = true }
  for _, name in ipairs(names) do
    if not seen[name] and not (queue.keys and queue.keys[name]) then list[#list + 1] = name end
    seen[name] = true
  end
  for i, raw in ipairs(get_many('HMGET', key('keys:' .. queue.name), list)) do key_state(queue, list[i], raw) end
end

-- may_begin is how many tasks of a key may begin.
local function may_begin(s)
  local limit = s.limit
  return limit and math.max(math.min(limit.most - s.running, tokens(limit, s.full)), 0) or math.huge
end

-- touch has store_keys look at a key again, and at its tasks of a lane.
local touched = {}
local function touch(s, lane)
  if not s.touched then
    s.touched = {}
    touched[#touched + 1] = s
  end
  if lane then s.touched[lane] = true end
end

local function note(all, name, a, b)
  local list = all[name]
  if not list then
    list = {}
    all[name] = list
  end
  list[#list + 1] = a
  list[#list + 1] = b
end

-- remove takes a task out of those of its key, and insert puts a ready one there.
local function remove(s, lane, id)
  touch(s, lane)
  s.removes = s.removes or {}
  note(s.removes, lane, id)
end
local function insert(s, list_no, id, score, holds)
  local lane = lane_of(list_no, level_of(score))
  touch(s, lane)
  s.adds = s.adds or {}
  note(s.adds, lane, digits(holds and score - AHEAD or score), id)
end

-- change_many runs a command that replies how many members it has added or removed.
local function change_many(cmd, of, args)
  local n = 0
  for i = 1, #args, 4000 do n = n + redis.call(cmd, of, unpack(args, i, math.min(i + 3999, #args))) end
  return n
end

-- move_tasks does what remove and insert have noted of a key, and counts its tasks if it is limited.
local function move_tasks(s)
  for lane in pairs(s.touched) do
    local by, ready = -(s.popped and s.popped[lane] or 0), s.lanes[lane]
    local removes, adds = s.removes and s.removes[lane], s.adds and s.adds[lane]
    if removes then by = by - change_many('ZREM', keyed_key(s, lane), removes) end
    if adds then by = by + change_many('ZADD', keyed_key(s, lane), adds) end
    if s.limit then
      ready = ready and ready + by or redis.call('ZCARD', keyed_key(s, lane))
      s.lanes[lane] = ready > 0 and ready or nil
    end
  end
  if not s.limit then s.lanes = {} end
end

-- first_rank is the rank of the first task of a key in a lane, nil if there is none.
local function first_rank(s, lane)
  return tonumber(redis.call('ZRANGE', keyed_key(s, lane), 0, 0, 'WITHSCORES')[2])
end

-- first_lane is the lane with the first task of a key whose tasks run in order.
local function first_lane(s)
  local waits, only, first, best = s.limit.blocks and s.held > 0, next(s.lanes), nil, nil
  if not waits and only and not next(s.lanes, only) then return only end
  for lane in pairs(s.lanes) do
    local rank = first_rank(s, lane)
    if rank and (not best or rank < best) and (rank < 0 or not waits) then first, best = lane, rank end
  end
  return first
end

-- open_lanes returns, by lane, whether a key is to be open there, and how many of its tasks its
-- limit holds back.
local function open_lanes(s)
  local out, ready = {}, 0
  if not s.limit then
    for lane in pairs(s.touched) do out[lane] = redis.call('EXISTS', keyed_key(s, lane)) == 1 end
    return out, 0
  end
  local may = may_begin(s)
  for lane in pairs(s.touched) do out[lane] = false end
  for lane, n in pairs(s.lanes) do
    out[lane], ready = may > 0 and not s.limit.ordered, ready + n
  end
  if may > 0 and s.limit.ordered then
    local first = first_lane(s)
    if first then out[first] = true end
    return out, ready - (first and 1 or 0)
  end
  return out, ready - math.min(ready, may)
end

-- write_turns opens and closes keys of a ready list. Each entry has the key, its lane, whether it
-- is to be open there, and its turn if this step has served it: a number that rises from one
-- served key to the next, above all ranks of the level. It returns whether it has opened one.
local function write_turns(list_no, entries)
  local open, members, closes, tails, opened = open_key(list_no), {}, {}, {}, false
  for i, e in ipairs(entries) do members[i] = member_of(e.lane, e.s.name) end
  for i, at in ipairs(get_many('ZMSCORE', open, members)) do
    local e = entries[i]
    if e.open and (e.turn or not at) then
      e.member, tails[#tails + 1], opened = members[i], e, opened or not at
    elseif at and not e.open then
      closes[#closes + 1] = members[i]
    end
  end
  if #closes > 0 then call_many('ZREM', open, closes) end
  if #tails == 0 then return false end
  -- Those that come open in the order of their first tasks.
  if #tails > 1 then
    for _, e in ipairs(tails) do e.turn = e.turn or first_rank(e.s, e.lane) or 0 end
    table.sort(tails, function(a, b) return a.turn < b.turn end)
  end
  local last, values = {}, {}
  for _, e in ipairs(tails) do
    local level = string.byte(e.member)
    if not last[level] then
      local low, high = digits(level * WIDTH), digits((level + 1) * WIDTH - 1)
      last[level] = tonumber(redis.call('ZREVRANGEBYSCORE', open, high, low, 'WITHSCORES', 'LIMIT', 0, 1)[2]) or level * WIDTH
    end
    last[level] = last[level] + 1
    values[#values + 1] = digits(last[level])
    values[#values + 1] = e.member
  end
  call_many('ZADD', open, values)
  return opened
end

-- wake notifies waiting claims, if one waits.
local function wake()
  if redis.call('HDEL', key('meta'), 'idle') == 1 then redis.call('PUBLISH', key('wake'), '1') end
end

-- store_keys stores what has become of the keys that were touched, and opens or closes them. It
-- returns whether it has opened one.
local function store_keys()
  local opened, sets, gone, looks, unlooks, first, waits, turns = false, {}, {}, {}, {}, {}, {}, {}
  for _, s in ipairs(touched) do
    move_tasks(s)
    local lanes, waiting = open_lanes(s)
    for lane, open in pairs(lanes) do
      note(turns, list_of(lane), { s = s, lane = lane, open = open, turn = s.took and s.took[lane] })
    end
    local limit, at, of = s.limit, 0, s.queue.name
    if limit and limit.every > 0 and s.full > since then
      local n = tokens(limit, s.full)
      at = waiting > 0 and n <= limit.most - s.running and next_token(limit, s.full, n + 1) or math.ceil(s.full)
    end
    if waiting ~= s.waiting then
      waits[of] = (waits[of] or 0) + waiting - s.waiting
      s.waiting = waiting
    end
    if at > 0 or next(s.lanes) or s.running > 0 or s.held > 0 then
      local packed = struct.pack(KEY_STATE, s.number, s.full, at, math.max(s.running, 0), math.max(s.held, 0), waiting, PADDING)
      for lane, ready in pairs(s.lanes) do packed = packed .. struct.pack('>HI4', lane, ready) end
      note(sets, of, s.name, packed)
      s.stored = true
    elseif s.stored then
      note(gone, of, s.name)
      s.stored = false
    end
    if at ~= s.at then
      if at > 0 then
        first[s.queue] = math.min(first[s.queue] or at, at)
        note(looks, s.queue, digits(SEQUENCE_START + at), s.name)
      else
        note(unlooks, s.queue, s.name)
      end
      s.at = at
    end
    s.touched, s.removes, s.adds, s.popped, s.took = nil, nil, nil, nil, nil
  end
  touched = {}
  for list_no, entries in pairs(turns) do opened = write_turns(list_no, entries) or opened end
  for of, names in pairs(gone) do call_many('HDEL', key('keys:' .. of), names) end
  for of, values in pairs(sets) do call_many('HSET', key('keys:' .. of), values) end
  for of, by in pairs(waits) do redis.call('HINCRBY', limited, 'w:' .. of, digits(by)) end
  for queue, names in pairs(unlooks) do call_many('ZREM', tokens_key(queue), names) end
  for queue, values in pairs(looks) do
    local head = redis.call('ZRANGE', tokens_key(queue), 0, 0, 'WITHSCORES')
    call_many('ZADD', tokens_key(queue), values)
    -- Who waits sleeps until the first of them.
    if not head[2] or SEQUENCE_START + first[queue] < tonumber(head[2]) then wake() end
  end
  return opened
end
