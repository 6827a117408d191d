-- Reads one page of the states for tasks that finished before a time.
-- KEYS: state, nodes (of workflows, which are listed as a whole). ARGV: cursor, how many states to look at, the time in microseconds
-- since 1970.
-- Reply: the next cursor, the bytes that were read, then the entries that the list
-- of finished tasks should have.
-- include: queue/common
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local before = tonumber(ARGV[3])
local out = { page[1], 0 }
for i = 1, #page[2], 2 do
  local id, s = page[2][i], page[2][i + 1]
  out[2] = out[2] + #id + #s
  local t = unpack_state(s)
  if t and (t.status == COMPLETED or t.status == FAILED or t.status == CANCELLED) and not t.kept and t.finished < before
    and redis.call('HEXISTS', KEYS[2], id) == 0 then
    out[#out + 1] = finish_entry(id, t.finished)
  end
end
return out
