-- Counts the ready tasks of each ready list.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch.
-- Reply: {-1} if the epoch is stale; else for each ready list, from ready list 0, how many
-- tasks are ready, and the age in microseconds of the oldest of them.
-- include: queue/common
-- include: queue/oldest
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
local out = {}
for list_no = 0, #KEYS - 21 do
  local n, oldest = ready_tasks(K.ready(list_no))
  out[#out + 1] = n
  out[#out + 1] = oldest and math.max(0, now - SEQUENCE_START - oldest) or 0
end
return out
