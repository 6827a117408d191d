-- Gives tasks back unfinished: PENDING, ready at once, nothing counted. A run that was
-- cancelled has stopped then, and its unique key is free.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, then for each lease task id and fence in one.
-- Reply: {-1} if the epoch is stale; else for each 1, or 0 if it is not held.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
emit_if_read(now)
local out, freed, stopped, keys, seen = {}, {}, {}, {}, {}
for i = 4, #ARGV do
  local id, fence = string.sub(ARGV[i], 1, 16), string.sub(ARGV[i], 17)
  local s = redis.call('HGET', K.state, id)
  local t = s and string.sub(s, 27, 44) == fence and unpack_state(s)
  if t and seen[id] then
    out[#out + 1] = 1
  elseif t and t.status == PROCESSING then
    seen[id] = true
    freed[#freed + 1] = { id, t }
    out[#out + 1] = 1
  elseif t and t.status == PENDING then
    out[#out + 1] = 1
  else
    t = unpack_state(s)
    if t and t.status == CANCELLED and t.claim ~= NO_CLAIM and struct.pack('>H', t.deliveries) == string.sub(fence, 1, 2) then
      t.claim = NO_CLAIM
      stopped[#stopped + 1] = id
      stopped[#stopped + 1] = pack_state(t)
      local key = redis.call('HGET', K.unique_of, id)
      if key and redis.call('HGET', K.unique, key) == id then keys[#keys + 1] = key end
    end
    out[#out + 1] = 0
  end
end
for _, f in ipairs(freed) do
  redis.call('ZREM', K.active, f[1])
  make_ready(f[1], f[2])
  emit(f[1], PROCESSING, PENDING, f[2].attempt, f[2].list_no)
end
if #stopped > 0 then
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', K.meta, '')
  call_many('HSET', K.state, stopped)
  if #keys > 0 then
    call_many('HDEL', K.unique, keys)
    call_many('ZREM', K.unique_until, keys)
  end
end
emit_all(now)
if #freed > 0 then notify_claim(K.meta, ARGV[3]) end
return out
