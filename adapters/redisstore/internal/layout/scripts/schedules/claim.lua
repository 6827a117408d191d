-- Claims schedules that are due, as many as fit.
-- KEYS: records, due. ARGV: clock offset, how many, for how long in microseconds, how many
-- bytes are enough.
-- Reply: the time, how long until another is due (-1 if none is), then name and record of
-- each. An entry of the index that has no record is removed.
-- include: schedules/common
local now, enough = store_now(ARGV[1]), tonumber(ARGV[4])
local out, stray = { now, -1 }, {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', digits(now), 'LIMIT', 0, ARGV[2])) do
  local record = redis.call('HGET', KEYS[1], name)
  if record then
    local revision, claimed = schedule_head(record)
    if claimed == 0 then claimed = now end
    record = struct.pack('>I7I7', math.max(now, revision + 1), claimed) .. string.sub(record, SCHEDULE_HEAD + 1)
    out[#out + 1] = name
    out[#out + 1] = record
    enough = enough - #record
    if enough <= 0 then break end
  else
    stray[#stray + 1] = name
  end
end
for i = 3, #out, 2 do
  redis.call('HSET', KEYS[1], out[i], out[i + 1])
  redis.call('ZADD', KEYS[2], digits(now + ARGV[3]), out[i])
end
if #stray > 0 then redis.call('ZREM', KEYS[2], unpack(stray)) end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[2] then out[2] = math.max(first[2] - now, 0) end
return out
