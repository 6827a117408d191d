-- Has a claim weigh waits: defines K.aged, K.levels and K.pick, if that is not there. age is
-- the microseconds in which a task gains a level.

-- aged is a ready score with the level that the task has gained in the place of its own.
K.aged = function(score)
  local level = math.floor(score / WIDTH)
  local waited = now - SEQUENCE_START - (score - level * WIDTH)
  return score - math.max(math.min(math.floor(waited / age), level), 0) * WIDTH
end

-- levels returns the least and the highest score of each level that a sorted set has.
K.levels = function(of)
  local out, low = {}, '-inf'
  while true do
    local at = tonumber(redis.call('ZRANGEBYSCORE', of, low, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
    if not at or at >= 11 * WIDTH then return out end
    local high = (math.floor(at / WIDTH) + 1) * WIDTH
    out[#out + 1] = { low, digits(high - 1) }
    low = digits(high)
  end
end

if not K.pick then
  local function key(name) return string.sub(K.meta, 1, -5) .. name end
  -- include: limits/common
  -- include: limits/pick
end
