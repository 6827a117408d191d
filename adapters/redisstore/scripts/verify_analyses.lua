-- Compares analyses with their index, and mends what is broken if it is asked to.
-- As in verify_tasks.lua, the client has read the records.
-- KEYS: analyses, their index, the quarantine. ARGV: clock offset, 'repair' or '',
-- most bytes of a record that the quarantine keeps, its most records, then for each
-- analysis: task id, size of its record, SHA-1 of it or '', what keeps it from being
-- read, time of its storing as in the record.
-- Reply: for each finding: id, kind, place, detail, action.
-- include: common
local analyses, history, quarantine = KEYS[1], KEYS[2], KEYS[3]
local repair, out = ARGV[2] == 'repair', {}
for i = 5, #ARGV, 5 do
  local id, size, sha, problem, at = unpack(ARGV, i, i + 4)
  local record = redis.call('HSTRLEN', analyses, id) == tonumber(size) and redis.call('HGET', analyses, id)
  if record and sha ~= '' and redis.sha1hex(record) ~= sha then record = false end
  local found
  if record and problem ~= '' then
    local full = redis.call('HLEN', quarantine) >= tonumber(ARGV[4])
    found = { id, 'analysis_corrupt', 'analyses', problem,
      full and 'removed; the quarantine is full' or 'removed, its bytes kept in the quarantine' }
    if repair then
      if not full then
        redis.call('HSET', quarantine, id, struct.pack('>BdI4I2', 1, store_now(ARGV[1]), #record, #problem) .. problem
          .. string.sub(record, 1, tonumber(ARGV[3])))
      end
      redis.call('HDEL', analyses, id)
      redis.call('ZREM', history, string.sub(record, 2, 9) .. id)
    end
  elseif record and not redis.call('ZSCORE', history, at .. id) then
    found = { id, 'analysis_not_indexed', 'history', 'it is not in the index of the analyses', 'added to it' }
    if repair then redis.call('ZADD', history, 0, at .. id) end
  end
  if found then
    for n = 1, 4 do out[#out + 1] = found[n] end
    out[#out + 1] = repair and found[5] or ''
  end
end
return out
