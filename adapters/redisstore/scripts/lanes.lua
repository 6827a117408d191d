-- Gives each pair of queue and type a small number, its lane, and lists them.
-- Lanes are never removed, so a number once given stays right; the generation
-- tells when the whole database was emptied, and when a queue was paused or resumed:
-- the table has a field "!QUEUE" for each that is paused, since when.
-- KEYS: lanes. ARGV: a generation to use if there is none, the most lanes that
-- may be, 'begin' to store the generation although there is no lane, or '', then
-- names ("queue|type") to add.
-- Reply: the generation ('' if there are no lanes), then name and number of each
-- lane, and field and time of each pause; or {-1} if there would be too many lanes.
local missing = {}
for i = 4, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then missing[#missing + 1] = ARGV[i] end
end
local count = tonumber(redis.call('HGET', KEYS[1], '#') or 0)
if count + #missing > tonumber(ARGV[2]) then return { -1 } end
if #missing > 0 or ARGV[3] == 'begin' and redis.call('HEXISTS', KEYS[1], '') == 0 then
  if redis.call('HEXISTS', KEYS[1], '') == 0 then redis.call('HSET', KEYS[1], '', ARGV[1]) end
  for _, name in ipairs(missing) do
    if redis.call('HEXISTS', KEYS[1], name) == 0 then
      redis.call('HSET', KEYS[1], name, count)
      count = count + 1
    end
  end
  redis.call('HSET', KEYS[1], '#', count)
end
local out = { redis.call('HGET', KEYS[1], '') or '' }
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= '' and all[i] ~= '#' then
    out[#out + 1] = all[i]
    out[#out + 1] = all[i + 1]
  end
end
return out
