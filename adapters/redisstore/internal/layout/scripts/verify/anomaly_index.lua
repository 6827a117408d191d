-- Looks through one page of the index of the anomalies for members that belong to no
-- analysis of that time with such an anomaly, and removes them if it is asked to.
-- KEYS: index of the anomalies, their ids, index of the analyses, analyses.
-- ARGV: cursor, how many members to look at, 'repair' or ''.
-- Reply: the next cursor, the bytes that were read, then the members.
-- include: logs/common
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out = { page[1], 0 }

-- record_of reads the record of the analysis that a member names.
local function record_of(member)
  local record = redis.call('HGET', KEYS[4], string.sub(member, 17))
  out[2] = out[2] + (record and #record or 0)
  return record
end

-- has reports whether the analysis has an anomaly of that digest. Where its digests
-- are lost, which analyses.lua tells, it has any if it has one.
local function has(member)
  local digests = redis.call('HGET', KEYS[2], string.sub(member, 17))
  if not digests then
    local record = record_of(member)
    return record and unpack_size(record, 10) > 0
  end
  out[2] = out[2] + #digests
  local digest = string.sub(member, 1, 8)
  for i = 1, #digests, 8 do
    if string.sub(digests, i, i + 7) == digest then return true end
  end
  return false
end

-- stored reports whether there is an analysis of that time. Its record is read only
-- where the index of the analyses has lost it.
local function stored(member)
  if redis.call('ZSCORE', KEYS[3], string.sub(member, 9)) then return true end
  local record = record_of(member)
  -- A damaged record says nothing of its time.
  return record and (#record < 9 or string.byte(record) ~= 1 or string.sub(record, 2, 9) == string.sub(member, 9, 16))
end

for i = 1, #page[2], 2 do
  local member = page[2][i]
  if #member ~= 32 or not has(member) or not stored(member) then
    out[#out + 1] = member
    if ARGV[3] == 'repair' then redis.call('ZREM', KEYS[1], member) end
  end
end
return out
