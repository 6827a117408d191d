-- Lists ids of tasks by falling sequence number, from all indexes that are asked
-- for, merged.
-- KEYS: as in keys.lua. ARGV: epoch, highest
-- sequence number, lowest one, most ids, a string of the statuses wanted (such as
-- "16"), most ids to look at in one index (0: tasks of all ready lists are wanted), how many
-- bytes of records are enough, then the ready lists wanted.
-- Reply: {-1} if the epoch is stale; else the sequence number down to which all were
-- looked at ('' if there are no more), then id and sequence number of each.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[1]) then return { -1 } end
local high, low, limit, scan, enough = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
local wanted, lists = {}, {}
for i = 1, #ARGV[5] do wanted[tonumber(string.sub(ARGV[5], i, i))] = true end
for i = 8, #ARGV do lists[tonumber(ARGV[i])] = true end
local found, down_to = {}, -1

-- read returns what an index has, as ids and scores in turn, at most n of them.
local function read(key, base, n)
  local got = redis.call('ZREVRANGEBYSCORE', key, digits(base + high), digits(base + low), 'WITHSCORES', 'LIMIT', 0, n)
  if #got == 2 * n then down_to = math.max(down_to, tonumber(got[#got]) - base) end
  return got
end
local function take(key, base)
  local got = read(key, base, limit)
  for i = 1, #got, 2 do found[#found + 1] = { got[i], tonumber(got[i + 1]) - base } end
end
-- sift takes those of the wanted ready lists. The ready list of a task is in its state, or, if it
-- has none, in its record, which may be large.
local function sift(key)
  if scan == 0 then return take(key, 0) end
  local got = read(key, 0, scan)
  local ids = {}
  for i = 1, #got, 2 do ids[#ids + 1] = got[i] end
  for i, s in ipairs(get_many('HMGET', K.state, ids)) do
    local seq = tonumber(got[2 * i])
    local t = unpack_state(s)
    if not t then
      local record = redis.call('HGET', K.tasks, ids[i])
      t = fresh_state(record, seq)
      enough = enough - #(record or '')
    end
    if t and lists[t.list_no] then found[#found + 1] = { ids[i], seq } end
    if enough <= 0 and i < #ids then
      down_to = math.max(down_to, seq)
      return
    end
  end
end

if wanted[PENDING] then
  sift(K.scheduled)
  for list_no in pairs(lists) do
    local key = K.ready(list_no)
    if redis.call('EXISTS', key) == 1 then
      for band = 0, 10 do take(key, band * WIDTH) end
    end
  end
end
if wanted[RETRYING] then sift(K.retrying) end
if wanted[COMPLETED] then sift(K.completed) end
if wanted[FAILED] then sift(K.failed) end
if wanted[CANCELLED] then sift(K.cancelled) end
if wanted[PROCESSING] then
  -- The index is ordered by the end of the lease; it holds no more than what
  -- workers have claimed.
  local ids = redis.call('ZRANGE', K.active, 0, -1)
  for i, s in ipairs(get_many('HMGET', K.state, ids)) do
    local t = unpack_state(s)
    if t and t.seq <= high and t.seq >= low and (scan == 0 or lists[t.list_no]) then found[#found + 1] = { ids[i], t.seq } end
  end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
if #found > limit then down_to = math.max(down_to, found[limit][2]) end
local out = { down_to < 0 and '' or digits(down_to) }
for i = 1, math.min(limit, #found) do
  if found[i][2] < down_to then break end
  out[#out + 1] = found[i][1]
  out[#out + 1] = digits(found[i][2])
end
return out
