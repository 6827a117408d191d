-- The script by which the programs of layout 1 read and add lanes, as it was.
local lanes, meta = KEYS[1], KEYS[2]
local missing, seen = {}, {}
for i = 4, #ARGV do
  local name = ARGV[i]
  if not seen[name] and redis.call('HEXISTS', lanes, name) == 0 then missing[#missing + 1] = name end
  seen[name] = true
end
local known = redis.call('HMGET', meta, 'generation', 'lanes')
local generation, count = known[1], tonumber(known[2] or 0)
if count + #missing > tonumber(ARGV[2]) then return { -1 } end
if #missing > 0 or ARGV[3] == 'begin' and not generation then
  generation = generation or ARGV[1]
  redis.call('HSET', meta, 'generation', generation, 'lanes', count + #missing)
  for i, name in ipairs(missing) do redis.call('HSET', lanes, name, count + i - 1) end
end
local out = { generation or '' }
local all = redis.call('HGETALL', lanes)
for i = 1, #all do out[i + 1] = all[i] end
return out
