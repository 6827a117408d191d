-- Removes analyses that were stored long ago, the oldest first.
-- KEYS: analyses, index of the analyses, index of the anomalies, their ids.
-- ARGV: clock offset, age in microseconds, most analyses, most anomalies (the last
-- analysis may have more).
-- Reply: how many were removed, and 1 if there may be more, else 0.
-- include: queue/common
-- include: logs/common
local A = { analyses = KEYS[1], history = KEYS[2], anomalies = KEYS[3], ids = KEYS[4] }
local before = math.max(store_now(ARGV[1]) - tonumber(ARGV[2]), 0)
local most, room = tonumber(ARGV[3]), tonumber(ARGV[4])
local members = redis.call('ZRANGEBYLEX', A.history, '-', '(' .. pack_us(before + 1), 'LIMIT', 0, most)
for n, member in ipairs(members) do
  room = room - remove_analysis(A, member)
  if room <= 0 then return { n, 1 } end
end
return { #members, #members == most and 1 or 0 }
