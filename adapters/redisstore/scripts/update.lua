-- Records how runs ended. The first write is a removal, so that finishing works
-- when memory is full.
-- KEYS: state, active, completed, failed, retrying, due, results, errors,
-- finished, unique, unique_of, meta.
-- ARGV: clock offset, wake channel, then for each report: task id, claim id,
-- delivery, status to go to, result or failure, microseconds until the retry.
-- Reply: for each 1, or 0 if the lease is not held.
local state, active, completed, failed, retrying, due, results, errors, finished, unique, unique_of, meta =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local now = store_now(ARGV[1])
local ids = {}
for i = 3, #ARGV, 6 do ids[#ids + 1] = ARGV[i] end

local out, done, changed, ended, over = {}, {}, {}, {}, {}
local lists = { [COMPLETED] = {}, [FAILED] = {}, [RETRYING] = {} }
local kept, failures, dues, first_due, seen = {}, {}, {}, nil, {}
for n, s in ipairs(get_many('HMGET', state, ids)) do
  local at = 3 + (n - 1) * 6
  local id, claim, delivery, to, bytes = ids[n], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
  local t = unpack_state(seen[id] or s)
  local mine = t and t.claim == claim and t.deliveries == delivery
  if mine and t.status == to then
    out[n] = 1
  elseif mine and t.status == PROCESSING then
    out[n] = 1
    t.attempt = t.attempt + 1
    t.status = to
    if to == COMPLETED then
      if bytes ~= '' then
        kept[#kept + 1] = id
        kept[#kept + 1] = bytes
      end
    else
      failures[#failures + 1] = { id, t.attempt, t.started, bytes }
    end
    if to == RETRYING then
      t.scheduled = now + tonumber(ARGV[at + 5])
      dues[#dues + 1] = num(t.scheduled)
      dues[#dues + 1] = id
      first_due = math.min(first_due or t.scheduled, t.scheduled)
    else
      t.finished = math.max(now, t.started)
      ended[#ended + 1] = finish_entry(id, t.finished)
      over[#over + 1] = id
    end
    local list = lists[to]
    list[#list + 1] = num(t.seq)
    list[#list + 1] = id
    seen[id] = pack_state(t)
    done[#done + 1] = id
    changed[#changed + 1] = id
    changed[#changed + 1] = seen[id]
  else
    out[n] = 0
  end
end
if #done == 0 then return out end

call_many('ZREM', active, done)
call_many('HSET', state, changed)
if #lists[COMPLETED] > 0 then call_many('ZADD', completed, lists[COMPLETED]) end
if #lists[FAILED] > 0 then call_many('ZADD', failed, lists[FAILED]) end
if #lists[RETRYING] > 0 then
  call_many('ZADD', retrying, lists[RETRYING])
  local head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  call_many('ZADD', due, dues)
  if not head[2] or first_due < tonumber(head[2]) then wake(meta, ARGV[2]) end
end
if #kept > 0 then call_many('HSET', results, kept) end
for _, f in ipairs(failures) do
  redis.call('HSET', errors, f[1], append_error(redis.call('HGET', errors, f[1]), f[2], f[3], now, f[4]))
end
if #ended > 0 then
  call_many('RPUSH', finished, ended)
  free_unique(unique, unique_of, over)
end
return out
