-- What the scripts of the logs share.
--
-- The record of an entry: version, batch id, timestamp, time of the arrival, and
-- the client's bytes. The record of an analysis: version, time of its storing,
-- number of anomalies, then size, severity and bytes of each, and the rest of the
-- result. Times are 8 bytes that sort as their values: microseconds since 1970,
-- big-endian, the sign bit turned round. Numbers and sizes are 4 bytes,
-- big-endian; a size counts the severity.
--
-- The indexes by time are sorted sets of score 0 whose members are a time and an
-- id, so that they are ordered by both, exactly, and a cursor is a member. The index
-- of the anomalies has the digest of an anomaly's id, 8 bytes, before the member of
-- its analysis in the index of the analyses. The digests of all anomalies of an
-- analysis, in their order, are in a hash: what removes an analysis need not read it.
local VERSION = '\1'

local function pack_us(us) return '\128' .. struct.pack('>I7', us) end

-- unpack_size reads a number and returns the position behind it; 0 where the
-- record ends too early.
local function unpack_size(record, pos)
  if pos + 3 > #record then return 0, #record + 1 end
  return struct.unpack('>I4', record, pos)
end

-- by_time_member is the member of an entry in the index by timestamp.
local function by_time_member(record, id) return string.sub(record, 18, 25) .. id end

-- batch_of is the batch of an entry.
local function batch_of(record) return string.sub(record, 2, 17) end

-- members_of returns the members of entries in the index by timestamp. Records
-- are read one by one, since they may be large.
local function members_of(entries, ids)
  local out = {}
  for _, id in ipairs(ids) do
    local record = redis.call('HGET', entries, id)
    if record then out[#out + 1] = by_time_member(record, id) end
  end
  return out
end

-- remove_logs takes entries out of everything but their batch; members are those
-- of members_of.
local function remove_logs(entries, by_time, received, ids, members)
  if #ids == 0 then return end
  call_many('HDEL', entries, ids)
  if #members > 0 then call_many('ZREM', by_time, members) end
  call_many('ZREM', received, ids)
end

-- anomaly_members returns the members of an analysis in the index of the anomalies:
-- one for each of the digests, and its own member of the index of the analyses.
local function anomaly_members(digests, member)
  local out, seen = {}, {}
  for i = 1, #digests, 8 do
    local digest = string.sub(digests, i, i + 7)
    if not seen[digest] then
      seen[digest] = true
      out[#out + 1] = digest .. member
    end
  end
  return out
end

-- remove_analysis removes an analysis with all that belongs to it, and returns how
-- many anomalies were indexed. A names the keys.
local function remove_analysis(A, member)
  local task = string.sub(member, 9)
  local indexed = anomaly_members(redis.call('HGET', A.ids, task) or '', member)
  redis.call('ZREM', A.history, member)
  redis.call('HDEL', A.analyses, task)
  redis.call('HDEL', A.ids, task)
  if #indexed > 0 then call_many('ZREM', A.anomalies, indexed) end
  return #indexed
end
