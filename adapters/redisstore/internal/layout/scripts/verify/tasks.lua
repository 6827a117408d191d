-- Compares all that the store holds of some tasks, in one step, and mends what is
-- broken if it is asked to. All of a task is read before the first write to it.
--
-- The client has read the records, which hardly ever change while a task lives, and
-- says what it found in them. A task whose record is another one by now is left
-- alone: it was deleted, and perhaps stored again, meanwhile.
-- KEYS: as in queue/keys.lua, then the quarantine.
-- ARGV: clock offset, epoch as it is stored, number of ready keys,
-- what to do, wake channel, longest lease in microseconds, most bytes of a record that
-- the quarantine keeps, its most records, then for each task: id, size of its record
-- (-1: none), SHA-1 of it or '' for not to compare it, what keeps it from being read
-- ('' nothing), ready list of its queue and type (-1: none), ready list that the record says,
-- priority, scheduled_at as in the record, unique key that it holds in some states, 1 if only
-- until it is claimed, when it expires and how long it is kept as in the record.
-- What to do: 'scan' looks for a task in the ready list of the record only, 'check' in
-- all, 'repair' mends.
-- Reply: {-1} if the epoch is stale; else the highest sequence number that was
-- seen, then for each finding: id, kind, place, detail, action. The kind 'moved'
-- tells of a record that is another one by now.
-- include: queue/common
-- include: queue/keys
-- num writes any double, since what is damaged may hold one that digits cannot.
local function num(n) return string.format('%.0f', n) end
local now = store_now(ARGV[1])
local mode, ready_keys, longest = ARGV[4], tonumber(ARGV[3]), tonumber(ARGV[6])
if epoch_stale(K.meta, ARGV[2]) then return { -1 } end
local quarantine = KEYS[#KEYS]
local FIRST, PER_TASK = 9, 12
local DAY = 86400000000
local EVER = 5000000000000000 -- 2128, after every time that a task may have

local INDEXES = { 'scheduled', 'active', 'retrying', 'completed', 'failed', 'cancelled' }
local HOME = { [PROCESSING] = 'active', [RETRYING] = 'retrying', [COMPLETED] = 'completed',
  [FAILED] = 'failed', [CANCELLED] = 'cancelled' }
local NAME = { 'PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'RETRYING', 'CANCELLED' }

local ids = {}
for at = FIRST, #ARGV, PER_TASK do ids[#ids + 1] = ARGV[at] end
local function facts_of(n)
  local at = FIRST + (n - 1) * PER_TASK
  return {
    id = ARGV[at], size = tonumber(ARGV[at + 1]), sha = ARGV[at + 2], problem = ARGV[at + 3],
    list_no = tonumber(ARGV[at + 4]), own_list = tonumber(ARGV[at + 5]), prio = tonumber(ARGV[at + 6]),
    sched = tonumber(ARGV[at + 7]), key = ARGV[at + 8],
    waits = ARGV[at + 9] == '1',
    expires = tonumber(ARGV[at + 10]), retention = tonumber(ARGV[at + 11]),
  }
end
-- A finished task enters the list of those, which nothing here reads: this makes
-- a foreign key in its place fail the script before it writes.
redis.call('LLEN', K.finished)
local last_seq = tonumber(redis.call('HGET', K.meta, 'seq') or 0) or 0
local newest = math.max(last_seq, now - SEQUENCE_START + DAY)
local highest, notify, used = 0, false, false
local states, holds = get_many('HMGET', K.state, ids), get_many('HMGET', K.unique_of, ids)
local dues, scores = get_many('ZMSCORE', K.due, ids), {}
local expiries, kepts = get_many('ZMSCORE', K.expiring, ids), get_many('ZMSCORE', K.kept, ids)
for _, part in ipairs(INDEXES) do scores[part] = get_many('ZMSCORE', K[part], ids) end
local out = { '0' }

-- waiting are the tasks that wait for others of their workflow, see queue/workflows.lua: they
-- are scheduled, and due at no time.
local waiting, part_of = {}, string.sub(K.meta, 1, -5)
if redis.call('TYPE', part_of .. 'nodes').ok == 'hash' then
  for n, at in ipairs(get_many('HMGET', part_of .. 'nodes', ids)) do
    local node = at and redis.pcall('HGET', part_of .. 'workflow:' .. string.sub(at, 1, 16), 'n' .. string.sub(at, 17))
    waiting[n] = type(node) == 'string' and string.byte(node) == 1
  end
end

-- new_seq is for a task whose own sequence number is lost.
local function new_seq()
  last_seq, used = math.max(now - SEQUENCE_START, last_seq + 1), true
  return last_seq
end
local function plausible(seq) return seq and seq > 0 and seq <= newest and seq % 1 == 0 end
local function is_time(us, latest) return us >= 0 and us <= latest end
local function unfinished(status) return status == PENDING or status == PROCESSING or status == RETRYING end
local function finished(status) return not unfinished(status) end

-- attempts_of reads the number of the last attempt off the kept errors.
local function attempts_of(id)
  local all, pos, attempt = redis.call('HGET', K.errors, id) or '', 1, 0
  while pos + 21 <= #all do
    attempt = struct.unpack('>H', all, pos)
    pos = pos + 22 + struct.unpack('>I4', all, pos + 18)
  end
  return math.min(attempt, 255)
end

-- state_problems says why a state cannot be, if the record can be read. One that
-- has a single fault is believed in the rest.
local function state_problems(t, f)
  local out = {}
  if t.list_no ~= f.own_list and t.list_no ~= f.list_no then out[#out + 1] = 'its lane is not that of the record' end
  if t.kept ~= (f.retention > 0) then out[#out + 1] = 'its retention is not that of the record' end
  if t.prio ~= f.prio then out[#out + 1] = 'its priority is not that of the record' end
  if not plausible(t.seq) then out[#out + 1] = 'its sequence number cannot be' end
  if t.scheduled and not is_time(t.scheduled, EVER) or t.status == RETRYING and not t.scheduled
    or not is_time(t.started, now + DAY) or not is_time(t.finished, now + DAY)
    or finished(t.status) and t.finished == 0 then
    out[#out + 1] = 'its times cannot be'
  end
  return out
end

-- time_of is when a task is to run: its record says so, unless its state does.
local function time_of(w, f)
  return w.scheduled or f.sched < 0 and SEQUENCE_START + w.seq - f.sched or f.sched
end

-- expiry_of is when a task expires that is in this state, nil for never. removal_of is
-- when its own retention has passed, nil if it has none or has not finished.
local function expiry_of(status, deliveries, seq, expires)
  if status ~= PENDING or deliveries > 0 or expires == 0 then return nil end
  return expires < 0 and SEQUENCE_START + seq - expires or expires
end
local function removal_of(t, retention)
  return t and t.kept and finished(t.status) and retention > 0 and t.finished + retention or nil
end

-- must_hold tells whether an unfinished task has to hold its unique key, and may_hold
-- whether it can.
local function must_hold(t, waits) return not waits or not t or t.status == PENDING and t.deliveries == 0 end
local function may_hold(t, waits) return not waits or t.status == PENDING end

-- held_by_another tells whether an unfinished task other than id has the key, or somebody
-- for a time.
local function held_by_another(key, holder, id)
  if not holder or holder == id then return false end
  if redis.call('ZSCORE', K.unique_until, key) then return true end
  if redis.call('HGET', K.unique_of, holder) ~= key then return false end
  if redis.call('HEXISTS', K.tasks, holder) == 0 then return false end
  local t = unpack_state(redis.call('HGET', K.state, holder))
  return not t or unfinished(t.status)
end

-- is_well is the short way for a scan, where hardly a task is broken: it says no
-- too often rather than too seldom.
local function is_well(n)
  local at = FIRST + (n - 1) * PER_TASK
  local id, list_no, key = ARGV[at], ARGV[at + 5], ARGV[at + 8]
  if ARGV[at + 3] ~= '' or list_no ~= ARGV[at + 4] or tonumber(list_no) >= ready_keys then return false end
  if redis.call('HSTRLEN', K.tasks, id) ~= tonumber(ARGV[at + 1]) then return false end
  local t = unpack_state(states[n])
  if states[n] and not t then return false end
  local status, prio = t and t.status or PENDING, tonumber(ARGV[at + 6])
  local ready = redis.call('ZSCORE', K.ready(tonumber(list_no)), id)
  local places, score = 0, ready
  for part, list in pairs(scores) do
    if list[n] then
      places, score = places + 1, list[n]
    end
  end
  if places + (ready and 1 or 0) ~= 1 then return false end
  score = tonumber(score)
  local seq, due, is_due = score, nil, dues[n]
  if ready then seq = score - (10 - prio) * WIDTH end
  if t then
    if t.kept ~= (tonumber(ARGV[at + 11]) > 0) or t.list_no ~= tonumber(list_no) or t.prio ~= prio or t.started > now + DAY or t.finished > now + DAY then return false end
    seq = t.seq
  end
  if not plausible(seq) then return false end
  local is_open = true
  if status == PENDING or status == RETRYING then
    if ready then
      if status ~= PENDING or waiting[n] or score ~= (10 - prio) * WIDTH + seq then return false end
    else
      if score ~= seq or not scores[HOME[status] or 'scheduled'][n] then return false end
      due = t and t.scheduled or status == PENDING and tonumber(ARGV[at + 7])
      if not due then return false end
      if status == PENDING and waiting[n] then due = nil end
      if due and due < 0 then due = SEQUENCE_START + seq - due end
    end
  elseif status == PROCESSING then
    if not scores.active[n] or t.claim == NO_CLAIM or not (score > 0 and score <= now + longest + DAY / 1440) then return false end
  else
    is_open = false
    if not scores[HOME[status]][n] or score ~= seq or t.finished == 0 then return false end
  end
  if (is_due and tonumber(is_due) or nil) ~= due then return false end
  if (expiries[n] and tonumber(expiries[n]) or nil) ~= expiry_of(status, t and t.deliveries or 0, seq, tonumber(ARGV[at + 10])) then return false end
  if (kepts[n] and tonumber(kepts[n]) or nil) ~= removal_of(t, tonumber(ARGV[at + 11])) then return false end
  if (holds[n] or '') ~= key then return false end
  if key ~= '' and is_open then
    local waits, holds_it = ARGV[at + 9] == '1', redis.call('HGET', K.unique, key) == id
    if holds_it and not may_hold(t or { status = PENDING }, waits) or not holds_it and must_hold(t, waits) then return false end
  end
  if seq > highest then highest = seq end
  return true
end

local function judge(n)
  local f = facts_of(n)
  local id, raw = f.id, states[n]
  local removals, writes = {}, {}
  local function report(kind, place, detail, action)
    for _, v in ipairs({ id, kind, place, detail, mode == 'repair' and action or '' }) do out[#out + 1] = v end
    return #out
  end
  local function remove(...) removals[#removals + 1] = { ... } end
  local function write(...) writes[#writes + 1] = { ... } end
  local function apply()
    if mode ~= 'repair' or #removals + #writes == 0 then return end
    -- A removal first lets the rest through when memory is full. Without events,
    -- their readers begin anew, and so learn of what is mended.
    redis.call('HDEL', K.meta, '')
    redis.call('DEL', K.events)
    for _, command in ipairs(removals) do redis.call(unpack(command)) end
    for _, command in ipairs(writes) do redis.call(unpack(command)) end
  end

  local size = redis.call('HSTRLEN', K.tasks, id)
  if size == 0 and redis.call('HEXISTS', K.tasks, id) == 0 then size = -1 end
  if size ~= f.size then return report('moved', '', '', '') end
  local record
  if f.size >= 0 and f.sha ~= '' then
    record = redis.call('HGET', K.tasks, id)
    if redis.sha1hex(record) ~= f.sha then return report('moved', '', '', '') end
  end

  -- Where it is: the score by place, and the places in a fixed order.
  local score, places, in_ready = {}, {}, nil
  local function put(place, value)
    if value then
      score[place] = tonumber(value)
      places[#places + 1] = place
    end
  end
  if mode == 'scan' then
    if f.own_list >= 0 and f.own_list < ready_keys then
      put('ready:' .. f.own_list, redis.call('ZSCORE', K.ready(f.own_list), id))
    end
  else
    for list_no = 0, ready_keys - 1 do put('ready:' .. list_no, redis.call('ZSCORE', K.ready(list_no), id)) end
  end
  in_ready = places[1]
  for _, part in ipairs(INDEXES) do put(part, scores[part][n]) end
  local function key_of(place)
    local list_no = string.match(place, '^ready:(%d+)$')
    return list_no and K.ready(tonumber(list_no)) or K[place]
  end

  local function free_key()
    if holds[n] and redis.call('HGET', K.unique, holds[n]) == id then remove('HDEL', K.unique, holds[n]) end
  end

  -- Without a record there is no task.
  if f.size < 0 then
    local rest = {}
    for _, place in ipairs(places) do
      rest[#rest + 1] = place
      remove('ZREM', key_of(place), id)
    end
    if dues[n] then
      rest[#rest + 1] = 'due'
      remove('ZREM', K.due, id)
    end
    for part, at in pairs({ expiring = expiries[n], kept = kepts[n] }) do
      if at then
        rest[#rest + 1] = part
        remove('ZREM', K[part], id)
      end
    end
    for _, part in ipairs({ 'state', 'results', 'errors', 'unique_of' }) do
      if redis.call('HEXISTS', K[part], id) == 1 then
        rest[#rest + 1] = part
        remove('HDEL', K[part], id)
      end
    end
    free_key()
    if #rest > 0 then
      report('record_missing', rest[1], 'it has no record, but is in ' .. table.concat(rest, ', '), 'removed what was left of it')
    end
    return apply()
  end

  -- What it should be: w is its state, and home the one index to be in. told is
  -- where the action of a finding stands that explains what else is not right.
  local t = unpack_state(raw)
  local w, home, due, reported, just_finished, keep_fresh, lost_seq
  local function seq_of_place()
    for _, place in ipairs(places) do
      local seq = score[place]
      if place ~= 'active' then
        if string.sub(place, 1, 5) == 'ready' then
          local mine = f.prio and seq - (10 - f.prio) * WIDTH
          seq = plausible(mine) and mine or seq % WIDTH
        end
        if plausible(seq) then return seq end
      end
    end
    lost_seq = true
    return new_seq()
  end
  local function new_state(status, attempt)
    return { status = status, list_no = 0, prio = 0, deliveries = attempt, attempt = attempt, recoveries = 0,
      seq = seq_of_place(), started = 0, finished = 0, claim = NO_CLAIM }
  end
  local function due_or(other)
    local at = dues[n] and tonumber(dues[n])
    return at and is_time(at, EVER) and math.floor(at) or other
  end
  local function finish(status)
    w.status, w.finished, w.claim, just_finished = status, now, NO_CLAIM, true
  end
  -- keep_bytes puts the record into the quarantine and says so.
  local function keep_bytes(action)
    if redis.call('HEXISTS', quarantine, id) == 0 and redis.call('HLEN', quarantine) >= tonumber(ARGV[8]) then
      return action .. '; the quarantine is full'
    end
    record = record or redis.call('HGET', K.tasks, id)
    write('HSET', quarantine, id, struct.pack('>BdI4I2', 1, now, #record, #f.problem) .. f.problem
      .. string.sub(record, 1, tonumber(ARGV[7])))
    return action .. ', its bytes kept in the quarantine'
  end

  if #id ~= 16 then
    -- What has no id can be no task: nobody could ask for it.
    for _, place in ipairs(places) do remove('ZREM', key_of(place), id) end
    remove('ZREM', K.due, id)
    remove('ZREM', K.expiring, id)
    remove('ZREM', K.kept, id)
    free_key()
    for _, part in ipairs({ 'tasks', 'state', 'results', 'errors', 'unique_of' }) do remove('HDEL', K[part], id) end
    report('record_corrupt', 'tasks', f.problem, keep_bytes('removed'))
    return apply()
  elseif f.problem ~= '' then
    local ended = t and finished(t.status)
    if t and plausible(t.seq) then
      w = t
      w.kept = false
    else w = new_state(ended and t.status or PENDING, attempts_of(id))
    end
    if not ended then
      finish(FAILED)
      write('HSET', K.errors, id, append_error(redis.call('HGET', K.errors, id), w.attempt, 0, now,
        string.format('corrupt_record\0%s\0', f.problem)))
      free_key()
      reported = report('record_corrupt', 'tasks', f.problem, keep_bytes('FAILED'))
    else
      if not is_time(w.finished, now + DAY) or w.finished == 0 then finish(w.status) end
      if just_finished or redis.call('HEXISTS', quarantine, id) == 0 and redis.call('HLEN', quarantine) < tonumber(ARGV[8]) then
        reported = report('record_corrupt', 'tasks', f.problem, keep_bytes('left ' .. NAME[w.status]))
      end
    end
  else
    local problems = t and state_problems(t, f) or { raw and 'it cannot be read' }
    if t and #problems == 0 then
      w = t
    elseif t and #problems == 1 then
      w = t
      if w.list_no ~= f.list_no then w.list_no = f.own_list end
      w.prio, w.kept = f.prio, f.retention > 0
      if not plausible(w.seq) then w.seq = seq_of_place() end
      if not is_time(w.started, now + DAY) then w.started = 0 end
      if w.status == RETRYING and not w.scheduled or w.scheduled and not is_time(w.scheduled, EVER) then
        w.scheduled = due_or(0)
      end
      if not is_time(w.finished, now + DAY) or w.finished == 0 and finished(w.status) then
        w.finished = 0
        if finished(w.status) then finish(w.status) end
      end
      reported = report('state_corrupt', 'state', 'its state is damaged: ' .. problems[1], 'corrected it')
    else
      -- The index says what the state does not.
      local status = PENDING
      if not in_ready and not score.scheduled then
        for _, code in ipairs({ RETRYING, CANCELLED, FAILED, COMPLETED }) do
          if score[HOME[code]] then status = code end
        end
      end
      keep_fresh = not raw and status == PENDING and (in_ready or score.scheduled or not score.active)
      w = new_state(status, keep_fresh and 0 or attempts_of(id))
      w.list_no, w.prio, w.kept = f.own_list, f.prio, f.retention > 0
      if status == RETRYING then w.scheduled = due_or(0)
      elseif lost_seq and status == PENDING and f.sched < 0 then w.scheduled = due_or(nil)
      end
      if finished(status) then finish(status) end
      if not keep_fresh then
        reported = report('state_corrupt', 'state', raw and 'its state is damaged: ' .. table.concat(problems, ', ')
          or 'it is in ' .. places[1] .. ' and has no state', 'made a new one: ' .. NAME[status])
      end
    end
    if w.status == PROCESSING and w.claim == NO_CLAIM then
      w.status = PENDING
      reported = report('claim_missing', 'state', 'it is PROCESSING for no claim', 'made PENDING')
    end
    if f.list_no < 0 then return report('lane_wrong', 'tasks', 'its queue and type have no lane', '') end
    if f.list_no ~= f.own_list then
      reported = report('lane_wrong', 'tasks',
        string.format('its record says lane %d, its queue and type have lane %d', f.own_list, f.list_no), 'corrected its lane')
      record = record or redis.call('HGET', K.tasks, id)
      write('HSET', K.tasks, id, string.sub(record, 1, 1) .. struct.pack('>H', f.list_no) .. string.sub(record, 4))
      w.list_no = f.list_no
    end
  end
  if not lost_seq and w.seq > highest then highest = w.seq end

  -- A PENDING task is where it is, if that can be: only a task that is in both
  -- indexes, or in none, goes where its time says.
  home = HOME[w.status]
  if w.status == PENDING then
    local ready = 'ready:' .. w.list_no
    if not waiting[n] and not score[ready] and not score.scheduled and due_or(nil) ~= time_of(w, f) then
      w.scheduled = due_or(w.scheduled) -- It was to become ready at this time.
    end
    local later = time_of(w, f) > now
    if score.active and not score.scheduled then later = false end
    if waiting[n] then home = 'scheduled'
    elseif score[ready] and score.scheduled then home = later and 'scheduled' or ready
    elseif score.scheduled then home = 'scheduled'
    elseif in_ready then home = ready
    else home = later and 'scheduled' or ready
    end
  end
  local at = w.seq
  if w.status == PENDING and home ~= 'scheduled' then at = (10 - w.prio) * WIDTH + w.seq end
  if w.status == PROCESSING then at = score.active or now end
  local others = {}
  for _, place in ipairs(places) do
    if place ~= home then
      others[#others + 1] = place
      remove('ZREM', key_of(place), id)
    end
  end
  local elsewhere = table.concat(others, ', ')
  if reported then
    if mode == 'repair' and not score[home] then out[reported] = out[reported] .. ', put into ' .. home end
    if mode == 'repair' and #others > 0 then out[reported] = out[reported] .. ', removed from ' .. elsewhere end
  else
    if score[home] and #others > 0 then
      report('index_duplicate', others[1], 'it is ' .. NAME[w.status] .. ' in ' .. home .. ', and in ' .. elsewhere .. ' too', 'removed from ' .. elsewhere)
    elseif not score[home] and w.status == PROCESSING then
      report('lease_missing', home, #others == 0 and 'it is PROCESSING without a lease'
        or 'it is PROCESSING without a lease, and in ' .. elsewhere, 'given a lease that has expired, for the reaper to take it back')
    elseif not score[home] and #others > 0 then
      report('index_wrong', others[1], 'it is ' .. NAME[w.status] .. ', and in ' .. elsewhere, 'moved to ' .. home)
    elseif not score[home] then
      report('not_indexed', home, 'it is ' .. NAME[w.status] .. ', and in no index', 'put into ' .. home)
    end
  end
  if not score[home] then
    write('ZADD', key_of(home), num(at), id)
  elseif w.status == PROCESSING then
    if not (at > 0 and at <= now + longest + DAY / 1440) then
      report('lease_endless', home, string.format('its lease ends at %s, later than any may', num(at)), 'ended its lease, for the reaper to take it back')
      write('ZADD', K.active, num(now), id)
    end
  elseif score[home] ~= at then
    if not reported then
      report('score_wrong', home, string.format('its score is %s and should be %s', num(score[home]), num(at)), 'put in its place')
    end
    write('ZADD', key_of(home), num(at), id)
  end
  if home == 'ready:' .. w.list_no and score[home] ~= at then notify = true end

  -- When it is due.
  local is_due = dues[n] and tonumber(dues[n])
  if home == 'scheduled' and not waiting[n] or home == 'retrying' then due = time_of(w, f) end
  if due and is_due ~= due then
    if not reported and score[home] and #others == 0 then
      report(is_due and 'due_wrong' or 'due_missing', 'due', is_due and string.format('it is due at %s and should be at %s', num(is_due), num(due))
        or 'it is in ' .. home .. ' and never due', 'made due at its time')
    end
    write('ZADD', K.due, num(due), id)
    notify = true
  elseif is_due and not due then
    if not reported and score[home] and #others == 0 then
      report('due_stray', 'due', 'it is ' .. NAME[w.status] .. ' and due', 'removed from due')
    end
    remove('ZREM', K.due, id)
  end

  -- When it expires, and when its own retention has passed.
  local function timed(kind, place, has, want, told)
    has = has and tonumber(has) or nil
    if has == want then return end
    if not reported then
      report(kind, place, told, want and 'put at its time' or 'removed')
    end
    if want then write('ZADD', K[place], num(want), id) else remove('ZREM', K[place], id) end
  end
  timed('expiry_wrong', 'expiring', expiries[n], f.problem == '' and expiry_of(w.status, w.deliveries, w.seq, f.expires) or nil,
    'it expires at another time than its record says, or not at all')
  if f.problem == '' and w.kept and just_finished then
    write('ZADD', K.kept, num(w.finished + f.retention), id)
    just_finished = false
  else
    timed('retention_wrong', 'kept', kepts[n], f.problem == '' and removal_of(w, f.retention) or nil,
      'it is to be removed at another time than its record says, or never')
  end

  -- Whether it holds its unique key.
  if f.problem == '' then
    local key, kept = f.key, holds[n]
    if key == '' or (kept and kept ~= key) then
      if kept then
        report('unique_wrong', 'unique_of', 'it is said to have another unique key than its record has', 'made to agree with its record')
        if redis.call('HGET', K.unique, kept) == id then remove('HDEL', K.unique, kept) end
        remove('HDEL', K.unique_of, id)
      end
    end
    if key ~= '' then
      local holder = redis.call('HGET', K.unique, key)
      local taken = held_by_another(key, holder, id)
      if unfinished(w.status) and holder == id and not may_hold(w, f.waits) then
        report('unique_stray', 'unique', 'it was claimed, and holds its unique key still', 'freed')
        remove('HDEL', K.unique, key)
      elseif unfinished(w.status) and holder ~= id and must_hold(w, f.waits) then
        if not taken then
          report('unique_lost', 'unique', 'it does not hold its unique key', 'given its unique key again')
          write('HSET', K.unique, key, id)
          write('HSET', K.unique_of, id, key)
        elseif kept == key then
          report('unique_conflict', 'unique', 'another unfinished task holds its unique key', 'left to run without its unique key')
          remove('HDEL', K.unique_of, id)
        end
      elseif not kept and unfinished(w.status) then
        report('unique_wrong', 'unique_of', 'its unique key is forgotten', 'made to agree with its record')
        write('HSET', K.unique_of, id, key)
      elseif kept and kept ~= key then
        write('HSET', K.unique_of, id, key)
      end
    end
  end

  if just_finished then write('RPUSH', K.finished, finish_entry(id, now)) end
  -- A task that was never claimed needs no state, unless its time is not what its
  -- record says any more.
  if home ~= 'scheduled' and keep_fresh then w.scheduled = nil end
  keep_fresh = keep_fresh and not w.scheduled
  if not keep_fresh and pack_state(w) ~= raw then write('HSET', K.state, id, pack_state(w)) end
  apply()
end

for n = 1, #ids do
  if mode ~= 'scan' or not is_well(n) then judge(n) end
end
if mode == 'repair' then
  if used then redis.call('HSET', K.meta, 'seq', num(last_seq)) end
  if notify then notify_claim(K.meta, ARGV[5]) end
end
out[1] = num(highest)
return out
