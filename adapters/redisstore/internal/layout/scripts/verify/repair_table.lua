-- Replaces the table of ready lists, if it is still as the client has read it.
-- KEYS: ready lists, meta. ARGV: the fields epoch and ready lists of meta that were read (''
-- for none), the number of fields of the table that were read, these (name, value),
-- then the new two, and the fields of the new table.
-- Reply: 1, or 0 if the table is another one by now.
-- include: limits/names
local lists, meta = KEYS[1], KEYS[2]
local known = redis.call('HMGET', meta, 'generation', 'lanes')
if (known[1] or '') ~= ARGV[1] or (known[2] or '') ~= ARGV[2] then return 0 end
local last = 3 + 2 * ARGV[3]
if redis.call('HLEN', lists) ~= tonumber(ARGV[3]) then return 0 end
for i = 4, last, 2 do
  if redis.call('HGET', lists, ARGV[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('DEL', lists)
local layout = ARGV[last + 2]
if redis.call('HEXISTS', meta, 'follow') == 1 then layout = string.gsub(layout, '^2:', '3:') end
redis.call('HSET', meta, 'generation', ARGV[last + 1], 'lanes', layout)
for i = last + 3, #ARGV, 2 do redis.call('HSET', lists, ARGV[i], ARGV[i + 1]) end
name_lists(lists, meta)
return 1
