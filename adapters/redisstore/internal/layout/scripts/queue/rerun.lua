-- Runs FAILED and CANCELLED tasks again: ready at once, with all their retries.
-- KEYS: as in keys.lua. ARGV: clock offset, epoch, wake
-- channel, then ids.
-- Reply: {-1} if the epoch is stale; else for each 0 if it is ready, or waits for others of
-- its workflow, -2 if there is no such task, its status if that forbids it, -10 - status if its workflow does, or the id of the task that
-- holds its unique key.
-- include: queue/common
-- include: queue/keys
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local now = store_now(ARGV[1])
emit_if_read(now)
local out, notify = {}, false
local function is_done(t) return t.status == FAILED or t.status == CANCELLED end
for i = 4, #ARGV do
  local id = ARGV[i]
  local t = locate(id)
  local key = t and redis.call('HGET', K.unique_of, id)
  local holder = key and redis.call('HGET', K.unique, key)
  local till = holder and redis.call('ZSCORE', K.unique_until, key)
  local node, flow, field, unfinished, unmet = nil, nil, nil, 0, 0
  if t and is_done(t) then
    node, flow, field = node_of(id)
    if node then
      -- See NODE in workflows.lua. One of a workflow that is being removed or cancelled runs no more.
      unfinished, unmet = struct.unpack('>I4I4', #node > 10 and node or string.rep('\255', 10), 3)
      if redis.call('HEXISTS', flow, 'z') + redis.call('HEXISTS', flow, 'x') > 0 then unmet = 1 end
    end
  end
  if not t then
    out[#out + 1] = -2
  elseif not is_done(t) then
    out[#out + 1] = t.status
  elseif holder and holder ~= id and (not till or tonumber(till) > now) then
    out[#out + 1] = holder
  elseif unmet > 0 then
    out[#out + 1] = -10 - t.status
  else
    leave(id, t)
    emit(id, t.status, PENDING, 0, t.list_no)
    t.attempt, t.recoveries, t.scheduled, t.finished, t.claim = 0, 0, 0, 0, NO_CLAIM
    if key then
      redis.call('HSET', K.unique, key, id)
      redis.call('ZREM', K.unique_until, key)
    end
    if t.deliveries == 0 then
      local record = redis.call('HGET', K.tasks, id) or ''
      -- What it says in its options stays, so that a repeated enqueue is known.
      if times(record) ~= 0 then
        redis.call('HSET', K.tasks, id, string.sub(record, 1, 12) .. string.rep('\0', 8) .. string.sub(record, 21))
      end
    end
    if node then
      redis.call('HSET', flow, field, (unfinished > 0 and '\1' or '\0') .. string.sub(node, 2))
    end
    if unfinished > 0 then
      t.status = PENDING
      redis.call('HSET', K.state, id, pack_state(t))
      redis.call('ZADD', K.scheduled, digits(t.seq), id)
    else
      make_ready(id, t)
      notify = true
    end
    -- The next may be of those that wait for it.
    if node and i < #ARGV then K.follow(now) end
    out[#out + 1] = 0
  end
end
emit_all(now)
if notify then notify_claim(K.meta, ARGV[3]) end
return out
