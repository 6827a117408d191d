-- Reads entries of a batch in their order, as many as fit.
-- KEYS: entries, the batch. ARGV: how many to skip, most entries, how many bytes are enough.
-- Reply: id and record of each; the record is '' for an entry that is not stored.
local skip, enough = tonumber(ARGV[1]), tonumber(ARGV[3])
local out = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[2], skip, skip + ARGV[2] - 1)) do
  local record = redis.call('HGET', KEYS[1], id) or ''
  out[#out + 1] = id
  out[#out + 1] = record
  enough = enough - #record
  if enough <= 0 then break end
end
return out
