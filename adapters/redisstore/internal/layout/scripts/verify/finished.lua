-- Reads one page of the list of finished tasks, or of the dead ones, from where the last page ended,
-- although entries may have been removed from the head since. It also looks for
-- entries whose time cannot be, which would hold up all behind them, and removes
-- them if it is asked to.
-- KEYS: the list. ARGV: clock offset, position, the last entry that was read ('' at
-- the beginning), how many entries to read, 'repair' or ''.
-- Reply: the position behind the page, the last entry before it, how many entries
-- cannot be, these, then the others.
-- include: queue/common
local now, pos, last = store_now(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if pos > 0 and redis.call('LINDEX', KEYS[1], pos - 1) ~= last then
  -- The list moved: find the entry again, or begin anew.
  local before = math.max(0, pos - 5000)
  local near = redis.call('LRANGE', KEYS[1], before, pos - 1)
  pos = 0
  for i = #near, 1, -1 do
    if near[i] == last then
      pos = before + i
      break
    end
  end
end
local bad, good = {}, {}
for _, e in ipairs(redis.call('LRANGE', KEYS[1], pos, pos + tonumber(ARGV[4]) - 1)) do
  local at = (#e == 23 or #e == 24) and struct.unpack('>I7', e, 17)
  local list = at and at > now + 86400000000 and bad or good
  list[#list + 1] = e
  if list == good or ARGV[5] ~= 'repair' then pos, last = pos + 1, e end
end
local out = { pos, last, #bad }
for _, e in ipairs(bad) do
  out[#out + 1] = e
  if ARGV[5] == 'repair' then redis.call('LREM', KEYS[1], 1, e) end
end
for _, e in ipairs(good) do out[#out + 1] = e end
return out
