-- The part of claim.lua for groups: defines along. After each task that was taken,
-- along.begin has the others of its run come before what was picked behind it. along.back
-- returns to that, and goes on with what is left of groups. What is taken and was not picked
-- stays in its places until along.stop.
-- include: groups/common
along, K.records, K.runs = {}, K.records or {}, {}
local picks, pick_scores, pick_groups = ids, scores, groups
-- rest is where to return to while ids are those of a run, and extra the group whose oldest
-- member alone they are. place says where picked tasks stand among picks, and moved which stood there that
-- are in a run or have made way for one; back are those that go back, to what they are of.
local rest, extra, place, moved, back = nil, nil, {}, {}, {}
-- met are the groups whose runs are given out, by their keys too, and given the tasks in these.
-- leaving are those of ready lists that were not picked, and dropped those without records, or
-- stale.
local met, given, leaving, dropped, stale = {}, {}, {}, {}, {}
local last_pick, last_group = #picks, #groups
for i, id in ipairs(picks) do place[id] = i end

-- peek is the oldest member of a part of a group that is in no run yet, and its sequence number.
local function peek(g, part)
  while true do
    local id = part.page[part.i]
    if id and not given[id] then return id, part.page[part.i + 1] % WIDTH end
    part.i = part.i + 2
    if not id then
      if not part.from then return nil end
      part.page, part.i = redis.call('ZRANGEBYSCORE', g.set, part.from, part.till, 'WITHSCORES', 'LIMIT', 0, g.size), 1
      part.from = #part.page == 2 * g.size and '(' .. part.page[#part.page] or nil
    end
  end
end

local function give(g, id)
  if not given[id] then given[id], g.left = true, g.left - 1 end
end

-- may counts one more task of a list for its limits. Where they have no room for it, what
-- was picked last makes way.
local function may(list_no)
  while K.lets and not K.lets(list_no) do
    if ids ~= picks or last_pick <= taken then return false end
    while pick_groups[last_group].first > last_pick do last_group = last_group - 1 end
    local g, id = pick_groups[last_group], picks[last_pick]
    if id ~= '' and K.yields(tonumber(string.match(g.key, '%d+$')), list_no) then
      moved[last_pick], picks[last_pick], back[last_pick] = id, '', g
    end
    last_pick = last_pick - 1
  end
  return true
end

-- met_group is what is known of a group, of which a task begins a run of so many.
local function met_group(list_no, group, size)
  local set = group_key(list_no, group)
  local g = met[set]
  if not g then
    g = { set = set, list_no = list_no, left = redis.call('ZCARD', set),
      ready = { page = {}, i = 1, from = '-inf', till = '(0' }, gathers = { page = {}, i = 1, from = '0', till = '+inf' } }
    met[set], met[#met + 1] = g, g
  end
  g.size = size
  K.runs[#K.runs + 1] = { set = set, size = size }
  return g
end

-- turn_to has other tasks come, all of one list.
local function turn_to(list_no, run, seqs)
  ids, scores, taken, part = run, seqs, 0, 8
  groups = { { key = KEYS[14 + list_no], first = 1, last = #run } }
end

along.begin = function(id, record, list_no)
  if rest then return false end
  local group, size = group_in(record)
  local run, seqs, g = {}, {}, nil
  if group and KEYS[14 + list_no] then
    g = met_group(list_no, group, size)
    give(g, id)
    while #run < size - 1 do
      local next, seq = peek(g, g.ready)
      local other, other_seq = peek(g, g.gathers)
      if not next or other and other_seq < seq then next, seq = other, other_seq end
      local at = next and place[next]
      if not next or not (at and picks[at] == next) and not may(list_no) then break end
      give(g, next)
      run[#run + 1], seqs[#seqs + 1] = next, seq
      if at then moved[at], picks[at], back[at] = next, '', nil end
    end
  elseif c < max then
    return false
  end
  rest = { ids, scores, groups, taken, g }
  turn_to(list_no, run, seqs)
  return true
end

-- is_stale reports whether a task that comes along is not PENDING: it is a member by mistake.
along.is_stale = function(id, s)
  if not (rest or extra) or place[id] or not s or byte(s, 1) % 8 == 1 then return false end
  stale[id] = true
  return true
end

local function leave(g, id)
  if not place[id] and not stale[id] then
    leaving[g.list_no] = leaving[g.list_no] or {}
    table.insert(leaving[g.list_no], id)
  end
  if not K.records[id] then
    dropped[g.set] = dropped[g.set] or {}
    table.insert(dropped[g.set], id)
  end
end

-- return_to ends a run.
local function return_to()
  if rest then
    for i, id in ipairs(ids) do
      local at = place[id]
      if i <= taken then leave(rest[5], id)
      elseif at then
        -- There was no room for it.
        picks[at], moved[at] = id, nil
      end
    end
    ids, scores, groups, taken = unpack(rest)
    rest, part = nil, 1
  end
  if extra and taken > 0 then
    leave(extra, ids[1])
    extra = nil
  end
end

along.back = function()
  return_to()
  if c >= max then return false end
  if taken < #ids then return true end
  for _, g in ipairs(met) do
    if g.left >= g.size and not peek(g, g.ready) then
      local id, seq = peek(g, g.gathers)
      if id and may(g.list_no) then
        give(g, id)
        extra = g
        turn_to(g.list_no, { id }, { seq })
        return true
      end
    end
  end
  return false
end

along.stop = function()
  return_to()
  if ids ~= picks then ids, scores, groups, taken = picks, pick_scores, pick_groups, #picks end
  if late then
    for i, id in pairs(moved) do picks[i] = id end
    K.runs = nil
    return
  end
  for list_no, all in pairs(leaving) do
    for _, of in ipairs({ KEYS[14 + list_no], K.scheduled, K.due }) do call_many('ZREM', of, all) end
  end
  for set, all in pairs(dropped) do call_many('ZREM', set, all) end
  for i, g in pairs(back) do
    redis.call('ZADD', g.key, scores[i], moved[i])
    again[moved[i]] = true
  end
end
