-- Lists ids of tasks by falling sequence number, from all indexes that are asked
-- for, merged.
-- KEYS: as in keys.lua. ARGV: epoch, highest
-- sequence number, lowest one, most ids, a string of the statuses wanted (such as
-- "16"), most ids to look at in one index (0: tasks of all ready lists are wanted), how many
-- bytes of records are enough, the tag and the reason of the newest error that are wanted
-- ('' for any; of those in the merged list as many as of one index are looked at), then the
-- ready lists wanted.
-- Reply: {-1} if the epoch is stale; else the sequence number down to which all were
-- looked at ('' if there are no more), then id and sequence number of each.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[1]) then return { -1 } end
local high, low, limit, scan, enough = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
local wanted, lists = {}, {}
for i = 1, #ARGV[5] do wanted[tonumber(string.sub(ARGV[5], i, i))] = true end
local tag, reason = ARGV[8], ARGV[9]
-- What is taken of the merged list: ids to return, or to look at.
local by_record = tag ~= '' or reason ~= ''
local most = by_record and scan or limit
for i = 10, #ARGV do lists[tonumber(ARGV[i])] = true end
local found, down_to = {}, -1

-- read returns what an index has, as ids and scores in turn, at most n of them.
local function read(key, base, n)
  local got = redis.call('ZREVRANGEBYSCORE', key, digits(base + high), digits(base + low), 'WITHSCORES', 'LIMIT', 0, n)
  if #got == 2 * n then down_to = math.max(down_to, tonumber(got[#got]) - base) end
  return got
end
local function take(key, base)
  local got = read(key, base, most)
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
if #found > most then down_to = math.max(down_to, found[most][2]) end

-- uvarint returns the number at a place of a record, and the place behind it.
local function uvarint(s, at)
  local n, unit = 0, 1
  for i = at, math.min(at + 8, #s) do
    local b = string.byte(s, i)
    n = n + b % 128 * unit
    if b < 128 then return n, i + 1 end
    unit = unit * 128
  end
  return 0, #s + 1
end
-- has_tag reports whether the options of a record, which are JSON, have the tag.
local function has_tag(record)
  local version = (string.byte(record) or 0) - 1
  if version < 0 or version > 31 or math.floor(version / 2) % 2 == 0 then return false end
  local at = HEAD_SIZE + 1 + (version >= 16 and 16 or 0)
  for _ = 1, 2 do
    local _
    _, at = uvarint(record, at)
  end
  for _ = 1, 3 do
    local n
    n, at = uvarint(record, at)
    at = at + n
  end
  local n, from = uvarint(record, at)
  local ok, options = pcall(cjson.decode, string.sub(record, from, from + n - 1))
  for _, name in ipairs(ok and type(options) == 'table' and type(options.tags) == 'table' and options.tags or {}) do
    if name == tag then return true end
  end
  return false
end
-- has_reason reports whether the newest of the errors, as append_error.lua writes them,
-- has the reason.
local function has_reason(errors)
  local pos, newest = 1, nil
  while pos + 21 <= #errors do
    newest, pos = pos + 22, pos + 22 + struct.unpack('>I4', errors, pos + 18)
  end
  return newest ~= nil and string.sub(errors, newest, newest + #reason) == reason .. '\0'
end
local function wanted_by_record(id)
  local record = tag ~= '' and (redis.call('HGET', K.tasks, id) or '')
  local errors = reason ~= '' and (redis.call('HGET', K.errors, id) or '')
  enough = enough - #(record or '') - #(errors or '')
  return (not record or has_tag(record)) and (not errors or has_reason(errors))
end

local out, count = { '' }, 0
for i = 1, math.min(most, #found) do
  local id, seq = found[i][1], found[i][2]
  if seq < down_to then break end
  if not by_record or wanted_by_record(id) then
    count = count + 1
    out[2 * count] = id
    out[2 * count + 1] = digits(seq)
  end
  if by_record and i < #found and (count == limit or enough <= 0) then
    down_to = math.max(down_to, seq)
    break
  end
end
if down_to >= 0 then out[1] = digits(down_to) end
return out
