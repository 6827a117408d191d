-- Decides about tasks that the list of finished ones seems not to have, and adds
-- them if it is asked to.
-- KEYS: tasks, state, finished, meta. ARGV: 'repair' or '', then the missing entries.
-- Reply: those that are missing indeed.
-- include: queue/common
local head = redis.call('LINDEX', KEYS[3], 0)
local first = head and (#head == 23 or #head == 24) and struct.unpack('>I7', head, 17)
local out = {}
for i = 2, #ARGV do
  local id = string.sub(ARGV[i], 1, 16)
  local t, is_missing = unpack_state(redis.call('HGET', KEYS[2], id)), false
  if #ARGV[i] == 24 then
    -- It is that of a workflow.
    t = { finished = struct.unpack('>I7', ARGV[i], 17) }
    is_missing = tonumber(redis.call('HGET', string.sub(KEYS[4], 1, -5) .. 'workflow:' .. id, 'f') or 0) == t.finished
  end
  if is_missing or t and (t.status == COMPLETED or t.status == FAILED or t.status == CANCELLED) and not t.kept
    and finish_entry(id, t.finished) == ARGV[i] and redis.call('HEXISTS', KEYS[1], id) == 1 then
    out[#out + 1] = ARGV[i]
    if ARGV[1] == 'repair' then
      -- The oldest go to the head, where they are due. Elsewhere an entry may
      -- only be late: before younger ones it would hold them up.
      redis.call(first and t.finished <= first and 'LPUSH' or 'RPUSH', KEYS[3], ARGV[i])
    end
  end
end
return out
