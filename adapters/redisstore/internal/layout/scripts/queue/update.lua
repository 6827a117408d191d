-- Records how runs ended. The first write is a removal, so that finishing works
-- when memory is full.
-- KEYS: state, active, completed, failed, retrying, due, results, errors,
-- finished, unique, unique_of, meta, events, tasks, kept; scheduled too if a task is
-- snoozed.
-- ARGV: clock offset, wake channel, then for each report: task id, fence and the
-- status to go to in one; result or failure; microseconds until the next run.
-- Reply: for each 1, or 0 if the lease is not held.
local state, active, completed, failed, retrying, due, results, errors, finished, unique, unique_of, meta =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local PENDING, PROCESSING, COMPLETED, FAILED, RETRYING = 1, 2, 3, 4, 5
local now = store_now(ARGV[1])
local now_packed = struct.pack('>I7', now)
local sub, byte, char, pack_in, unpack_from = string.sub, string.byte, string.char, struct.pack, struct.unpack
local ids = {}
for i = 3, #ARGV, 3 do ids[#ids + 1] = sub(ARGV[i], 1, 16) end

-- The offsets into a state are those of its description in common.lua.
local out, done, changed, completes, ended, own, over = {}, {}, {}, {}, {}, {}, {}
local kept, failures, fails, retries, snoozes, dues, first_due, seen = {}, {}, {}, {}, {}, {}, nil, {}
for n, s in ipairs(get_many('HMGET', state, ids)) do
  local at = 3 * n
  local id, head, bytes = ids[n], ARGV[at], ARGV[at + 1]
  local to = byte(head, 35)
  s = seen[id] or s
  local status = s and sub(s, 27, 44) == sub(head, 17, 34) and byte(s, 1) % 8
  if status == to then
    out[n] = 1
  elseif status == PROCESSING then
    out[n] = 1
    local attempt = math.min(byte(s, 4) + 1, 255)
    local seq, started = unpack_from('>I7I7', s, 6)
    local ends, rest = now_packed, sub(s, 45)
    if to == RETRYING or to == PENDING then
      local at_us = now + tonumber(ARGV[at + 2])
      ends, rest = sub(s, 20, 26), pack_in('>I7', at_us)
      dues[#dues + 1] = digits(at_us)
      dues[#dues + 1] = id
      if not first_due or at_us < first_due then first_due = at_us end
      local waits = retries
      if to == PENDING then
        waits, attempt = snoozes, byte(s, 4)
      end
      waits[#waits + 1] = digits(seq)
      waits[#waits + 1] = id
    else
      if started > now then ends = sub(s, 13, 19) end
      if byte(s, 1) < 128 then ended[#ended + 1] = id .. ends else own[#own + 1] = { id, unpack_from('>I7', ends) } end
      over[#over + 1] = id
      if to == COMPLETED then
        completes[#completes + 1] = digits(seq)
        completes[#completes + 1] = id
        if bytes ~= '' then
          kept[#kept + 1] = id
          kept[#kept + 1] = bytes
        end
      else
        fails[#fails + 1] = digits(seq)
        fails[#fails + 1] = id
      end
    end
    if to ~= COMPLETED and to ~= PENDING then failures[#failures + 1] = { id, attempt, started, bytes } end
    s = char(byte(s, 1) - PROCESSING + to) .. sub(s, 2, 3) .. char(attempt) .. sub(s, 5, 19) .. ends .. sub(s, 27, 44) .. rest
    seen[id] = s
    done[#done + 1] = id
    changed[#changed + 1] = id
    changed[#changed + 1] = s
  else
    out[n] = 0
  end
end
if #done == 0 then return out end

call_many('ZREM', active, done)
call_many('HSET', state, changed)
if #completes > 0 then call_many('ZADD', completed, completes) end
if #fails > 0 then call_many('ZADD', failed, fails) end
if #retries > 0 then call_many('ZADD', retrying, retries) end
if #snoozes > 0 then call_many('ZADD', KEYS[16], snoozes) end
if #dues > 0 then
  local head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  call_many('ZADD', due, dues)
  if (not head[2] or first_due < tonumber(head[2])) and redis.call('HDEL', meta, 'idle') == 1 then
    redis.call('PUBLISH', ARGV[2], '1')
  end
end
if #kept > 0 then call_many('HSET', results, kept) end
if #failures > 0 then
  -- include: queue/append_error
  for _, f in ipairs(failures) do
    redis.call('HSET', errors, f[1], append_error(redis.call('HGET', errors, f[1]), f[2], f[3], now, f[4]))
  end
end
if #over > 0 then
  if #ended > 0 then call_many('RPUSH', finished, ended) end
  for _, o in ipairs(own) do
    -- The offset into a record is that of times in common.lua.
    local record = redis.call('HGET', KEYS[14], o[1])
    local retention = record and #record >= 28 and unpack_from('>d', record, 21) or 0
    redis.call('ZADD', KEYS[15], digits(o[2] + retention), o[1])
  end
  if redis.call('HLEN', unique_of) > 0 then
    for i, key in ipairs(get_many('HMGET', unique_of, over)) do
      if key and redis.call('HGET', unique, key) == over[i] then redis.call('HDEL', unique, key) end
    end
  end
end
local m = redis.call('HMGET', meta, 'watch', 'follow')
local reads, follow = m[1] and (tonumber(m[1]) or 0) > now, m[2]
if reads or follow then
  local K, emit, emit_all, reasons = { meta = meta, events = KEYS[13] }, nil, nil, {}
  -- include: queue/steps
  for _, f in ipairs(failures) do reasons[f[1]] = string.match(f[4], '^%Z*') end
  for i, id in ipairs(done) do
    local s = changed[2 * i]
    emit(id, PROCESSING, byte(s, 1) % 8, byte(s, 4), unpack_from('>H', s, 2), reasons[id])
  end
  emit_all(now)
end
return out
