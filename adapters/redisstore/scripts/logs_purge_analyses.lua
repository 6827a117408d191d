-- Removes analyses that were stored long ago, the oldest first.
-- KEYS: index of the analyses, analyses. ARGV: clock offset, age in microseconds,
-- most analyses.
-- Reply: how many were removed.
-- include: common
-- include: logs_common
local before = math.max(store_now(ARGV[1]) - tonumber(ARGV[2]), 0)
local members = redis.call('ZRANGEBYLEX', KEYS[1], '-', '(' .. pack_us(before + 1), 'LIMIT', 0, ARGV[3])
if #members == 0 then return 0 end
local tasks = {}
for i, member in ipairs(members) do tasks[i] = string.sub(member, 9) end
call_many('ZREM', KEYS[1], members)
call_many('HDEL', KEYS[2], tasks)
return #members
