-- Reads tasks whole, as many as fit.
-- KEYS: as in keys.lua. ARGV: epoch, how many bytes
-- are enough, then ids.
-- Reply: {-1} if the epoch is stale; else for each of the first tasks record ('' if
-- there is no such task), state, result, errors, and the end of its lease or the empty
-- string. A task without a stored state gets the state that its index implies.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[1]) then return { -1 } end
local enough, ids, out = tonumber(ARGV[2]), {}, {}
for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
local states = get_many('HMGET', K.state, ids)
for i, id in ipairs(ids) do
  local record, s = redis.call('HGET', K.tasks, id), states[i] or ''
  local result, errors = redis.call('HGET', K.results, id) or '', redis.call('HGET', K.errors, id) or ''
  if record and not unpack_state(s) then
    local t = locate(id)
    s = t and pack_state(t) or ''
  end
  out[#out + 1] = record or ''
  out[#out + 1] = s
  out[#out + 1] = result
  out[#out + 1] = errors
  out[#out + 1] = redis.call('ZSCORE', K.active, id) or ''
  enough = enough - #(record or '') - #result - #errors
  if enough <= 0 then break end
end
return out
