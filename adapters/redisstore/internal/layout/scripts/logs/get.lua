-- Reads entries, as many as fit.
-- KEYS: entries. ARGV: how many bytes are enough, then ids.
-- Reply: the records of the first ids, nil for those that are not stored.
local enough = tonumber(ARGV[1])
local out = {}
for i = 2, #ARGV do
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  out[#out + 1] = record
  if record then enough = enough - #record end
  if enough <= 0 then break end
end
return out
