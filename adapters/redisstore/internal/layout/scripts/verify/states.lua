-- Looks at states, of each at its head, and mends what is broken if it is asked to.
-- KEYS: the quarantine, then the states. ARGV: clock offset, 'repair' or '', most bytes
-- of a record that the quarantine keeps, its most records, size of what a key begins
-- with, most bytes of the data.
-- Reply: for each finding: key, kind, detail, action.
-- include: logs/states_common
local now, repair, out = store_now(ARGV[1]), ARGV[2] == 'repair', {}
local quarantine, largest = KEYS[1], STATE_HEAD_SIZE + tonumber(ARGV[6])
local function report(key, kind, detail, action)
  for _, v in ipairs({ key, kind, detail, repair and action or '' }) do out[#out + 1] = v end
end

-- set_aside removes a state that cannot be read.
local function set_aside(key, size, problem)
  local full = redis.call('HLEN', quarantine) >= tonumber(ARGV[4])
  report(key, 'analyser_state_corrupt', problem,
    full and 'removed; the quarantine is full' or 'removed, its bytes kept in the quarantine')
  if not repair then return end
  if not full then
    redis.call('HSET', quarantine, 'state:' .. string.sub(key, tonumber(ARGV[5]) + 1),
      struct.pack('>BdI4I2', 1, now, size, #problem) .. problem .. redis.call('GETRANGE', key, 0, ARGV[3] - 1))
  end
  redis.call('DEL', key)
end

for i = 2, #KEYS do
  local key = KEYS[i]
  -- It may have expired, or become something else, since it was found.
  if redis.call('TYPE', key).ok == 'string' then
    local size, left = redis.call('STRLEN', key), redis.call('PTTL', key)
    local revision, ends = state_head(redis.call('GETRANGE', key, 0, STATE_HEAD_SIZE - 1))
    if not revision then
      set_aside(key, size, 'its record is damaged, or of another version')
    elseif size > largest then
      set_aside(key, size, 'its record has ' .. size .. ' bytes, more than any may')
    elseif ends > 0 and left == -1 then
      report(key, 'analyser_state_expiry', 'it expires, and Redis would keep it', 'given its time to live')
      if repair then redis.call('PEXPIRE', key, digits(math.max(math.ceil((ends - now) / 1000), 1))) end
    elseif ends == 0 and left ~= -1 then
      report(key, 'analyser_state_expiry', 'it does not expire, and Redis would remove it', 'made to stay')
      if repair then redis.call('PERSIST', key) end
    end
  end
end
return out
