-- Closes ready lists, and frees those that it closed.
--
-- A closed ready list, whose number is stored as -1 - number, gets no new task until table.lua
-- opens it again. So if no record that was there since the ready list was closed names it, none
-- does; the client looks for one between the two steps. What it has seen is worth nothing
-- once another sweep has closed ready lists, or the server has begun anew and may have gone
-- back: the sweep that closed last is in meta, with the run of the server.
-- KEYS: ready lists, meta, events. ARGV: 'close' or 'free', name of the sweep, the epoch
-- that the table gets, then name and number of each ready list.
-- Reply: how many ready lists were closed or freed.
-- include: limits/names
local lists, meta = KEYS[1], KEYS[2]
local sweep = ARGV[2] .. ' ' .. string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local frees = ARGV[1] == 'free'
if frees and redis.call('HGET', meta, 'sweep') ~= sweep then return 0 end
local found, layout, count = {}, string.match(redis.call('HGET', meta, 'lanes') or '', '^(%d+):(%d+)$')
for i = 4, #ARGV, 2 do
  local n, closed = redis.call('HGET', lists, ARGV[i]), digits(-1 - ARGV[i + 1])
  if n == closed or n == ARGV[i + 1] and not frees then found[#found + 1] = { ARGV[i], closed } end
end
if not layout or #found == 0 then return 0 end
-- A removal first lets the rest through when memory is full.
redis.call('HDEL', meta, 'sweep')
for _, list_no in ipairs(found) do
  if frees then redis.call('HDEL', lists, list_no[1])
  else redis.call('HSET', lists, list_no[1], list_no[2])
  end
end
if frees then
  redis.call('HSET', meta, 'generation', ARGV[3], 'lanes', layout .. ':' .. count - #found)
  name_lists(lists, meta)
  -- Events name ready lists too: those who read them begin anew.
  redis.call('DEL', KEYS[3])
else
  redis.call('HSET', meta, 'generation', ARGV[3], 'sweep', sweep)
end
return #found
