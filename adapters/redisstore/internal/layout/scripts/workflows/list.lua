-- Lists workflows, newest first.
-- KEYS: as in keys.lua. ARGV: the highest created_at, counted from SEQUENCE_START, and most.
-- Reply: for each as workflows/common.lua.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
local out = {}
for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', key('workflows'), ARGV[1], '-inf', 'LIMIT', 0, ARGV[2])) do
  for _, v in ipairs(describe(id)) do out[#out + 1] = v end
end
return out
