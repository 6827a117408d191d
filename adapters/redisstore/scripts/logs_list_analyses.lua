-- Reads one stretch of the analyses, the newest first, without those that have no
-- anomaly of the severity.
-- KEYS: index of the analyses, analyses. ARGV: the upper end of the stretch, as
-- ZREVRANGEBYLEX takes it; lowest severity; most analyses to look at; how many
-- bytes are enough.
-- Reply: 1 if the stretch ends here, else 0; the last member that was looked at,
-- '' for none; then member and record of each.
local members = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], '-', 'LIMIT', 0, ARGV[3])
local severity, enough = tonumber(ARGV[2]), tonumber(ARGV[4])
local out = { #members < tonumber(ARGV[3]) and 1 or 0, '' }
for i, member in ipairs(members) do
  local record = redis.call('HGET', KEYS[2], string.sub(member, 9))
  out[2] = member
  if record and #record > 9 and string.byte(record, 10) > severity then
    out[#out + 1] = member
    out[#out + 1] = record
    enough = enough - #record
    if enough <= 0 and i < #members then
      out[1] = 0
      break
    end
  end
end
return out
