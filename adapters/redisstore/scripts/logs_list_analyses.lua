-- Reads one stretch of the anomalies: those of the newest analysis first, and
-- within one in their order, from a severity on.
-- KEYS: index of the analyses, analyses. ARGV: the upper end of the stretch, as
-- ZREVRANGEBYLEX takes it; member and number of the last anomaly that is known;
-- lowest severity; most analyses to look at; most anomalies; how many bytes are
-- enough.
-- Reply: 1 if the stretch ends here, else 0; member of the analysis that was
-- looked at last; then member, number (from 1) and bytes of each anomaly. The
-- bytes are '' where the record ends too early.
-- include: common
-- include: logs_common
local members = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], '-', 'LIMIT', 0, ARGV[5])
local after, known, severity = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local room, enough = tonumber(ARGV[6]), tonumber(ARGV[7])
local out = { #members < tonumber(ARGV[5]) and 1 or 0, '' }
for _, member in ipairs(members) do
  local record = redis.call('HGET', KEYS[2], string.sub(member, 9))
  local n, count, pos = 0, 0, 10
  if record then count, pos = unpack_size(record, pos) end
  while n < count do
    n = n + 1
    local size, rank
    size, pos = unpack_size(record, pos)
    rank = string.byte(record, pos) or 255
    if rank >= severity and not (member == after and n <= known) then
      if room <= 0 or enough <= 0 then
        out[1] = 0
        return out
      end
      room, enough = room - 1, enough - size
      out[#out + 1] = member
      out[#out + 1] = n
      out[#out + 1] = string.sub(record, pos + 1, pos + size - 1)
    end
    pos = pos + size
    if pos > #record then break end
  end
  out[2] = member
end
return out
