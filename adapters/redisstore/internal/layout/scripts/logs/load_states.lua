-- Reads states, as many as fit.
-- KEYS: states. ARGV: clock offset, how many bytes are enough.
-- Reply: for each of the first states its revision (0: there is none, or it expired;
-- -1: it cannot be read) and data.
-- include: logs/states_common
local now, enough = store_now(ARGV[1]), tonumber(ARGV[2])
local out = {}
for _, key in ipairs(KEYS) do
  -- A key of another type is as good as a damaged record.
  local record = redis.pcall('GET', key)
  local number, data = 0, ''
  if record then
    local revision, ends = state_head(record)
    if not revision then
      number = -1
    elseif ends == 0 or ends > now then
      number, data = revision, string.sub(record, STATE_HEAD_SIZE + 1)
    end
  end
  out[#out + 1] = number
  out[#out + 1] = data
  enough = enough - #data
  if enough <= 0 then break end
end
return out
