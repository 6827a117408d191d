-- Looks through one page of the unique keys for those that no unfinished task
-- holds. One that is held for a time needs none.
-- KEYS: tasks, state, unique, unique_of, unique_until. ARGV: cursor, how many keys to look at.
-- Reply: the next cursor, the bytes that were read, then key and holder of each
-- that has to be looked at.
-- include: queue/common
local page = redis.call('HSCAN', KEYS[3], ARGV[1], 'COUNT', ARGV[2])
local out = { page[1], 0 }
for i = 1, #page[2], 2 do
  local key, id = page[2][i], page[2][i + 1]
  out[2] = out[2] + #key + #id
  local t = unpack_state(redis.call('HGET', KEYS[2], id))
  local ended = t and t.status ~= PENDING and t.status ~= PROCESSING and t.status ~= RETRYING
  if not redis.call('ZSCORE', KEYS[5], key)
    and (ended or redis.call('HGET', KEYS[4], id) ~= key or redis.call('HEXISTS', KEYS[1], id) == 0) then
    out[#out + 1] = key
    out[#out + 1] = id
  end
end
return out
