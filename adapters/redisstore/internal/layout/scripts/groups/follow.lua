-- Keeps the members of groups up with the steps of tasks, and has the oldest become ready
-- where there are enough: defines follow_groups. See steps.lua and common.lua.
-- include: groups/common

-- complete makes the oldest member of a group ready if there are so many and none is.
local function complete(set, size)
  if redis.call('ZCARD', set) < size then return end
  while true do
    local head = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    if not head[2] or tonumber(head[2]) < 0 then return end
    -- include: queue/common
    local id, state = head[1], key('state')
    local t = unpack_state(redis.call('HGET', state, id)) or fresh_state(redis.call('HGET', key('tasks'), id), tonumber(head[2]))
    if redis.call('ZREM', key('scheduled'), id) == 1 and t and t.status == PENDING then
      t.scheduled, t.claim = 0, NO_CLAIM
      redis.call('ZREM', key('due'), id)
      redis.call('HSET', state, id, pack_state(t))
      redis.call('ZADD', key('ready:' .. t.list_no), ready_score(t), id)
      redis.call('ZADD', set, digits(t.seq - WIDTH), id)
      emit(id, PENDING, PENDING, t.attempt, t.list_no)
      return notify_claim(K.meta, key('wake'))
    end
    -- What is damaged holds no others up.
    redis.call('ZREM', set, id)
  end
end

follow_groups = function(steps, first)
  local sets, last = {}, {}
  for n = first, #steps do
    local id, from, to, _, list_no = unpack(steps[n])
    local group, size
    if from == 1 or to == 1 then
      group, size = group_in(K.records and K.records[id] or redis.call('HGET', key('tasks'), id))
    end
    if group then
      local name = group_key(list_no, group)
      local g = sets[name] or { list_no = list_no, ids = {}, fill = math.huge }
      sets[name] = g
      if not last[id] then g.ids[#g.ids + 1] = id end
      last[id] = steps[n]
      -- By how many it is to grow, at most, until it is complete for one of those that are new.
      if from == 0 then g.fill = math.min(g.fill + 1, size) end
    end
  end
  for name, g in pairs(sets) do
    local pending, put, gone = {}, {}, {}
    for _, id in ipairs(g.ids) do
      local list = last[id][3] == 1 and pending or gone
      list[#list + 1] = id
    end
    local ready, gathers = get_many('ZMSCORE', key('ready:' .. g.list_no), pending), nil
    for i, id in ipairs(pending) do
      local at = ready[i] and ready[i] % WIDTH - WIDTH
      if not at and last[id][2] ~= 2 then
        gathers = gathers or get_many('ZMSCORE', key('scheduled'), pending)
        at = gathers[i] and tonumber(gathers[i])
      end
      if at then
        put[#put + 1] = digits(at)
        put[#put + 1] = id
      else
        gone[#gone + 1] = id
      end
    end
    if #gone > 0 then call_many('ZREM', name, gone) end
    if #put > 0 then call_many('ZADD', name, put) end
    if g.fill < math.huge then complete(name, g.fill) end
  end
  -- A claim notes the runs that it has given out.
  for _, run in ipairs(K.runs or {}) do complete(run.set, run.size) end
  K.runs = nil
end
