-- Makes leases last longer.
-- KEYS: state, active. ARGV: clock offset, lease in microseconds, then for each
-- lease: task id, claim id, delivery.
-- Reply: the new end of the leases, then for each 1, or 0 if it is not held.
local now = store_now(ARGV[1])
local ends = now + tonumber(ARGV[2])
local ids = {}
for i = 3, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
local out, leases = { ends }, {}
for n, s in ipairs(get_many('HMGET', KEYS[1], ids)) do
  local at = 3 + (n - 1) * 3
  local t = unpack_state(s)
  if t and t.status == PROCESSING and t.claim == ARGV[at + 1] and t.deliveries == tonumber(ARGV[at + 2]) then
    leases[#leases + 1] = num(ends)
    leases[#leases + 1] = ids[n]
    out[n + 1] = 1
  else
    out[n + 1] = 0
  end
end
if #leases > 0 then call_many('ZADD', KEYS[2], leases) end
return out
