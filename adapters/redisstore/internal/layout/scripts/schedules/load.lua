-- Reads the schedules with these names, as many as fit.
-- KEYS: records. ARGV: clock offset, how many bytes are enough, names.
-- Reply: the time, then the records of the first names, '' where there is none.
local out, enough = { store_now(ARGV[1]) }, tonumber(ARGV[2])
for i = 3, #ARGV do
  local record = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  out[#out + 1] = record
  enough = enough - #record
  if enough <= 0 then break end
end
return out
