-- Counts the ready tasks of each lane.
-- KEYS: as in keys.lua. ARGV: clock offset, generation of the lanes, their number.
-- Reply: {-1} if the lanes are stale; else for each lane, from lane 0, how many
-- tasks are ready, and the age in microseconds of the oldest of them.
-- include: common
-- include: oldest
-- include: keys
if lanes_stale(K.meta, ARGV[2], ARGV[3]) then return { -1 } end
local now = store_now(ARGV[1])
local out = {}
for lane = 0, tonumber(ARGV[3]) - 1 do
  local n, oldest = ready_tasks(K.ready(lane))
  out[#out + 1] = n
  out[#out + 1] = oldest and math.max(0, now - EPOCH - oldest) or 0
end
return out
