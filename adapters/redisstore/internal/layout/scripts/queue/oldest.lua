-- ready_tasks returns how many tasks the index of a ready list holds, and the sequence
-- number of the oldest, nil if there is none: each priority is a band of scores, whose
-- head is its oldest task.
local function ready_tasks(key)
  local n, oldest = redis.call('ZCARD', key), nil
  if n > 0 then
    for band = 0, 10 do
      local head = redis.call('ZRANGEBYSCORE', key, digits(band * WIDTH), '(' .. digits((band + 1) * WIDTH), 'WITHSCORES', 'LIMIT', 0, 1)
      if head[2] then oldest = math.min(oldest or math.huge, tonumber(head[2]) - band * WIDTH) end
    end
  end
  return n, oldest
end
