-- Cancels a workflow or runs it again, as far as one call does.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, id, what: 1 to begin to cancel, 2 to retry, or 0 to
-- go on.
-- Reply: {-1} if the epoch is stale; else 1 if there is more to do, or 0, then as
-- workflows/common.lua.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
-- include: workflows/act
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now, id, what = store_now(ARGV[1]), ARGV[3], tonumber(ARGV[4])
local flow = key('workflow:' .. id)
if #describe(id) == 0 then return { 0 } end
if what > 0 then
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', flow, '')
  redis.call('HSET', flow, what == 1 and 'x' or 'y', 1)
  act_on(id, what)
end
emit_if_read(now)
emit_all(now)
local out = describe(id)
table.insert(out, 1, redis.call('HEXISTS', flow, 'x') + redis.call('HEXISTS', flow, 'y') > 0 and 1 or 0)
return out
