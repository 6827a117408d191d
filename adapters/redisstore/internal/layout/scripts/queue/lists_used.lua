-- Tells the ready lists that one page of the records names.
-- KEYS: tasks. ARGV: cursor, how many records to look at.
-- Reply: the next cursor, the bytes that were read, then the ready lists, each once.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out, seen, bytes = { page[1], 0 }, {}, 0
for i = 2, #page[2], 2 do
  local record = page[2][i]
  bytes = bytes + #record
  local list_no = #record >= 3 and struct.unpack('>H', record, 2)
  if list_no and not seen[list_no] then
    seen[list_no] = true
    out[#out + 1] = list_no
  end
end
out[2] = bytes
return out
