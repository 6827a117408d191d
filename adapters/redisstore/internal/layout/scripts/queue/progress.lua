-- Keeps how far runs have come.
-- KEYS: state, then the key of the progress of each task. ARGV: clock offset, for how
-- many milliseconds to keep it, then for each task its id and fence in one, and what to
-- keep.
-- Reply: for each 1, or 0 if the lease is not held.
local now = store_now(ARGV[1])
local out = {}
for n = 2, #KEYS do
  local head = ARGV[2 * n - 1]
  local s = redis.call('HGET', KEYS[1], string.sub(head, 1, 16))
  -- The offsets into a state are those of its description in common.lua.
  if s and string.byte(s, 1) % 8 == 2 and string.sub(s, 27, 44) == string.sub(head, 17, 34) then
    redis.call('SET', KEYS[n], string.sub(head, 17, 34) .. struct.pack('>I7', now) .. ARGV[2 * n], 'PX', ARGV[2])
    out[n - 1] = 1
  else
    out[n - 1] = 0
  end
end
return out
