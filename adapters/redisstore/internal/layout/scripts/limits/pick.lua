-- Defines K.pick, by which a claim takes tasks from ready lists, the best first, as many as
-- limits let it, and by turns where keys take turns. It adds them to ids, with their ready
-- scores, and the groups that came from one list; and returns in how many microseconds
-- something changes by itself (-1: never). What it has taken is not among the ready tasks any
-- more; K.keep is told then which of them are ready again. K.names has the keys of those
-- that were taken by turns.
local readers, served = {}, 0
-- A key that was served waits behind all others of its level.
local BEHIND = 1e6
K.names = {}

-- left_of is how many more tasks of a key a claim may take.
local function left_of(s)
  if not s.limit then return math.huge end
  return math.min(may_begin(s), s.limit.ordered and 1 or math.huge) - (s.begun or 0)
end

-- A reader gives the tasks of a ready list in the order in which they are to begin: those of a
-- list of which keys take turns are read by key, each as many as it may come to.
--
-- place puts a key among those that wait for their turns.
local function place(r, c)
  local i = #r.line
  while i >= r.first and r.line[i].at > c.at do
    r.line[i + 1] = r.line[i]
    i = i - 1
  end
  r.line[i + 1] = c
end

-- fill reads who comes next of a reader, at most so many: keys come before those of their level
-- that were served.
local function fill(r, most)
  local got = redis.call('ZRANGEBYSCORE', r.key, r.low, r.high, 'WITHSCORES', 'LIMIT', r.from, digits(most))
  r.from, r.more = r.from + most, #got == 2 * most
  if not r.open then
    r.line, r.first = {}, 1
    for i = 1, #got, 2 do r.line[#r.line + 1] = { id = got[i], score = tonumber(got[i + 1]) } end
    return
  end
  local names = {}
  for i = 1, #got, 2 do names[#names + 1] = string.sub(got[i], 2) end
  load_keys(r.list.queue, names)
  for i, name in ipairs(names) do
    local c = { s = key_state(r.list.queue, name), lane = lane_of(r.number, string.byte(got[2 * i - 1])), at = tonumber(got[2 * i]),
      ids = {}, ranks = {}, next = 1, popped = 0, from = 0, more = true }
    place(r, c)
    r.all[#r.all + 1] = c
  end
end

-- read_key reads the next tasks of a key, as many as it may come to if others have as many.
-- The only one of a reader from which alone is taken is taken at once.
local function read_key(r, c, most, alone)
  local n = math.min(left_of(c.s), math.ceil(most / (#r.line - r.first + 1)))
  local of, got = keyed_key(c.s, c.lane), nil
  if alone and n == 1 and #c.ids == c.popped then
    got = redis.call('ZPOPMIN', of)
    c.popped = c.popped + #got / 2
  else
    got = redis.call('ZRANGE', of, c.from, c.from + n - 1, 'WITHSCORES')
    c.from = c.from + #got / 2
  end
  c.more = #got == 2 * n
  for i = 1, #got, 2 do c.ids[#c.ids + 1], c.ranks[#c.ranks + 1] = got[i], tonumber(got[i + 1]) end
end

local function score_of(rank) return rank < 0 and rank + AHEAD or rank end
-- Ageing has readers for each level, and compares them by other scores: see ageing.lua.
local function aged(score) return K.aged and K.aged(score) or score end

-- peek returns the score by which the next task of a reader is compared with others, nil if
-- there is none.
local function peek(r, most, alone)
  while true do
    local c = r.line[r.first]
    if r.more and (not c or r.open and c.next > 1) then
      fill(r, most)
    elseif not c then
      return nil
    elseif not r.open then
      return aged(c.score)
    else
      local left = left_of(c.s)
      if left >= 1 and c.next > #c.ids and c.more then read_key(r, c, most, alone) end
      if left >= 1 and c.next <= #c.ids then return aged(score_of(c.ranks[c.next])) end
      r.first = r.first + 1
      if c.next == 1 then touch(c.s, c.lane) end -- It should not be open.
    end
  end
end

-- shift takes the next task of a reader, which peek has seen.
local function shift(r)
  local c = r.line[r.first]
  r.first = r.first + 1
  if not r.open then return c.id, digits(c.score) end
  local n = c.next
  K.names[c.ids[n]] = c.s.name
  served = served + 1
  c.next, c.at, c.s.begun = n + 1, (c.lane % 16 + 1) * WIDTH - BEHIND + served, (c.s.begun or 0) + 1
  place(r, c)
  return c.ids[n], digits(score_of(c.ranks[n]))
end

-- K.keep says that the tasks stay taken that are not among those that are ready again. It is to be
-- followed by the steps of the tasks, unless alone.
K.keep = function(again, alone)
  for _, r in ipairs(readers) do
    for _, c in ipairs(r.all) do
      local s, lane, kept = c.s, c.lane, 0
      s.begun = nil
      if c.next > 1 or c.popped > 0 then touch(s, lane) end
      for i, id in ipairs(c.ids) do
        local keeps, popped = i < c.next and not again[id], i <= c.popped
        if keeps then
          kept = kept + 1
          if not popped then remove(s, lane, id) end
        elseif popped then
          s.adds = s.adds or {}
          note(s.adds, lane, digits(c.ranks[i]), id)
        end
      end
      if c.popped > 0 then
        s.popped = s.popped or {}
        s.popped[lane] = (s.popped[lane] or 0) + c.popped
      end
      if kept > 0 then
        s.took = s.took or {}
        s.took[lane] = c.at
      end
    end
  end
  if alone then store_keys() end
end

K.pick = function(numbers, ready_keys, max, next_due, ids, scores, groups)
  learn(numbers)
  local rated = {}
  for _, n in ipairs(numbers) do
    if lists[n] and lists[n].queue.stage then rated[lists[n].queue] = true end
  end
  for queue in pairs(rated) do
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', tokens_key(queue), '-inf', digits(now), 'LIMIT', 0, 200)) do
      local s = key_state(queue, name)
      if s.stored then touch(s) else redis.call('ZREM', tokens_key(queue), name) end
    end
  end
  if #touched > 0 then
    -- A removal first lets the rest through when memory is full.
    redis.call('HDEL', K.meta, '')
    store_keys()
  end
  -- Tokens that come one right after another are waited for together.
  local function sooner(at)
    local left = math.max(at - now, 5000)
    if next_due < 0 or left < next_due then next_due = left end
  end
  for queue in pairs(rated) do
    local token = redis.call('ZRANGE', tokens_key(queue), 0, 0, 'WITHSCORES')
    if token[2] then sooner(tonumber(token[2])) end
  end

  -- How many tasks of each limit may begin now, and when there is a token if there is none.
  local limits, names, left, token_at = {}, {}, {}, {}
  for _, n in ipairs(numbers) do
    for _, of in ipairs(lists[n] and { lists[n].queue, lists[n].type } or {}) do
      if of.limit and not limits[of.limit.name] then
        limits[of.limit.name] = of.limit
        names[#names + 1] = of.limit.name
      end
    end
  end
  local running, buckets = get_many('HMGET', key('running'), names), get_many('HMGET', key('buckets'), names)
  for i, name in ipairs(names) do
    local limit, full = limits[name], 0
    if buckets[i] and #buckets[i] >= 12 then
      local number, at = struct.unpack('>I4d', buckets[i])
      if number == limit.number then full = at end
    end
    local free, n = limit.most - (tonumber(running[i]) or 0), tokens(limit, full)
    left[name] = math.min(free, n)
    if free > 0 and n < 1 then token_at[name] = SEQUENCE_START + next_token(limit, full, 1) end
  end
  -- room is how many tasks of a list may begin; if none for want of a token alone, at says
  -- when that comes.
  local function room(list)
    if not list or not (list.queue.limit or list.type.limit) then return math.huge, false end
    local n, at, never = math.huge, 0, false
    for _, of in ipairs({ list.queue, list.type }) do
      if of.limit then
        n = math.min(n, left[of.limit.name])
        if left[of.limit.name] < 1 then
          at = math.max(at, token_at[of.limit.name] or 0)
          never = never or not token_at[of.limit.name]
        end
      end
    end
    return n, not never and at > 0 and at
  end

  local function count(list, by)
    if not list or not (list.queue.limit or list.type.limit) then return end
    for _, of in ipairs({ list.queue, list.type }) do
      if of.limit then left[of.limit.name] = left[of.limit.name] + by end
    end
  end

  local alone, every = #numbers == 1 and not K.aged, { { '-inf', '+inf' } }
  for i, n in ipairs(numbers) do
    local list = lists[n]
    local open = list and list.queue.open
    local of, may, at = open and open_key(n) or ready_keys[i], room(list)
    if may < 1 then
      -- Without one that may begin there is no need to look, but for when that changes.
      if at and redis.call('EXISTS', of) == 1 then sooner(at) end
    else
      for _, level in ipairs(K.levels and K.levels(of) or every) do
        local r = { number = n, list = list, open = open, ready = ready_keys[i], key = of, low = level[1], high = level[2],
          from = 0, more = true, line = {}, first = 1, all = {}, taken = {} }
        -- Of several readers the heads are compared first.
        r.score = peek(r, alone and math.min(max, may) or 1, alone)
        readers[#readers + 1] = r
      end
    end
  end

  local heads = {}
  for _, r in ipairs(readers) do
    if r.score then heads[#heads + 1] = r end
  end
  while #heads > 0 and #ids < max do
    local best, second = 1, nil
    for i = 2, #heads do
      if heads[i].score < heads[best].score then
        second = heads[best].score
        best = i
      elseif not second or heads[i].score < second then
        second = heads[i].score
      end
    end
    local r = heads[best]
    local first = #ids + 1
    if not alone then
      if #r.taken == 0 then r.from, r.line, r.first, r.all, r.more = 0, {}, 1, {}, true end
      r.score = peek(r, math.min(max - #ids, (room(r.list))), false)
    end
    while r.score and #ids < max and (not second or r.score <= second) and room(r.list) >= 1 do
      local n = #ids + 1
      ids[n], scores[n] = shift(r)
      r.taken[#r.taken + 1] = n
      count(r.list, -1)
      r.score = n < max and room(r.list) >= 1 and peek(r, math.min(max - n, (room(r.list))), alone)
    end
    if #ids >= first then groups[#groups + 1] = { key = r.ready, first = first, last = #ids } end
    for i = #heads, 1, -1 do
      if not heads[i].score or room(heads[i].list) < 1 then table.remove(heads, i) end
    end
  end
  for _, r in ipairs(readers) do
    local all = {}
    for i, n in ipairs(r.taken) do all[i] = ids[n] end
    if #all > 0 and change_many('ZREM', r.ready, all) < #all then
      -- One that was not among the ready tasks is not given out, if it is another's.
      for i, s in ipairs(get_many('HMGET', key('state'), all)) do
        if s and string.byte(s) % 8 ~= 1 then ids[r.taken[i]] = '' end
      end
    end
  end

  -- lets counts one more task of a list, if it may begin.
  K.lets = function(n)
    if room(lists[n]) < 1 then return false end
    count(lists[n], -1)
    return true
  end
  -- yields takes back a task of list n, if one of another that may not begin can then.
  K.yields = function(n, other)
    local a, b = lists[n], lists[other]
    local function short(kind) return a[kind] == b[kind] and b[kind].limit and left[b[kind].limit.name] < 1 end
    if not a or not b or not (short('queue') or short('type')) then return false end
    count(a, 1)
    return true
  end
  return next_due
end
