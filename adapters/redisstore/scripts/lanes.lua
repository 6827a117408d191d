-- Gives each pair of queue and type a small number, its lane, and lists them.
-- Lanes are never removed, so a number once given stays right; the generation
-- tells when the whole database was emptied, and when a queue was paused or resumed:
-- the table has a field "!QUEUE" for each that is paused, since when. Generation and
-- number of lanes are in meta, where the other scripts find them with what else they
-- need.
-- KEYS: lanes, meta. ARGV: a generation to use if there is none, the most lanes that
-- may be, 'begin' to store the generation although there is no lane, or '', then
-- names ("queue|type") to add.
-- Reply: the generation ('' if there are no lanes), then name and number of each
-- lane, and field and time of each pause; or {-1} if there would be too many lanes.
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
