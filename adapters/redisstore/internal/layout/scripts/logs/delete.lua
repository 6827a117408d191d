-- Removes batches with their entries and analyses, some of them in one call. A
-- batch that is left for the next call is closed, so that nothing comes in while
-- it goes.
-- KEYS: entries, index by timestamp, index by arrival, closed batches, analyses,
-- index of the analyses, index of the anomalies, their ids, then the batches.
-- ARGV: clock offset, most entries and anomalies, then the ids of the batches.
-- Reply: how many of the batches are gone, from the first on.
-- include: queue/common
-- include: logs/common
local entries, by_time, received, closed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local A = { analyses = KEYS[5], history = KEYS[6], anomalies = KEYS[7], ids = KEYS[8] }
local room = tonumber(ARGV[2])
for i = 3, #ARGV do
  local id, batch = ARGV[i], KEYS[i + 6]
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
  local analysis = redis.call('HGET', A.analyses, id)
  if analysis then room = room - remove_analysis(A, string.sub(analysis, 2, 9) .. id) end
end
return #ARGV - 2
