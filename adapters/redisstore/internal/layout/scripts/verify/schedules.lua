-- Compares schedules with their indexes, and mends what is broken if it is asked to. As
-- in tasks.lua, the client has read the records.
-- KEYS: records, names, due, the quarantine. ARGV: clock offset, 'repair' or '', most
-- bytes of a record that the quarantine keeps, its most records, then for each schedule:
-- name, size of its record, SHA-1 of it or '', what keeps it from being read, when it is
-- due (0 for never).
-- Reply: for each finding: name, kind, place, detail, action.
-- include: schedules/common
local records, names, due, quarantine = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, repair, out = store_now(ARGV[1]), ARGV[2] == 'repair', {}
local function report(name, kind, place, detail, action)
  for _, v in ipairs({ name, kind, place, detail, repair and action or '' }) do out[#out + 1] = v end
end

for i = 5, #ARGV, 5 do
  local name, size, sha, problem, at = unpack(ARGV, i, i + 4)
  local record = redis.call('HSTRLEN', records, name) == tonumber(size) and redis.call('HGET', records, name)
  if record and sha ~= '' and redis.sha1hex(record) ~= sha then record = false end
  if record and problem ~= '' then
    local full = redis.call('HLEN', quarantine) >= tonumber(ARGV[4])
    report(name, 'schedule_corrupt', 'records', problem,
      full and 'removed; the quarantine is full' or 'removed, its bytes kept in the quarantine')
    if repair then
      if not full then
        redis.call('HSET', quarantine, name, struct.pack('>BdI4I2', 1, now, #record, #problem) .. problem
          .. string.sub(record, 1, tonumber(ARGV[3])))
      end
      redis.call('HDEL', records, name)
      redis.call('ZREM', names, name)
      redis.call('ZREM', due, name)
    end
  elseif record then
    local _, claimed = schedule_head(record)
    local score = tonumber(redis.call('ZSCORE', due, name) or 0)
    if not redis.call('ZSCORE', names, name) then
      report(name, 'schedule_not_indexed', 'names', 'it is not in the index of the names', 'added to it')
      if repair then redis.call('ZADD', names, 0, name) end
    end
    -- A claim moves what is due to its own end.
    if claimed > 0 and score > 0 and score <= now + 3600000000 then score = tonumber(at) end
    if score ~= tonumber(at) then
      report(name, 'schedule_due_wrong', 'due', 'it is due at another time than the index says', 'put right')
      if repair then
        if at == '0' then redis.call('ZREM', due, name) else redis.call('ZADD', due, at, name) end
      end
    end
  end
end
return out
