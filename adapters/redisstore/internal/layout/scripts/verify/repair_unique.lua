-- Decides about one unique key, and frees it if it is asked to.
-- KEYS: tasks, state, unique, unique_of, unique_until. ARGV: the unique key, its holder, size of
-- the holder's record (-1: none), the unique key that the record says, 'repair' or
-- ''.
-- Reply: why nobody holds the key, '' if somebody does, or may.
-- include: queue/common
local tasks, state, unique = KEYS[1], KEYS[2], KEYS[3]
local key, id = ARGV[1], ARGV[2]
if redis.call('HGET', unique, key) ~= id or redis.call('ZSCORE', KEYS[5], key) then return '' end
local size = redis.call('HSTRLEN', tasks, id)
if size == 0 and redis.call('HEXISTS', tasks, id) == 0 then size = -1 end
if size ~= tonumber(ARGV[3]) then return '' end
local t = unpack_state(redis.call('HGET', state, id))
local why = ''
if size < 0 then
  -- tasks.lua tells of what is left of a task, its unique key included.
  if redis.call('HGET', KEYS[4], id) ~= key then why = 'its holder is no task' end
elseif t and t.status ~= PENDING and t.status ~= PROCESSING and t.status ~= RETRYING then why = 'its holder is finished'
elseif ARGV[4] ~= key then why = 'the record of its holder has another unique key'
end
if why ~= '' and ARGV[5] == 'repair' then redis.call('HDEL', unique, key) end
return why
