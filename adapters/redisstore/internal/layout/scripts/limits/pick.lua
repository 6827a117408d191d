-- Defines K.pick, by which a claim takes tasks from ready lists, the best first, as many as
-- limits let it. It adds them to ids, with their ready scores, and the groups that came from
-- one list; and returns in how many microseconds something changes by itself (-1: never).
K.pick = function(numbers, ready_keys, max, next_due, ids, scores, groups)
  learn(numbers)
  local rated = {}
  for _, n in ipairs(numbers) do
    if lists[n] and lists[n].queue.stage then rated[lists[n].queue] = true end
  end
  for queue in pairs(rated) do
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', tokens_key(queue), '-inf', digits(now), 'LIMIT', 0, 200)) do
      if not key_state(queue, name).tracked then redis.call('ZREM', tokens_key(queue), name) end
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
    local n, at, never = math.huge, 0, false
    for _, of in ipairs(list and { list.queue, list.type } or {}) do
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

  -- A claim with ageing has its own heads, and takes from them in its own way: see ageing.lua.
  local function look(of)
    local head = redis.call('ZRANGE', of, 0, 0, 'WITHSCORES')
    return head[2] and { key = of, score = tonumber(head[2]) }
  end
  local heads_of = K.heads_of or function(of) return { look(of) or nil } end
  local take = K.take or function(h, second, count)
    if second then count = #redis.call('ZRANGEBYSCORE', h.key, '-inf', second, 'LIMIT', 0, digits(count)) end
    local got = count > 0 and redis.call('ZPOPMIN', h.key, digits(count)) or {}
    return got, #got > 0 and look(h.key)
  end

  local heads, of_queue = {}, {}
  for i, n in ipairs(numbers) do
    local list = lists[n]
    local found = heads_of(list and list.queue.open and open_key(n) or ready_keys[i])
    if #found > 0 then
      local may, at = room(list)
      if may >= 1 then
        for _, h in ipairs(found) do
          h.list, h.ready = list, ready_keys[i]
          heads[#heads + 1] = h
        end
        if list then of_queue[list.queue] = (of_queue[list.queue] or 0) + 1 end
      elseif at then
        sooner(at)
      end
    end
  end

  -- Where a key has open tasks in several lists, each has as many as may begin in all.
  local began, skipped = {}, {}
  local function admits(queue, id)
    local name = key_of(id)
    local s = name and key_state(queue, name)
    if not s or not s.limit or s.limit.ordered then return true end
    began[s] = (began[s] or 0) + 1
    return began[s] <= math.min(s.limit.most - s.running, tokens(s.limit, s.full))
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
    local h = heads[best]
    local count = math.min(max - #ids, (room(h.list)))
    local got, after = take(h, second, count)
    local first, taken = #ids + 1, {}
    for i = 1, #got, 2 do
      if h.key == h.ready or of_queue[h.list.queue] < 2 or admits(h.list.queue, got[i]) then
        ids[#ids + 1], scores[#ids + 1] = got[i], got[i + 1]
        taken[#taken + 1] = got[i]
      else
        skipped[h.key] = skipped[h.key] or {}
        table.insert(skipped[h.key], got[i + 1])
        table.insert(skipped[h.key], got[i])
      end
    end
    if #taken > 0 then
      groups[#groups + 1] = { key = h.ready, open = h.key ~= h.ready and h.key, first = first, last = #ids }
      if h.key ~= h.ready then call_many('ZREM', h.ready, taken) end
      for _, of in ipairs(h.list and { h.list.queue, h.list.type } or {}) do
        if of.limit then left[of.limit.name] = left[of.limit.name] - #taken end
      end
    end
    if after then
      after.list, after.ready, heads[best] = h.list, h.ready, after
    else
      table.remove(heads, best)
    end
    for i = #heads, 1, -1 do
      if room(heads[i].list) < 1 then table.remove(heads, i) end
    end
  end
  for of, back in pairs(skipped) do call_many('ZADD', of, back) end

  local function count(list, by)
    for _, of in ipairs(list and { list.queue, list.type } or {}) do
      if of.limit then left[of.limit.name] = left[of.limit.name] + by end
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
