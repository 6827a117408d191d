-- Stores schedules, each if its revision is still the stored one, and ends their claims.
-- KEYS: records, names, due. ARGV: clock offset; then for each: name, revision (0 for
-- none), when it is due (0 for never), JSON.
-- Reply: the new revision of each, 0 where it is another.
-- include: schedules/common
local now, out = store_now(ARGV[1]), {}
-- Checks and reads first.
for i = 2, #ARGV, 4 do
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  local stored, claimed = schedule_head(record)
  local revision = tonumber(ARGV[i + 1])
  if stored == revision then
    out[#out + 1] = math.max(now, stored + 1)
  elseif claimed == 0 and record and string.sub(record, SCHEDULE_HEAD + 1) == ARGV[i + 3] then
    out[#out + 1] = -stored -- a repeat
  else
    out[#out + 1] = 0
  end
end
local n = 0
for i = 2, #ARGV, 4 do
  n = n + 1
  local revision = out[n]
  if revision > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], struct.pack('>I7I7', revision, 0) .. ARGV[i + 3])
    redis.call('ZADD', KEYS[2], 0, ARGV[i])
    if ARGV[i + 2] == '0' then
      redis.call('ZREM', KEYS[3], ARGV[i])
    else
      redis.call('ZADD', KEYS[3], ARGV[i + 2], ARGV[i])
    end
  end
  out[n] = math.abs(revision)
end
return out
