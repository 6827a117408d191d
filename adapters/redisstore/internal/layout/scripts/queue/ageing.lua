-- Has a claim weigh waits: defines K.heads_of, K.take and K.pick, if that is not there. age is
-- the microseconds in which a task gains a level. A head is a stretch of a sorted set of ready
-- tasks, { key, at, last, score }: the tasks of one priority that are at one level, from the
-- score at to the score last. score is at with the level in the place of the priority.
local function look(of, from, till)
  local found = redis.call('ZRANGEBYSCORE', of, from, till, 'WITHSCORES', 'LIMIT', 0, 1)
  local at = tonumber(found[2])
  if not at or at >= 11 * WIDTH then return nil end
  local base = math.floor(at / WIDTH) * WIDTH
  local waited = now - SEQUENCE_START - (at - base)
  local gained = math.max(math.min(math.floor(waited / age), base / WIDTH), 0)
  return { key = of, at = at, till = base + WIDTH - 1, score = at - gained * WIDTH,
    last = gained > 0 and base + now - SEQUENCE_START - gained * age or base + WIDTH - 1 }
end

-- heads_of returns the first head of each priority.
K.heads_of = function(of)
  local heads, h = {}, look(of, '-inf', '+inf')
  while h do
    heads[#heads + 1] = h
    h = look(of, digits(h.till + 1), '+inf')
  end
  return heads
end

-- take removes at most count tasks of a head, those that come before the score second, if
-- that is not nil. It returns them with their scores, and the next head of the priority.
K.take = function(h, second, count)
  local last = second and math.min(h.last, second + h.at - h.score) or h.last
  local got = redis.call('ZRANGEBYSCORE', h.key, digits(h.at), digits(last), 'WITHSCORES', 'LIMIT', 0, digits(count))
  local ids = {}
  for i = 1, #got, 2 do ids[#ids + 1] = got[i] end
  if #ids == 0 then return got end
  call_many('ZREM', h.key, ids)
  return got, look(h.key, digits(h.at), digits(h.till))
end

if not K.pick then
  local function key(name) return string.sub(K.meta, 1, -5) .. name end
  -- include: limits/common
  -- include: limits/pick
end
