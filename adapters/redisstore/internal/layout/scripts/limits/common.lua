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
--   m:QUEUE             the stage of the limits of keys, and a number of its own: 0 while what
--                       is left of earlier ones is removed, 1 while tasks are found that were
--                       there before, 2 when claims take what these limits admit only
--
-- A ready task of a limited key is in the sorted set "keyed:LIST:QUEUE|KEY", in the order of
-- its key. The first of those, as many as may begin, are open: "open:LIST" has them, and the
-- tasks without a limited key, by their ready scores. A claim takes from it at stage 2.
-- "ready:LIST" has all ready tasks, as always. "slots:QUEUE" has the keys of the
-- tasks that hold slots. What else is known of a key is in "keys:QUEUE":
--
--    1  number of its limit           21  how many of its tasks run
--    5  when its bucket is full, a    25  how many hold slots
--       double                        29  for each ready list: its number, 2 bytes, how
--   13  when "tokens" has it, a           many are ready and how many of these are open,
--       double                            4 bytes each
--
-- A bucket is the time when it is full, in microseconds since SEQUENCE_START: of a queue or
-- a type in the hash "buckets", behind the number of its limit.
local KEY_STATE, KEY_STATE_SIZE = '>I4ddI4I4', 28
-- A task that has a slot already comes before all others of its key.
local AHEAD = 11 * WIDTH
-- How many tasks of a key are opened or closed in one step.
local MOST_MOVES = 1000
local limited, since = key('limited'), now - SEQUENCE_START

local function limit_of(text)
  if not text then return nil end
  local a = cjson.decode(text)
  return { most = a[1] > 0 and a[1] or math.huge, every = a[2], size = a[3], number = a[4],
    blocks = a[5] == 1, ordered = a[6] == 1, name = a[7] }
end

-- tokens is how many tokens a bucket has that is full at that time, next_token when it
-- has so many, and take when it is full once n are taken.
local function tokens(limit, full)
  if limit.every == 0 then return math.huge end
  return math.max(limit.size - math.ceil(math.max(full - since, 0) / limit.every - 1e-6), 0)
end
local function next_token(limit, full, n)
  return math.max(math.ceil(full - (limit.size - n) * limit.every), since + 1)
end
local function take(limit, full, n) return math.max(full, since) + n * limit.every end

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
    elseif kind == 'x' then queues[name].exceptions = tonumber(value or 0)
    elseif value then
      local stage = tonumber(string.sub(value, 1, 1))
      queues[name].open, queues[name].stage = stage == 2, stage > 0 and stage
    end
  end
end

local function learn_queue(name)
  if not queues[name] then
    local m = redis.call('HMGET', limited, 'q:' .. name, 'r:' .. name, 'x:' .. name, 'm:' .. name)
    local stage = tonumber(string.sub(m[4] or '0', 1, 1))
    queues[name] = { name = name, limit = limit_of(m[1]), rule = limit_of(m[2]), exceptions = tonumber(m[3] or 0),
      open = stage == 2, stage = stage > 0 and stage }
  end
  return queues[name]
end

-- key_in is the key that a record says, as it stands in its JSON, nil for none. The layout
-- of a record is in codec.go.
local function key_in(record)
  local flags = (string.byte(record or '') or 0) - 1
  if flags < 0 or flags % 4 < 2 then return nil end
  local at, byte = flags % 32 >= 16 and 29 or 13, string.byte
  local function number()
    local n, scale, b = 0, 1, nil
    repeat
      b = byte(record, at) or 0
      n, scale, at = n + b % 128 * scale, scale * 128, at + 1
    until b < 128
    return n
  end
  number()
  number()
  for _ = 1, 3 do
    local length = number()
    at = at + length
  end
  number()
  if string.sub(record, at, at + 7) ~= '{"key":"' then return nil end
  local from = at + 8
  while true do
    local stop = string.find(record, '["\\]', from)
    if not stop then return nil end
    if byte(record, stop) == 34 then return string.sub(record, at + 8, stop - 1) end
    from = stop + 2
  end
end

local function key_of(id) return key_in(K.records and K.records[id] or redis.call('HGET', key('tasks'), id)) end

-- key_state is what is known of a key. It is tracked if it has a limit, or had one of which
-- something is left.
local keys, touched = {}, {}
local function key_state(queue, name)
  local id = queue.name .. '|' .. name
  local s = keys[id]
  if not s then
    s = { queue = queue, name = name, id = id, number = 0, full = 0, at = 0, running = 0, held = 0, lists = {} }
    local raw = redis.call('HGET', key('keys:' .. queue.name), name)
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
    keys[id] = s
  end
  if s.tracked and not s.touched then
    s.touched = true
    touched[#touched + 1] = s
  end
  return s
end

local function open_key(list_no) return key('open:' .. list_no) end
local function keyed_key(s, list_no) return key('keyed:' .. list_no .. ':' .. s.id) end

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
      local found, add = redis.call('ZRANGE', keyed_key(s, list_no), g.open, till - 1, 'WITHSCORES'), {}
      for i = 1, #found, 2 do
        local score = tonumber(found[i + 1])
        add[i], add[i + 1] = digits(score < 0 and score + AHEAD or score), found[i]
      end
      if #add > 0 then call_many('ZADD', open_key(list_no), add) end
      g.open, opened = till, true
    elseif g.open > want then
      local till = math.max(want, g.open - MOST_MOVES)
      local found = redis.call('ZRANGE', keyed_key(s, list_no), till, g.open - 1)
      if #found > 0 then call_many('ZREM', open_key(list_no), found) end
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

-- store_keys settles and stores the keys that were touched. It returns whether a task
-- was opened, and whether there is more to do.
local function store_keys()
  local any, rest, sets, gone, looks, unlooks = false, false, {}, {}, {}, {}
  for _, s in ipairs(touched) do
    s.touched = false
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
      local packed = { struct.pack(KEY_STATE, s.number, s.full, at, math.max(s.running, 0), math.max(s.held, 0)) }
      for list_no, g in pairs(s.lists) do packed[#packed + 1] = struct.pack('>HI4I4', list_no, g.ready, g.open) end
      sets[of] = sets[of] or {}
      table.insert(sets[of], s.name)
      table.insert(sets[of], table.concat(packed))
    end
    if at ~= s.at then
      if at > 0 then
        looks[#looks + 1] = digits(SEQUENCE_START + at)
        looks[#looks + 1] = s.id
      else
        unlooks[#unlooks + 1] = s.id
      end
      s.at = at
    end
  end
  touched = {}
  for of, names in pairs(gone) do call_many('HDEL', key('keys:' .. of), names) end
  for of, values in pairs(sets) do call_many('HSET', key('keys:' .. of), values) end
  if #looks > 0 then call_many('ZADD', key('tokens'), looks) end
  if #unlooks > 0 then call_many('ZREM', key('tokens'), unlooks) end
  return any, rest
end

-- wake notifies waiting claims, if one waits.
local function wake()
  if redis.call('HDEL', key('meta'), 'idle') == 1 then redis.call('PUBLISH', key('wake'), '1') end
end
