-- Looks through one page of the unique keys that are held for a time for those that
-- nobody holds, and removes them if it is asked to.
-- KEYS: unique, unique_until. ARGV: cursor, how many keys to look at, 'repair' or ''.
-- Reply: the next cursor, the bytes that were read, then the keys.
local page = redis.call('ZSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local out = { page[1], 0 }
for i = 1, #page[2], 2 do
  local key = page[2][i]
  out[2] = out[2] + #key
  if redis.call('HEXISTS', KEYS[1], key) == 0 then
    out[#out + 1] = key
    if ARGV[3] == 'repair' then redis.call('ZREM', KEYS[2], key) end
  end
end
return out
