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
--   m:QUEUE             the stage of the limits of keys, a number of its own, and "+" until
--                       build.lua has ended: 0 while what is left of earlier ones is
--                       removed, 1 while tasks are found that were there before, 2 when
--                       claims take what these limits admit only
--
-- A ready task of a limited key is in the sorted set "keyed:LIST:QUEUE|KEY", in the order of
-- its key. The first of those, as many as may begin, are open: "open:LIST" has them, and the
-- tasks without a limited key, by their ready scores. A claim takes from it at stage 2.
-- "ready:LIST" has all ready tasks, as always. "slots:QUEUE" has the keys of the
-- tasks that hold slots. What else is known of a key is in "keys:QUEUE":
--
--    1  number of its limit           21  how many of its tasks run
--    5  when its bucket is full, a    25  how many hold slots
--       double                        66  for each ready list: its number, 2 bytes, how
--   13  when "tokens:QUEUE"               many are ready and how many of these are open,
--       has it, a double                  4 bytes each
--
-- Redis would search a small hash from one end to the other if all its values had at most
-- 64 bytes: the 37 bytes before 66 are 0, and a key in "slots:QUEUE" has NULs behind it up
-- to 65.
--
-- A bucket is the time when it is full, in microseconds since SEQUENCE_START: of a queue or
-- a type in the hash "buckets", behind the number of its limit.
local KEY_STATE, KEY_STATE_SIZE, PADDING = '>I4ddI4I4c37', 65, string.rep('\0', 65)
-- A task that has a slot already comes before all others of its key.
local AHEAD = 11 * WIDTH
-- How many tasks of a key are opened or closed in one step.
local MOST_MOVES = 1000
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
-- Who takes a token within 20 ms after it came makes those that follow no later.
local function take(limit, full, n)
  local late = since - full
  return (late > 0 and late <= 20000 and full or since + missing(limit, full)) + n * limit.every
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

local function key_of(id) return key_in(K.records and K.records[id] or redis.call('HGET', key('tasks'), id)) end

