-- Reads the table of ready lists, brings it to this layout, and adds ready lists. A ready list is a
-- pair of queue and type; records and states name it by a small number.
--
-- Whatever changes the table gives it another epoch, at random. So two tables of
-- one epoch are the same, even if the data went back in time and was changed in
-- another way since: the other scripts compare the epoch and nothing else.
--
-- The hash "lanes" has the number of each ready list by its name ("queue|type"), as -1 - number
-- if it is closed to new tasks (see lists_sweep.lua), and a field "!QUEUE" for each queue
-- that is paused, since when. meta has the generation, and in
-- "lanes" the layout and how many ready lists there are, such as "2:17". Layout 1 had the
-- bare number there, and before that both in the fields "" and "#" of the table. Its
-- programs take either for a number and add to it, so that they fail before they write
-- anything to a table of layout 2.
-- What follows tasks (see steps.lua) has layout 3, which programs of layout 2 refuse, for as
-- long as there is any.
-- KEYS: ready lists, meta. ARGV: the epoch of a table that changes, layout, most ready lists,
-- a ready list that there is always room for, 'begin' to begin a table that has no ready list,
-- 'groups' to have the groups of tasks followed, or '', then names to add, or to open.
-- Reply: the epoch ('' if there is no table, that of a table of another number of
-- partitions alone), then name and number of each ready list, field and time of each
-- pause, "*QUEUE" of each queue whose keys take turns, with 1, or 0 while its tasks are
-- being found, and '+' and 1 if groups are followed; a name that found no room is missing. {-1, layout} if the layout is a later
-- one, {-2} if the table is damaged.
-- include: limits/names
local lists, meta = KEYS[1], KEYS[2]
local layout, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local known, all = redis.call('HMGET', meta, 'generation', 'lanes', 'follow'), redis.call('HGETALL', lists)
local number, used, count, sound, first = {}, {}, 0, true, {}
for i = 1, #all, 2 do
  local name, n = all[i], tonumber(all[i + 1])
  if string.find(name, '|', 1, true) then
    local place = n and n < 0 and -1 - n or n
    sound = sound and n and place <= most and n % 1 == 0 and not used[place]
    number[name], used[place or -1], count = n, true, count + 1
  elseif name == '' or name == '#' then
    first[name] = all[i + 1]
  else
    sound = sound and string.sub(name, 1, 1) == '!'
  end
end
local stored, many = string.match(known[2] or '', '^(%d+):(%d+)$')
if stored and tonumber(stored) > layout then return { -1, tonumber(stored) } end
local follow = known[3] or ''
local begins = ARGV[5] == 'groups' and not string.find(follow, 'g', 1, true)
if begins then
  follow = follow .. 'g'
  known[3] = follow
end
-- Only what follows tasks needs the last layout.
if not known[3] then layout = layout - 1 end
local epoch = known[1] or first[''] or ''
local function partitions(g) return string.match(g, '^(%d+)/') or '1' end
if epoch ~= '' and partitions(epoch) ~= partitions(ARGV[1]) then return { epoch } end
local exists = known[1] or known[2] or #all > 0
many = tonumber(many or known[2] or first['#'] or not exists and 0)
if not sound or many ~= count then return { -2 } end

local changed, added, free = not (stored and known[1]), {}, 0
changed = changed and (exists or ARGV[5] == 'begin') or begins
for i = 6, #ARGV do
  local name = ARGV[i]
  local n = number[name]
  if n and n < 0 then
    n = -1 - n
  elseif n then
    n = nil
  else
    while used[free] do free = free + 1 end
    if free < most or free == most and name == ARGV[4] then
      n, used[free], count = free, true, count + 1
    end
  end
  if n then
    number[name] = n
    added[#added + 1] = name
    added[#added + 1] = n
  end
end
if changed or #added > 0 then
  epoch = ARGV[1]
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', lists, '')
  redis.call('HSET', lists, '#', '-')
  if #added > 0 then call_many('HSET', lists, added) end
  redis.call('HSET', meta, 'generation', epoch, 'lanes', layout .. ':' .. count)
  if begins then redis.call('HSET', meta, 'follow', follow) end
  name_lists(lists, meta)
  all = redis.call('HGETALL', lists)
end
local out = { epoch }
for i = 1, #all, 2 do
  if all[i] ~= '#' then
    out[#out + 1] = all[i]
    out[#out + 1] = all[i + 1]
  end
end
if string.find(follow, 'g', 1, true) then
  out[#out + 1] = '+'
  out[#out + 1] = 1
end
if string.find(follow, 'l', 1, true) then
  -- As limits/common.lua says.
  local limited = redis.call('HGETALL', string.sub(meta, 1, -5) .. 'limited')
  local stage = {}
  for i = 1, #limited, 2 do stage[limited[i]] = limited[i + 1] end
  for field in pairs(stage) do
    local queue = string.match(field, '^f:(.*)$')
    if queue then
      out[#out + 1] = '*' .. queue
      out[#out + 1] = string.find(stage['m:' .. queue] or '', '^2%d+$') and '1' or '0'
    end
  end
end
return out
