-- Keeps what is known of limits up with the steps of tasks: defines follow_limits, and
-- K.pick, with which a claim chooses tasks. See steps.lua and common.lua.
-- include: limits/common

-- count_runs counts the tasks of queues and types that run, and the tokens that they took. It
-- returns whether a slot became free.
local function count_runs(steps, first)
  local counts, free = {}, false
  local function count(limit, by)
    if not limit then return end
    local c = counts[limit.name] or { limit = limit, running = 0, began = 0 }
    counts[limit.name] = c
    c.running, c.began = c.running + by, c.began + math.max(by, 0)
  end
  for n = first, #steps do
    local from, to, list = steps[n][2], steps[n][3], lists[steps[n][5]]
    local by = (to == 2 and 1 or 0) - (from == 2 and 1 or 0)
    if by ~= 0 and list then
      count(list.queue.limit, by)
      count(list.type.limit, by)
    end
  end
  for name, c in pairs(counts) do
    if c.running ~= 0 then redis.pcall('HINCRBY', key('running'), name, c.running) end
    if c.limit.every > 0 and c.began > 0 then
      local bucket = redis.call('HGET', key('buckets'), name)
      local number, full = struct.unpack('>I4d', bucket and #bucket >= 12 and bucket or string.rep('\0', 12))
      if number ~= c.limit.number then full = 0 end
      redis.call('HSET', key('buckets'), name, struct.pack('>I4d', c.limit.number, take(c.limit, full, c.began)))
    end
    free = free or c.running < 0
  end
  return free
end

follow_limits = function(steps, first)
  local numbers = {}
  for n = first, #steps do numbers[#numbers + 1] = steps[n][5] end
  learn(numbers)
  local free = count_runs(steps, first)

  -- What is to be known of many tasks is read at once: who holds slots, and who is ready.
  local slots, scores, asked = {}, {}, {}
  local function ask(kind, name, id)
    local of = kind .. name
    asked[of] = asked[of] or {}
    table.insert(asked[of], id)
  end
  for n = first, #steps do
    local id, from, to, _, list_no = unpack(steps[n])
    local list = lists[list_no]
    if list and list.queue.stage then
      if from == 1 or from == 2 or from == 5 then ask('slots:', list.queue.name, id) end
      if to == 1 then ask('ready:', list_no, id) end
    end
  end
  for of, ids in pairs(asked) do
    local is_slots = string.sub(of, 1, 6) == 'slots:'
    for i, v in ipairs(get_many(is_slots and 'HMGET' or 'ZMSCORE', key(of), ids)) do
      if is_slots then slots[ids[i]] = slot_key(v) else scores[ids[i]] = v and tonumber(v) end
    end
  end

  local names, known = {}, {}
  for n = first, #steps do
    local id, from, to, _, list_no = unpack(steps[n])
    local queue = lists[list_no] and lists[list_no].queue
    if queue and queue.stage then
      names[n] = slots[id] or (from == 1 or to == 2 or scores[id]) and (K.names and K.names[id] or key_of(id) or '')
      if names[n] then note(known, queue, names[n]) end
    end
  end
  for queue, all in pairs(known) do load_keys(queue, all) end

  local took, left = {}, {}
  for n = first, #steps do
    local id, from, to, _, list_no = unpack(steps[n])
    if names[n] then
      local queue = lists[list_no].queue
      local s, holds, score = key_state(queue, names[n]), slots[id], to == 1 and scores[id]
      local limit = s.limit
      if from == 1 and not (K.names and K.names[id]) and (not score or K.was and K.was[id]) then
        -- The priority is the fourth byte of a record.
        local level = 10 - (K.was and K.was[id] or string.byte(record_of(id) or '', 4) or 0)
        remove(s, lane_of(list_no, level), id)
      end
      if holds and from == 2 then
        touch(s)
        s.running = s.running - 1
      end
      if holds and to ~= 2 and not (limit and limit.blocks and (to == 1 or to == 5)) then
        touch(s)
        s.held, holds = s.held - 1, false
        note(left, queue.name, id)
      end
      if to == 2 and (limit or holds) then
        touch(s)
        s.running = s.running + 1
        if not holds then
          s.held = s.held + 1
          note(took, queue.name, id, slot_of(s.name))
        end
        if limit and limit.every > 0 then s.full = take(limit, s.full, 1) end
      end
      if score then insert(s, list_no, id, score, holds) end
    end
  end
  for of, ids in pairs(left) do call_many('HDEL', key('slots:' .. of), ids) end
  for of, values in pairs(took) do call_many('HSET', key('slots:' .. of), values) end
  local opened = store_keys()
  if opened or free then wake() end
end

-- include: limits/pick
