-- Makes tasks ready whose time has come.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, most tasks, then the ready lists of paused queues.
-- Reply: {-1} if the epoch is stale; else how many tasks, and microseconds
-- until the next one is due (-1: none).
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
K.paused = {}
for i = 5, #ARGV do K.paused[tonumber(ARGV[i])] = true end
emit_if_read(now)
local n, notify = promote(K, now, tonumber(ARGV[4]), emit)
emit_all(now)
if notify then notify_claim(K.meta, ARGV[3]) end
return { n, next_after(K.due, now) }
