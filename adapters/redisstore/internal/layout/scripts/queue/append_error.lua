local MAX_ERRORS = 128

-- append_error adds one failure to a task's stored ones and keeps the newest
-- MAX_ERRORS: attempt, started_at, at, length, and the client's bytes.
local function append_error(old, attempt, started, at, blob)
  local all = (old or '') .. struct.pack('>HddI4', attempt, started, at, #blob) .. blob
  local count, pos, starts = 0, 1, {}
  while pos + 21 <= #all do
    count = count + 1
    starts[count] = pos
    pos = pos + 22 + struct.unpack('>I4', all, pos + 18)
  end
  if count > MAX_ERRORS then all = string.sub(all, starts[count - MAX_ERRORS + 1]) end
  return all
end
