-- Reads tasks whole, as many as fit.
-- KEYS: as in keys.lua. ARGV: epoch, how many bytes
-- are enough, clock offset, then ids.
-- Reply: {-1} if the epoch is stale; else for each of the first tasks record ('' if
-- there is no such task), state, result, errors, and the end of its lease, if it is held or its
-- cancelled run may not have stopped, or the empty string. A task without a stored state gets the state that its index implies.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[1]) then return { -1 } end
local enough, now, ids, out = tonumber(ARGV[2]), store_now(ARGV[3]), {}, {}
for i = 4, #ARGV do ids[#ids + 1] = ARGV[i] end
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
  local ends = redis.call('ZSCORE', K.active, id)
  -- The offset into a state is that of its description in common.lua.
  if not ends and string.sub(s, 29, 37) == STOPPING and string.byte(s) % 8 == CANCELLED then
    ends = struct.unpack('>I7', s, 38)
    ends = ends > now and digits(ends)
  end
  out[#out + 1] = ends or ''
  enough = enough - #(record or '') - #result - #errors
  if enough <= 0 then break end
end
return out
