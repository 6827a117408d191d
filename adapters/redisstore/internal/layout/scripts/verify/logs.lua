-- Compares log entries with the indexes by time, and mends what is broken if it is
-- asked to. As in tasks.lua, the client has read the records.
-- KEYS: entries, index by timestamp, index by arrival, then, but for a scan, the
-- batch and the quarantine, of all entries.
-- ARGV: clock offset, 'scan', 'check' or 'repair', most bytes of a record that the
-- quarantine keeps, its most records, then for each entry: id, size of its record,
-- SHA-1 of it or '', what keeps it from being read, timestamp and arrival as in the
-- record, arrival in microseconds.
-- Reply: for each finding: id, kind, place, detail, action.
-- include: queue/common
-- include: logs/common
local entries, by_time, received, batch, quarantine = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, mode, out = store_now(ARGV[1]), ARGV[2], {}
local repair = mode == 'repair'
local function report(id, kind, place, detail, action)
  for _, v in ipairs({ id, kind, place, detail, repair and action or '' }) do out[#out + 1] = v end
end
for i = 5, #ARGV, 7 do
  local id, size, sha, problem, stamp, at, us = unpack(ARGV, i, i + 6)
  local same = redis.call('HSTRLEN', entries, id) == tonumber(size) and redis.call('HEXISTS', entries, id) == 1
  local record = same and sha ~= '' and redis.call('HGET', entries, id)
  if record and redis.sha1hex(record) ~= sha then same = false end
  if same and problem ~= '' then
    local action = 'removed; the quarantine is full'
    if mode ~= 'scan' and redis.call('HLEN', quarantine) < tonumber(ARGV[4]) then
      record = record or redis.call('HGET', entries, id)
      action = 'removed, its bytes kept in the quarantine'
      if repair then
        redis.call('HSET', quarantine, id, struct.pack('>BdI4I2', 1, now, #record, #problem) .. problem
          .. string.sub(record, 1, tonumber(ARGV[3])))
      end
    end
    report(id, 'log_corrupt', 'entries', problem, action)
    if repair then
      redis.call('HDEL', entries, id)
      redis.call('ZREM', received, id)
      if record then redis.call('ZREM', by_time, by_time_member(record, id)) end
      redis.call('LREM', batch, 0, id)
    end
  elseif same then
    if not redis.call('ZSCORE', by_time, stamp .. id) then
      report(id, 'log_not_indexed', 'by_time', 'it is not in the index by timestamp', 'added to it')
      if repair then redis.call('ZADD', by_time, 0, stamp .. id) end
    end
    local score = redis.call('ZSCORE', received, id)
    if not score or tonumber(score) ~= tonumber(us) then
      report(id, 'log_not_indexed', 'received', 'it is not in the index by arrival at its time', 'added to it')
      if repair then redis.call('ZADD', received, us, id) end
    end
    if mode ~= 'scan' and not redis.call('LPOS', batch, id) then
      report(id, 'log_not_indexed', 'batch', 'it is not in the list of its batch', 'added to its end')
      if repair then redis.call('RPUSH', batch, id) end
    end
  end
end
return out
