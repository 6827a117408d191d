-- Looks through a part of the list of a batch for ids that are no entry of it, or
-- are there before, and removes them if it is asked to.
-- KEYS: entries, the batch. ARGV: batch id, position, how many ids to look at,
-- 'repair' or ''.
-- Reply: the position behind the part, the bytes that were read, how many ids do not
-- belong there, these, then the others.
-- include: queue/common
-- include: logs/common
local bad, good, bytes, seen = {}, {}, 0, {}
for _, id in ipairs(redis.call('LRANGE', KEYS[2], ARGV[2], ARGV[2] + ARGV[3] - 1)) do
  local record = redis.call('HGET', KEYS[1], id)
  bytes = bytes + (record and #record or 0)
  local list = record and #id == 16 and not seen[id] and good or bad
  -- A damaged record says nothing of its batch.
  if record and #record > 33 and string.sub(record, 1, 1) == VERSION and batch_of(record) ~= ARGV[1] then list = bad end
  seen[id] = true
  list[#list + 1] = id
end
local pos = ARGV[2] + #good
if ARGV[4] ~= 'repair' then pos = pos + #bad end
local out = { pos, bytes, #bad }
for _, id in ipairs(bad) do
  out[#out + 1] = id
  -- From the end: where an id is listed twice, its first place is the right one.
  if ARGV[4] == 'repair' then redis.call('LREM', KEYS[2], -1, id) end
end
for _, id in ipairs(good) do out[#out + 1] = id end
return out
