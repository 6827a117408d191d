-- Reads one stretch of the entries by falling timestamp.
-- KEYS: index by timestamp, entries. ARGV: the upper and the lower end of the
-- stretch, as ZREVRANGEBYLEX takes them; most entries; how many bytes are enough.
-- Reply: 1 if the stretch ends here, else 0; then member and record of each. The
-- record is nil for an entry that is in the index only.
local members = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local enough = tonumber(ARGV[4])
local out = { #members < tonumber(ARGV[3]) and 1 or 0 }
for i, member in ipairs(members) do
  local record = redis.call('HGET', KEYS[2], string.sub(member, 9))
  out[#out + 1] = member
  out[#out + 1] = record
  if record then enough = enough - #record end
  if enough <= 0 and i < #members then
    out[1] = 0
    break
  end
end
return out