-- key_state is what is known of a key. It is tracked if it has a limit, or had one of which
-- something is left.
local touched = {}
local function key_state(queue, name, raw)
  queue.keys = queue.keys or {}
  local s = queue.keys[name]
  if not s then
    local id = queue.name .. '|' .. name
    s = { queue = queue, name = name, id = id, number = 0, full = 0, at = 0, running = 0, held = 0, lists = {} }
    if raw == nil then raw = redis.call('HGET', key('keys:' .. queue.name), name) end
    if raw and #raw >= KEY_STATE_SIZE then
      s.tracked = true
      s.number, s.full, s.at, s.running, s.held = struct.unpack(KEY_STATE, raw)
      for i = KEY_STATE_SIZE + 1, #raw - 9, 10 do
        local list_no, ready, open = struct.unpack('>HI4I4', raw, i)
        s.lists[list_no] = { ready = ready, open = open }
      end
    end
    s.limit = queue.exceptions > 0 and limit_of(redis.call('HGET', limited, 'k:' .. id)) or queue.rule
    if s.limit and s.limit.number ~= s.number then s.number, s.full = s.limit.number, 0 end
    s.tracked = s.tracked or s.limit ~= nil
    queue.keys[name] = s
  end
  if s.tracked and not s.touched then
    s.touched = true
    touched[#touched + 1] = s
  end
  return s
end

local function open_key(list_no) return key('open:' .. list_no) end
local function tokens_key(queue) return key('tokens:' .. queue.name) end
local function keyed_key(s, list_no) return key('keyed:' .. list_no .. ':' .. s.id) end

-- What is opened and closed is written once for all keys.
local opening, closing = {}, {}
local function write_open()
  for list_no, ids in pairs(closing) do call_many('ZREM', open_key(list_no), ids) end
  for list_no, values in pairs(opening) do call_many('ZADD', open_key(list_no), values) end
  opening, closing = {}, {}
end

-- remove takes a task out of those of its key, of which the claim took it from the
-- open ones already if taken.
local function remove(s, list_no, id, taken)
  local g = s.lists[list_no]
  local known = g and redis.call('ZREM', keyed_key(s, list_no), id) == 1
  local was_open = taken or redis.call('ZREM', open_key(list_no), id) == 1
  if not known then return end
  g.ready = math.max(g.ready - 1, 0)
  if was_open then g.open = math.max(g.open - 1, 0) end
  if g.ready == 0 then s.lists[list_no] = nil end
end

-- insert puts a ready task among those of its key. It may be there, or open, if known.
local function insert(s, list_no, id, score, holds, known)
  if known then remove(s, list_no, id) end
  local g = s.lists[list_no] or { ready = 0, open = 0 }
  s.lists[list_no] = g
  local all = keyed_key(s, list_no)
  local rank_score = holds and score - AHEAD or score
  redis.call('ZADD', all, digits(rank_score), id)
  g.ready = g.ready + 1
  if g.open == 0 then return end
  -- It is among the first if the last of those is behind it now.
  local last = redis.call('ZRANGE', all, g.open, g.open, 'WITHSCORES')
  local behind = tonumber(last[2])
  if behind and (behind > rank_score or behind == rank_score and last[1] > id) then
    redis.call('ZADD', open_key(list_no), digits(score), id)
    g.open = g.open + 1
  end
end

-- first_list is the ready list with the first task of a key.
local function first_list(s)
  local only = next(s.lists)
  local waits = s.limit.blocks and s.held > 0
  if not waits and next(s.lists, only) == nil then return only end
  local first, best
  for list_no in pairs(s.lists) do
    local head = redis.call('ZRANGE', keyed_key(s, list_no), 0, 0, 'WITHSCORES')
    local score = tonumber(head[2])
    if score and (not best or score < best) and (score < 0 or not waits) then first, best = list_no, score end
  end
  return first
end

-- drop_gone takes tasks out that stand first and are not ready: their records are gone, and
-- a claim that met them could not tell of which key they were.
local function drop_gone(s)
  local several = next(s.lists, (next(s.lists))) ~= nil
  for list_no, g in pairs(s.lists) do
    while g.open > 0 and (g.open < g.ready or several) do
      local id = redis.call('ZRANGE', keyed_key(s, list_no), 0, 0)[1]
      if not id or redis.call('ZSCORE', key('ready:' .. list_no), id) then break end
      redis.call('ZREM', open_key(list_no), id)
      remove(s, list_no, id, true)
    end
  end
end

-- settle opens as many tasks of a key as may begin, and closes others. It returns
-- whether it has opened any, and whether there is more to do.
local function settle(s)
  local limit, may, first = s.limit, math.huge, nil
  if limit then
    may = math.max(math.min(limit.most - s.running, tokens(limit, s.full)), 0)
    if limit.ordered and may > 0 then first = first_list(s) end
  end
  local opened, more, closed = false, false, false
  for list_no, g in pairs(s.lists) do
    local want = math.min(g.ready, may)
    if limit and limit.ordered and list_no ~= first then want = 0 end
    if g.open < want then
      local till = math.min(want, g.open + MOST_MOVES)
      local found = redis.call('ZRANGE', keyed_key(s, list_no), g.open, till - 1, 'WITHSCORES')
      local add = opening[list_no] or {}
      opening[list_no] = add
      for i = 1, #found, 2 do
        local score = found[i + 1]
        if string.byte(score) == 45 then score = digits(score + AHEAD) end
        add[#add + 1] = score
        add[#add + 1] = found[i]
      end
      g.open, opened = till, true
    elseif g.open > want then
      local till = math.max(want, g.open - MOST_MOVES)
      closing[list_no] = closing[list_no] or {}
      for _, id in ipairs(redis.call('ZRANGE', keyed_key(s, list_no), till, g.open - 1)) do table.insert(closing[list_no], id) end
      g.open = till
    end
    more = more or g.open ~= want
    closed = closed or g.open < g.ready
  end
  if not limit and not more then
    for list_no in pairs(s.lists) do redis.call('DEL', keyed_key(s, list_no)) end
    s.lists = {}
  end
  return opened, more, closed
end

-- wake notifies waiting claims, if one waits.
local function wake()
  if redis.call('HDEL', key('meta'), 'idle') == 1 then redis.call('PUBLISH', key('wake'), '1') end
end

-- store_keys settles and stores the keys that were touched. It returns whether a task
-- was opened, and whether there is more to do.
local function store_keys()
  local any, rest, sets, gone, looks, unlooks, first = false, false, {}, {}, {}, {}, {}
  for _, s in ipairs(touched) do
    s.touched = false
    if s.limit then drop_gone(s) end
    local opened, more, closed = settle(s)
    any, rest = any or opened, rest or more
    local limit, at = s.limit, 0
    if limit and limit.every > 0 and s.full > since then
      local n = tokens(limit, s.full)
      at = closed and n <= limit.most - s.running and next_token(limit, s.full, n + 1) or math.ceil(s.full)
    end
    local of = s.queue.name
    if at == 0 and not next(s.lists) and s.running <= 0 and s.held <= 0 then
      gone[of] = gone[of] or {}
      table.insert(gone[of], s.name)
      s.tracked = limit ~= nil
    else
      local packed = struct.pack(KEY_STATE, s.number, s.full, at, math.max(s.running, 0), math.max(s.held, 0), PADDING)
      for list_no, g in pairs(s.lists) do packed = packed .. struct.pack('>HI4I4', list_no, g.ready, g.open) end
      local set = sets[of] or {}
      sets[of] = set
      set[#set + 1] = s.name
      set[#set + 1] = packed
    end
    if at ~= s.at then
      if at > 0 then
        first[s.queue] = math.min(first[s.queue] or at, at)
        looks[s.queue] = looks[s.queue] or {}
        table.insert(looks[s.queue], digits(SEQUENCE_START + at))
        table.insert(looks[s.queue], s.name)
      else
        unlooks[s.queue] = unlooks[s.queue] or {}
        table.insert(unlooks[s.queue], s.name)
      end
      s.at = at
    end
  end
  touched = {}
  write_open()
  for of, names in pairs(gone) do call_many('HDEL', key('keys:' .. of), names) end
  for of, values in pairs(sets) do call_many('HSET', key('keys:' .. of), values) end
  for queue, names in pairs(unlooks) do call_many('ZREM', tokens_key(queue), names) end
  for queue, values in pairs(looks) do
    local head = redis.call('ZRANGE', tokens_key(queue), 0, 0, 'WITHSCORES')
    call_many('ZADD', tokens_key(queue), values)
    -- Who waits sleeps until the first of them.
    if not head[2] or SEQUENCE_START + first[queue] < tonumber(head[2]) then wake() end
  end
  return any, rest
end
