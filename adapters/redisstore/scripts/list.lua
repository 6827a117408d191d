-- Lists ids of tasks by falling sequence number, from all indexes that are asked
-- for, merged.
-- KEYS: as in keys.lua. ARGV: generation of the lanes, their number, highest
-- sequence number, lowest one, most ids, a string of the statuses wanted (such as
-- "16"), then the lanes wanted of ready tasks.
-- Reply: {-1} if the lanes are stale; else id and sequence number of each.
-- include: common
-- include: keys
if lanes_stale(K.meta, ARGV[1], ARGV[2]) then return { -1 } end
local high, low, limit = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local wanted = {}
for i = 1, #ARGV[6] do wanted[tonumber(string.sub(ARGV[6], i, i))] = true end
local found = {}
local function take(key, base)
  local got = redis.call('ZREVRANGEBYSCORE', key, digits(base + high), digits(base + low), 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #got, 2 do found[#found + 1] = { got[i], tonumber(got[i + 1]) - base } end
end
if wanted[PENDING] then
  take(K.scheduled, 0)
  for i = 7, #ARGV do
    local key = K.ready(tonumber(ARGV[i]))
    if redis.call('EXISTS', key) == 1 then
      for band = 0, 10 do take(key, band * WIDTH) end
    end
  end
end
if wanted[RETRYING] then take(K.retrying, 0) end
if wanted[COMPLETED] then take(K.completed, 0) end
if wanted[FAILED] then take(K.failed, 0) end
if wanted[CANCELLED] then take(K.cancelled, 0) end
if wanted[PROCESSING] then
  -- The index is ordered by the end of the lease; it holds no more than what
  -- workers have claimed.
  local ids = redis.call('ZRANGE', K.active, 0, -1)
  for i, s in ipairs(get_many('HMGET', K.state, ids)) do
    local t = unpack_state(s)
    if t and t.seq <= high and t.seq >= low then found[#found + 1] = { ids[i], t.seq } end
  end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
local out = {}
for i = 1, math.min(limit, #found) do
  out[#out + 1] = found[i][1]
  out[#out + 1] = digits(found[i][2])
end
return out
