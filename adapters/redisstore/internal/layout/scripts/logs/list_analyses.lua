-- Reads one stretch of the anomalies: those of the newest analysis first, and
-- within one in their order, from a severity on; all, or those of one id.
-- KEYS: analyses, the index that is read (of the analyses; of the anomalies for one
-- id), the ids of the anomalies. ARGV: the upper and the lower end of the stretch, as
-- ZREVRANGEBYLEX takes them; digest of the id, '' for all; member of the index of the
-- analyses and number of the last anomaly that is known; lowest severity; most
-- analyses to look at; most anomalies; how many bytes are enough.
-- Reply: 1 if the stretch ends here, else 0; member of the analysis that was
-- looked at last; then member, number (from 1) and bytes of each anomaly. The
-- bytes are '' where the record ends too early.
-- include: queue/common
-- include: logs/common
local digest, after, known, severity = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local most, room, enough = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local members = redis.call('ZREVRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, most)
local out = { #members < most and 1 or 0, '' }
for _, member in ipairs(members) do
  member = string.sub(member, #digest + 1)
  local task = string.sub(member, 9)
  local record = redis.call('HGET', KEYS[1], task)
  local digests = digest ~= '' and redis.call('HGET', KEYS[3], task)
  local n, count, pos = 0, 0, 10
  if record then count, pos = unpack_size(record, pos) end
  while n < count do
    n = n + 1
    local size, rank
    size, pos = unpack_size(record, pos)
    rank = string.byte(record, pos) or 255
    local other = digests and string.sub(digests, 8 * n - 7, 8 * n) ~= digest
    if rank >= severity and not other and not (member == after and n <= known) then
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
