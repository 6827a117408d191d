-- Looks through an index of schedules, a page at a time, for names that have no record.
-- KEYS: the index, records. ARGV: cursor, how many to look at, 'repair' or ''.
-- Reply: the next cursor, 0, then for each finding: name, kind, place, detail, action.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local repair, out = ARGV[3] == 'repair', { page[1], 0 }
for i = 1, #page[2], 2 do
  local name = page[2][i]
  if redis.call('HEXISTS', KEYS[2], name) == 0 then
    for _, v in ipairs({ name, 'schedule_stray', string.match(KEYS[1], '[a-z]+$'), 'it names no schedule', repair and 'removed' or '' }) do
      out[#out + 1] = v
    end
    if repair then redis.call('ZREM', KEYS[1], name) end
  end
end
return out
