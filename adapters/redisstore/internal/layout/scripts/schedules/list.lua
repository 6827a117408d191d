-- Reads the schedules whose names come after one, as many as fit.
-- KEYS: records, names. ARGV: clock offset, how many bytes are enough, the name, how many.
-- Reply: the time, then name and record of each.
local out, enough = { store_now(ARGV[1]) }, tonumber(ARGV[2])
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])) do
  local record = redis.call('HGET', KEYS[1], name) or ''
  out[#out + 1] = name
  out[#out + 1] = record
  enough = enough - #record
  if enough <= 0 then break end
end
return out
