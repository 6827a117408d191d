-- Makes leases last longer.
-- KEYS: state, active. ARGV: clock offset, lease in microseconds, then for each
-- lease task id and fence in one.
-- Reply: the new end of the leases, then for each 1, or 0 if it is not held.
local ends = store_now(ARGV[1]) + tonumber(ARGV[2])
local ids = {}
for i = 3, #ARGV do ids[i - 2] = string.sub(ARGV[i], 1, 16) end
local out, leases, score = { ends }, {}, digits(ends)
-- The offsets into a state are those of its description in common.lua.
for n, s in ipairs(get_many('HMGET', KEYS[1], ids)) do
  if s and string.byte(s, 1) % 8 == 2 and string.sub(s, 27, 44) == string.sub(ARGV[n + 2], 17, 34) then
    leases[#leases + 1] = score
    leases[#leases + 1] = ids[n]
    out[n + 1] = 1
  else
    out[n + 1] = 0
  end
end
if #leases > 0 then
  -- A removal first lets the rest through when memory is full: what runs finishes.
  redis.call('ZREM', KEYS[2], '')
  call_many('ZADD', KEYS[2], leases)
end
return out
