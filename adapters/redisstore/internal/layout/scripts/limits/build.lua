-- Brings what is known of the keys of a queue to what its limits say now: a part of it in
-- each call, until all is done. A call that is repeated does no harm. Steps of tasks are
-- followed meanwhile.
-- KEYS: ready lists, meta. ARGV: clock offset, queue, then phase, place in it and
-- stage as the last call replied them ('clear', '0', '' at first), how many tasks to look at, the
-- next epoch.
-- Reply: the next phase ('' at the end), place and stage.
local ready_lists, meta, K = KEYS[1], KEYS[2], {}
local now, phase, at, since_stage, rest = store_now(ARGV[1]), ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local function key(name) return string.sub(meta, 1, -5) .. name end
-- include: limits/common
local queue = learn_queue(ARGV[2])

local numbers, all = {}, redis.call('HGETALL', ready_lists)
for i = 1, #all, 2 do
  local n = tonumber(all[i + 1])
  if n and string.match(all[i], '^(.-)|') == queue.name then numbers[#numbers + 1] = n < 0 and -1 - n or n end
end
table.sort(numbers)
learn(numbers)

local function stage() return redis.call('HGET', limited, 'm:' .. queue.name) or '' end
local function stage_number() return string.match(stage(), '%d+', 2) or '' end
local function holder(id) return redis.call('HGET', key('slots:' .. queue.name), id) end
local function status_of(s) return s and #s >= 44 and string.byte(s) % 8 end

local phases = {}
-- What is left of earlier limits goes before there are others.
phases.clear = function()
  if stage() ~= '' and string.sub(stage(), 1, 1) ~= '0' then return 'active', '0' end
  local of = key('keys:' .. queue.name)
  local reply = redis.call('HSCAN', of, at, 'COUNT', 100)
  local page = reply[2]
  for i = 1, #page, 2 do
    local id = queue.name .. '|' .. page[i]
    for lane in pairs(key_state(queue, page[i], page[i + 1]).lanes) do redis.call('DEL', key('keyed:' .. lane .. ':' .. id)) end
    redis.call('ZREM', tokens_key(queue), page[i])
    redis.call('HDEL', of, page[i])
  end
  rest = rest - math.max(#page, 100)
  if reply[1] ~= '0' then return 'clear', reply[1] end
  for _, n in ipairs(numbers) do
    local members = redis.call('ZRANGE', open_key(n), 0, 99)
    for _, m in ipairs(members) do redis.call('DEL', key('keyed:' .. lane_of(n, string.byte(m)) .. ':' .. queue.name .. '|' .. string.sub(m, 2))) end
    if #members > 0 then
      call_many('ZREM', open_key(n), members)
      rest = rest - #members
      return 'clear', '0'
    end
  end
  redis.call('DEL', key('slots:' .. queue.name))
  redis.call('HDEL', limited, 'w:' .. queue.name)
  if stage() == '' then return '', '0' end
  redis.call('HSET', limited, 'm:' .. queue.name, '1' .. string.sub(stage(), 2))
  queue.stage = 1
  return 'active', '0'
end

phases.active = function()
  local page, ids = redis.call('ZSCAN', key('active'), at, 'COUNT', 200), {}
  for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
  rest = rest - #ids
  for i, s in ipairs(get_many('HMGET', key('state'), ids)) do
    local list = status_of(s) == 2 and lists[struct.unpack('>H', s, 2)]
    local name = list and list.queue == queue and not holder(ids[i]) and key_of(ids[i])
    local known = name and key_state(queue, name)
    if known and known.limit then
      redis.call('HSET', key('slots:' .. queue.name), ids[i], slot_of(name))
      touch(known)
      known.held, known.running = known.held + 1, known.running + 1
    end
  end
  if page[1] ~= '0' then return 'active', page[1] end
  return 'ready', '0 0'
end

-- The place in this phase is the list with that number, or the next one, and a cursor.
phases.ready = function()
  local from, cursor = string.match(at, '^(%d+) (%d+)$')
  from = tonumber(from)
  local list_no
  for _, n in ipairs(numbers) do
    if n >= from and not list_no then list_no = n end
  end
  if not list_no then return 'slots', '0' end
  if list_no ~= from then cursor = '0' end
  local page = redis.call('ZSCAN', key('ready:' .. list_no), cursor, 'COUNT', 200)
  local ids = {}
  for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
  for i, slot in ipairs(get_many('HMGET', key('slots:' .. queue.name), ids)) do
    insert(key_state(queue, slot_key(slot) or key_of(ids[i]) or ''), list_no, ids[i], tonumber(page[2][2 * i]), slot)
  end
  rest = rest - #page[2] / 2
  if page[1] ~= '0' then return 'ready', list_no .. ' ' .. page[1] end
  return 'ready', list_no + 1 .. ' 0'
end

phases.slots = function()
  local page = redis.call('HSCAN', key('slots:' .. queue.name), at, 'COUNT', 200)
  for i = 1, #page[2], 2 do
    local id, s = page[2][i], key_state(queue, slot_key(page[2][i + 1]))
    local raw = redis.call('HGET', key('state'), id)
    local status = status_of(raw)
    if status ~= 2 and not (s.limit and s.limit.blocks and (status == 1 or status == 5)) then
      redis.call('HDEL', key('slots:' .. queue.name), id)
      touch(s)
      s.held = s.held - 1
      local list_no = status == 1 and struct.unpack('>H', raw, 2)
      local score = list_no and redis.call('ZSCORE', key('ready:' .. list_no), id)
      if score then insert(s, list_no, id, tonumber(score), false) end
    end
  end
  rest = rest - #page[2] / 2
  if page[1] ~= '0' then return 'slots', page[1] end
  return 'keys', '0'
end

phases.keys = function()
  local page = redis.call('HSCAN', key('keys:' .. queue.name), at, 'COUNT', 100)
  for i = 1, #page[2], 2 do touch(key_state(queue, page[2][i], page[2][i + 1])) end
  rest = rest - #page[2] / 2
  if page[1] ~= '0' then return 'keys', page[1] end
  if stage() ~= '' then
    redis.call('HSET', limited, 'm:' .. queue.name, '2' .. stage_number())
    -- Clients learn by another epoch that its keys take turns.
    if redis.call('HEXISTS', limited, 'f:' .. queue.name) == 1 then redis.call('HSET', meta, 'generation', ARGV[7]) end
  end
  return '', '0'
end

-- A removal first lets the rest through when memory is full.
redis.call('HDEL', meta, '')
repeat
  if stage_number() ~= since_stage then phase, at = 'clear', '0' end
  since_stage = stage_number()
  phase, at = phases[phase]()
  store_keys()
until phase == '' or rest <= 0
if phase == '' then wake() end
return { phase, at, since_stage }
