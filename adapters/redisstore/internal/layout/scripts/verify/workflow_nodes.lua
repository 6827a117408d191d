-- Looks through one page of the places of tasks in workflows for those of workflows that are
-- not there, and removes them if it is asked to.
-- KEYS: nodes, meta. ARGV: cursor, how many to look at, 'repair' or ''.
-- Reply: the next cursor, the bytes that were read, then findings: id, kind, place, detail, action.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out, bytes, gone = { page[1], 0 }, 0, {}
for i = 1, #page[2], 2 do
  local id, at = page[2][i], page[2][i + 1]
  bytes = bytes + #id + #at
  local flow = string.sub(KEYS[2], 1, -5) .. 'workflow:' .. string.sub(at, 1, 16)
  if #at ~= 20 or redis.call('HEXISTS', flow, 'n' .. string.sub(at, 17)) == 0 then
    for _, v in ipairs({ id, 'workflow_stray', 'nodes', 'it is said to be of a workflow that is not there', ARGV[3] == 'repair' and 'removed from nodes' or '' }) do
      out[#out + 1] = v
    end
    gone[#gone + 1] = id
  end
end
if #gone > 0 and ARGV[3] == 'repair' then call_many('HDEL', KEYS[1], gone) end
out[2] = bytes
return out
