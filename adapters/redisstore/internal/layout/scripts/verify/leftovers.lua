-- Looks through one page of a hash of what belongs to tasks for those that have
-- no record. In the hash of the errors it also looks at what is kept, and cuts it
-- off where it cannot be read, if it is asked to.
-- KEYS: tasks, the hash. ARGV: cursor, how many fields to look at, the name of the
-- hash, 'repair' or ''.
-- Reply: the next cursor, the bytes that were read, how many tasks have damaged
-- errors, their ids, then the ids without a record.
local page = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local bytes, damaged, orphans = 0, {}, {}
for i = 1, #page[2], 2 do
  local id, value = page[2][i], page[2][i + 1]
  bytes = bytes + #id + #value
  if redis.call('HEXISTS', KEYS[1], id) == 0 then
    orphans[#orphans + 1] = id
  elseif ARGV[3] == 'errors' then
    local pos = 1
    while pos + 21 <= #value do
      local next = pos + 22 + struct.unpack('>I4', value, pos + 18)
      if next > #value + 1 then break end
      pos = next
    end
    if pos ~= #value + 1 then
      damaged[#damaged + 1] = { id, string.sub(value, 1, pos - 1) }
    end
  end
end
local out = { page[1], bytes, #damaged }
for _, d in ipairs(damaged) do
  out[#out + 1] = d[1]
  if ARGV[4] == 'repair' then
    redis.call('HDEL', KEYS[2], d[1])
    if d[2] ~= '' then redis.call('HSET', KEYS[2], d[1], d[2]) end
  end
end
for _, id in ipairs(orphans) do out[#out + 1] = id end
return out
