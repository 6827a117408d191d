-- Replaces the table of lanes, if it is still as the client has read it.
-- KEYS: lanes. ARGV: number of fields that were read, these (name, value), then
-- the fields of the new table.
-- Reply: 1, or 0 if the table is another one by now.
local fields = tonumber(ARGV[1])
if redis.call('HLEN', KEYS[1]) ~= fields then return 0 end
for i = 2, 1 + 2 * fields, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('DEL', KEYS[1])
for i = 2 + 2 * fields, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
