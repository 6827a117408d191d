-- Removes entries, and the marks of closed batches that have none left. Whether
-- they are old enough is checked again: they may have been deleted and stored
-- again since expired.lua found them.
-- KEYS: entries, index by timestamp, index by arrival, closed batches, then
-- batches. ARGV: the time they arrived at the latest, number of entries, then
-- place of the batch among KEYS (0: unknown) and id of each entry, then place and
-- id of each closed batch.
-- Reply: how many entries were removed.
-- include: queue/common
-- include: logs/common
local entries, by_time, received, closed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local before, last = tonumber(ARGV[1]), 2 + 2 * tonumber(ARGV[2])
local ids, places = {}, {}
for i = 3, last, 2 do
  local at = redis.call('ZSCORE', received, ARGV[i + 1])
  if at and tonumber(at) <= before then
    ids[#ids + 1] = ARGV[i + 1]
    places[#places + 1] = tonumber(ARGV[i])
  end
end
remove_logs(entries, by_time, received, ids, members_of(entries, ids))
for n, id in ipairs(ids) do
  -- The oldest entry of a batch is its first, so that this finds it at once.
  if places[n] > 0 then redis.call('LREM', KEYS[places[n]], 1, id) end
end
for i = last + 1, #ARGV, 2 do
  local at = redis.call('ZSCORE', closed, ARGV[i + 1])
  if at and tonumber(at) <= before and redis.call('EXISTS', KEYS[tonumber(ARGV[i])]) == 0 then
    redis.call('ZREM', closed, ARGV[i + 1])
  end
end
return #ids
