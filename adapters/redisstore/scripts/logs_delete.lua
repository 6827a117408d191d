-- Removes batches with their entries and analyses, some entries in one call. A
-- batch that is left for the next call is closed, so that nothing comes in while
-- it goes.
-- KEYS: entries, index by timestamp, index by arrival, closed batches, analyses,
-- index of the analyses, then the batches.
-- ARGV: clock offset, most entries, then the ids of the batches.
-- Reply: how many of the batches are gone, from the first on.
-- include: common
-- include: logs_common
local entries, by_time, received, closed, analyses, history =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local room = tonumber(ARGV[2])
for i = 3, #ARGV do
  local id, batch = ARGV[i], KEYS[i + 4]
  if room <= 0 then return i - 3 end
  local ids = redis.call('LRANGE', batch, 0, room - 1)
  remove_logs(entries, by_time, received, ids, members_of(entries, ids))
  room = room - #ids
  redis.call('LTRIM', batch, #ids, -1)
  if redis.call('EXISTS', batch) == 1 then
    redis.call('ZADD', closed, digits(store_now(ARGV[1])), id)
    return i - 3
  end
  redis.call('ZREM', closed, id)
  local analysis = redis.call('HGET', analyses, id)
  if analysis then
    redis.call('HDEL', analyses, id)
    redis.call('ZREM', history, string.sub(analysis, 2, 9) .. id)
  end
end
return #ARGV - 2
