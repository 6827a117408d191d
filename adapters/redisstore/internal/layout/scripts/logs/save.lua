-- Stores entries in a batch, in their order, but those whose id is stored. The
-- first write needs memory, so that a full server refuses the whole call.
-- KEYS: entries, index by timestamp, index by arrival, closed batches, the batch.
-- ARGV: clock offset, batch id, then for each entry: id, timestamp ('' for the
-- time of the arrival), bytes.
-- Reply: how many entries the batch has now, or -1 if it is closed.
-- include: queue/common
-- include: logs/common
local entries, by_time, received, closed, batch = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('ZSCORE', closed, ARGV[2]) then return -1 end
local ids = {}
for i = 3, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
local stored = get_many('ZMSCORE', received, ids)
local now = store_now(ARGV[1])
local at = pack_us(now)

local records, members, arrivals, fresh, seen = {}, {}, {}, {}, {}
for n, id in ipairs(ids) do
  if not stored[n] and not seen[id] then
    seen[id] = true
    local stamp = ARGV[3 * n + 1]
    if stamp == '' then stamp = at end
    records[#records + 1] = id
    records[#records + 1] = VERSION .. ARGV[2] .. stamp .. at .. ARGV[3 * n + 2]
    members[#members + 1] = 0
    members[#members + 1] = stamp .. id
    arrivals[#arrivals + 1] = digits(now)
    arrivals[#arrivals + 1] = id
    fresh[#fresh + 1] = id
  end
end
if #fresh > 0 then
  call_many('HSET', entries, records)
  call_many('ZADD', by_time, members)
  call_many('ZADD', received, arrivals)
  call_many('RPUSH', batch, fresh)
end
return redis.call('LLEN', batch)
