-- Has the keys of a queue take turns from now on. The tasks that were there before are found by build.lua.
-- KEYS: ready lists, meta. ARGV: clock offset, epoch, the next epoch, the layout of a queue
-- with turns, queue.
-- Reply: {-1} if the epoch is stale; else {1}.
-- include: limits/names
local ready_lists, meta, queue = KEYS[1], KEYS[2], ARGV[5]
local limited = string.sub(meta, 1, -5) .. 'limited'
local m = redis.call('HMGET', meta, 'generation', 'follow', 'lanes')
if (m[1] or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])
if redis.call('HSET', limited, 'f:' .. queue, 1) == 1 then
  local follow = m[2] or ''
  if not string.find(follow, 'l', 1, true) then follow = follow .. 'l' end
  redis.call('HSET', meta, 'follow', follow, 'generation', ARGV[3], 'lanes', (string.gsub(m[3] or '0', '^%d+:', ARGV[4] .. ':')))
  name_lists(ready_lists, meta)
end
redis.call('HSETNX', limited, 'm:' .. queue, '0' .. digits(now) .. '+')
return { 1 }
