-- Reads one page of a hash of records, for the client to decode. It bounds what
-- goes over the wire: a record that is too large to be one is told by its size.
-- KEYS: the hash. ARGV: cursor, how many fields to look at, most bytes of a record.
-- Reply: the next cursor, the bytes that were read, then for each field: name,
-- size of the record, record ('' if it is larger than that).
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local most, bytes = tonumber(ARGV[3]), 0
local out = { page[1], 0 }
for i = 1, #page[2], 2 do
  local record = page[2][i + 1]
  bytes = bytes + #record
  out[#out + 1] = page[2][i]
  out[#out + 1] = #record
  out[#out + 1] = #record <= most and record or ''
end
out[2] = bytes
return out
