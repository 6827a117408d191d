-- Reads one page of the workflows for those that finished before a time.
-- KEYS: workflows, meta. ARGV: cursor, how many to look at, the time in microseconds since 1970.
-- Reply: the next cursor, the bytes that were read, then the entries that the lists of finished
-- tasks should have, see queue/workflows.lua.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out = { page[1], 16 * #page[2] }
for i = 1, #page[2], 2 do
  local v = redis.call('HMGET', string.sub(KEYS[2], 1, -5) .. 'workflow:' .. page[2][i], 'f', 'z')
  local at = tonumber(v[1] or nil)
  if at and not v[2] and at < tonumber(ARGV[3]) then out[#out + 1] = page[2][i] .. struct.pack('>I7', at) .. 'w' end
end
return out
