-- The script by which the first programs read and add lanes, as it was: all is in one hash.
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
