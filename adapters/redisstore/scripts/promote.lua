-- Makes tasks ready whose time has come.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their
-- number, wake channel, most tasks, then the lanes of paused queues.
-- Reply: {-1} if the lanes are stale; else how many tasks, and microseconds
-- until the next one is due (-1: none).
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
K.asleep = {}
for i = 6, #ARGV do K.asleep[tonumber(ARGV[i])] = true end
watch(now)
local n, woken = promote(K, now, tonumber(ARGV[5]), tell)
tell_all(now)
if woken then wake(K.meta, ARGV[4]) end
return { n, next_after(K.due, now) }
