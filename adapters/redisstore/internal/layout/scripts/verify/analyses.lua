-- Compares analyses with their indexes, and mends what is broken if it is asked to.
-- As in tasks.lua, the client has read the records.
-- KEYS: analyses, their index, index of the anomalies, their ids, the quarantine.
-- ARGV: clock offset, 'repair' or '', most bytes of a record that the quarantine
-- keeps, its most records, then for each analysis: task id, size of its record, SHA-1
-- of it or '', what keeps it from being read, time of its storing and digests of its
-- anomalies' ids as in the record.
-- Reply: for each finding: id, kind, place, detail, action.
-- include: queue/common
-- include: logs/common
local A = { analyses = KEYS[1], history = KEYS[2], anomalies = KEYS[3], ids = KEYS[4] }
local quarantine = KEYS[5]
local repair, out = ARGV[2] == 'repair', {}
local function report(id, kind, place, detail, action)
  for _, v in ipairs({ id, kind, place, detail, repair and action or '' }) do out[#out + 1] = v end
end

-- set_aside removes an analysis whose record cannot be read.
local function set_aside(id, record, problem)
  local full = redis.call('HLEN', quarantine) >= tonumber(ARGV[4])
  report(id, 'analysis_corrupt', 'analyses', problem,
    full and 'removed; the quarantine is full' or 'removed, its bytes kept in the quarantine')
  if not repair then return end
  if not full then
    redis.call('HSET', quarantine, id, struct.pack('>BdI4I2', 1, store_now(ARGV[1]), #record, #problem) .. problem
      .. string.sub(record, 1, tonumber(ARGV[3])))
  end
  if #record >= 9 then
    remove_analysis(A, string.sub(record, 2, 9) .. id)
  else
    redis.call('HDEL', A.analyses, id)
    redis.call('HDEL', A.ids, id)
  end
end

-- index_anomalies compares an analysis with what is known of its anomalies.
local function index_anomalies(id, at, digests)
  local members = anomaly_members(digests, at .. id)
  local same, scored = (redis.call('HGET', A.ids, id) or '') == digests, {}
  local known = get_many('ZMSCORE', A.anomalies, members)
  for n, member in ipairs(members) do
    if not known[n] then
      scored[#scored + 1] = 0
      scored[#scored + 1] = member
    end
  end
  if same and #scored == 0 then return end
  report(id, 'anomaly_not_indexed', 'anomalies', 'the index by id has not its anomalies, or others', 'added to it')
  if not repair then return end
  if digests == '' then redis.call('HDEL', A.ids, id) else redis.call('HSET', A.ids, id, digests) end
  if #scored > 0 then call_many('ZADD', A.anomalies, scored) end
end

for i = 5, #ARGV, 6 do
  local id, size, sha, problem, at, digests = unpack(ARGV, i, i + 5)
  local record = redis.call('HSTRLEN', A.analyses, id) == tonumber(size) and redis.call('HGET', A.analyses, id)
  if record and sha ~= '' and redis.sha1hex(record) ~= sha then record = false end
  if record and problem ~= '' then
    set_aside(id, record, problem)
  elseif record then
    if not redis.call('ZSCORE', A.history, at .. id) then
      report(id, 'analysis_not_indexed', 'history', 'it is not in the index of the analyses', 'added to it')
      if repair then redis.call('ZADD', A.history, 0, at .. id) end
    end
    index_anomalies(id, at, digests)
  end
end
return out
