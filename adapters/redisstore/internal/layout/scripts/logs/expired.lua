-- Finds entries and closed batches of a certain age, the oldest first. It writes
-- nothing: purge.lua removes what it found, and is told the keys for it.
-- KEYS: index by arrival, closed batches, entries. ARGV: clock offset, age in
-- microseconds, most entries.
-- Reply: the time they arrived at the latest, the number of entries, then id and
-- batch of each entry ('' if its record is lost), then the ids of the batches.
-- include: queue/common
-- include: logs/common
local before = digits(store_now(ARGV[1]) - tonumber(ARGV[2]))
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before, 'LIMIT', 0, ARGV[3])
local out = { before, #ids }
for _, id in ipairs(ids) do
  local record = redis.call('HGET', KEYS[3], id)
  out[#out + 1] = id
  out[#out + 1] = record and batch_of(record) or ''
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', before, 'LIMIT', 0, ARGV[3])) do
  out[#out + 1] = id
end
return out
