-- Looks through one page of the ids of anomalies for those of no analysis, and removes
-- them if it is asked to.
-- KEYS: ids of anomalies, analyses. ARGV: cursor, how many fields to look at, 'repair'
-- or ''.
-- Reply: the next cursor, the bytes that were read, then the ids of the analyses.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out = { page[1], 0 }
for i = 1, #page[2], 2 do
  local id = page[2][i]
  out[2] = out[2] + #page[2][i + 1]
  if redis.call('HEXISTS', KEYS[2], id) == 0 then
    out[#out + 1] = id
    if ARGV[3] == 'repair' then redis.call('HDEL', KEYS[1], id) end
  end
end
return out
