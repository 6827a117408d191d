-- Tells for which others a task waits.
-- KEYS: as in keys.lua. ARGV: id, most refs. Reply: refs.
-- include: queue/common
-- include: queue/keys
-- include: workflows/common
local at = redis.call('HGET', key('nodes'), ARGV[1])
local flow = at and key('workflow:' .. string.sub(at, 1, 16))
local node = at and redis.call('HGET', flow, 'n' .. string.sub(at, 17))
local out, most = {}, tonumber(ARGV[2])
if not node or string.byte(node) ~= 1 then return out end
local before = redis.call('HGET', flow, 'p' .. string.sub(at, 17)) or ''
for first = 1, #before, 2000 do
  local _, ids, refs = nodes_at(flow, string.sub(before, first, first + 1999))
  for i, status in ipairs(status_of(ids)) do
    if #out == most then return out end
    if status ~= COMPLETED and status ~= FAILED and status ~= CANCELLED then out[#out + 1] = refs[i] end
  end
end
return out
