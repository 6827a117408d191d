-- Looks through one page of an index of the logs for members without a record, and
-- removes them if it is asked to.
-- KEYS: the hash of the records, the index. ARGV: cursor, how many members to look
-- at, the form of a member: 'id', or where the time is in the record that comes
-- before the id ('18' or '2'), then 'repair' or ''.
-- Reply: the next cursor, the bytes that were read, then the members.
local page = redis.call('ZSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local at = tonumber(ARGV[3])
local out = { page[1], 0 }
for i = 1, #page[2], 2 do
  local member = page[2][i]
  local good
  if at then
    local record = redis.call('HGET', KEYS[1], string.sub(member, 9))
    -- A damaged record says nothing of its time.
    good = record and #member == 24
      and (#record < at + 7 or string.byte(record) ~= 1 or string.sub(record, at, at + 7) == string.sub(member, 1, 8))
    out[2] = out[2] + (record and #record or 0)
  else
    good = #member == 16 and redis.call('HEXISTS', KEYS[1], member) == 1
  end
  if not good then
    out[#out + 1] = member
    if ARGV[4] == 'repair' then redis.call('ZREM', KEYS[2], member) end
  end
end
return out
