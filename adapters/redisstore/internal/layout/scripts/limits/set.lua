-- Stores a limit in place of that of the same name, or deletes it. What tasks it is of
-- is found out by build.lua, if it is of keys.
-- KEYS: ready lists, meta. ARGV: clock offset, epoch, the next epoch, the layout of a queue
-- with limits, that of one without, 'set' or 'delete', name, most limits, then for 'set' what
-- the limit is of (see common.lua), what is to be kept to, and its JSON.
-- Reply: {-1} if the epoch is stale; {-2} if there is no such limit; {-3, name} if another
-- limit is of the same tasks; {-4} if there would be too many; else {1} and the queues
-- whose limits of keys have changed.
-- include: limits/names
local ready_lists, meta = KEYS[1], KEYS[2]
local function key(name) return string.sub(meta, 1, -5) .. name end
local limits, limited = key('limits'), key('limited')
local deletes, name, target = ARGV[6] == 'delete', ARGV[7], ARGV[9] or ''
local m = redis.call('HMGET', meta, 'generation', 'follow', 'lanes')
if (m[1] or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])

-- terms_of are those of a limit that is kept to, {} if they are damaged.
local function terms_of(text)
  local ok, a = pcall(cjson.decode, text or '')
  return ok and type(a) == 'table' and a or {}
end

-- "limits" has what a limit is of, NUL, and its JSON; and in the field "#" the number
-- that was given last.
local stored = redis.call('HGET', limits, name)
local old_target = string.match(stored or '', '^(%Z+)%z')
if stored and not old_target then
  old_target = '?'
  local all = redis.call('HGETALL', limited)
  for i = 1, #all, 2 do
    if string.find(all[i], '^[qtrk]:') and terms_of(all[i + 1])[7] == name then old_target = all[i] end
  end
end
if deletes and not old_target then return { -2 } end
local others = redis.call('HLEN', limits) - redis.call('HEXISTS', limits, '#') - (old_target and 1 or 0)
local holder = not deletes and redis.call('HGET', limited, target)
if holder and target ~= old_target then
  local other, all = terms_of(holder)[7], redis.call('HGETALL', limits)
  for i = 1, other and 0 or #all, 2 do
    if string.match(all[i + 1], '^(%Z+)%z') == target then other = all[i] end
  end
  if other and other ~= name then return { -3, other } end
end
if not deletes and others >= tonumber(ARGV[8]) then return { -4 } end

-- A removal first lets the rest through when memory is full.
redis.call('HDEL', meta, '')
local function follow(letters, layout)
  redis.call('HSET', meta, 'follow', letters, 'generation', ARGV[3], 'lanes', (string.gsub(m[3] or '0', '^%d+:', layout .. ':')))
  if letters == '' then redis.call('HDEL', meta, 'follow') end
end
if not string.find(m[2] or '', 'l', 1, true) then
  follow((m[2] or '') .. 'l', ARGV[4])
  name_lists(ready_lists, meta)
end

local queues, number, was, kept = {}, nil, nil, nil
local function queue_of(of)
  return string.match(of, '^[kr]:([^|]*)')
end
local function except(of, by)
  local queue = string.match(of, '^k:([^|]*)')
  if queue and redis.call('HINCRBY', limited, 'x:' .. queue, by) <= 0 then redis.call('HDEL', limited, 'x:' .. queue) end
end
if old_target then
  was = redis.call('HGET', limited, old_target)
  if old_target == target and terms_of(was)[8] == terms_of(ARGV[10])[8] then number = terms_of(was)[4] end
  if old_target ~= target then
    redis.call('HDEL', limited, old_target)
    redis.call('HDEL', key('running'), name)
    except(old_target, -1)
  end
  if queue_of(old_target) then queues[queue_of(old_target)] = true end
end
if not number then redis.call('HDEL', key('buckets'), name) end
if deletes then
  redis.call('HDEL', limits, name)
else
  local a = cjson.decode(ARGV[10])
  a[4] = number or redis.call('HINCRBY', limits, '#', 1)
  if not holder then except(target, 1) end
  kept = cjson.encode(a)
  redis.call('HSET', limited, target, kept)
  redis.call('HSET', limits, name, target .. '\0' .. ARGV[11])
  if queue_of(target) then
    queues[queue_of(target)] = true
  else
    -- What runs already counts.
    local running, named = 0, {}
    for _, s in ipairs(get_many('HMGET', key('state'), redis.call('ZRANGE', key('active'), 0, -1))) do
      local list_no = s and #s >= 44 and struct.unpack('>H', s, 2)
      if list_no then
        named[list_no] = named[list_no] or redis.call('HGET', limited, list_no) or '|'
        local queue, typ = string.match(named[list_no], '^(.-)|(.*)$')
        if target == 'q:' .. queue or target == 't:' .. typ then running = running + 1 end
      end
    end
    redis.call('HSET', key('running'), name, running)
  end
end

-- A repeat has nothing to do if what it repeats was done to the end.
if old_target == target and was == kept and queue_of(target) and
  string.find(redis.call('HGET', limited, 'm:' .. queue_of(target)) or '', '^2%d+$') then queues = {} end
local out = { 1 }
for queue in pairs(queues) do
  local of, has = redis.call('HMGET', limited, 'r:' .. queue, 'x:' .. queue, 'f:' .. queue), 'm:' .. queue
  if not of[1] and not of[2] and not of[3] then redis.call('HDEL', limited, has)
  else
    redis.call('HSET', limited, has, string.sub(redis.call('HGET', limited, has) or '0', 1, 1) .. digits(now) .. '+')
  end
  out[#out + 1] = queue
end
local last = deletes and others == 0
local all = last and redis.call('HGETALL', limited) or {}
for i = 1, #all, 2 do last = last and string.sub(all[i], 1, 2) ~= 'f:' end
if last then
  redis.call('DEL', limited)
  follow((string.gsub(m[2], 'l', '')), m[2] == 'l' and ARGV[5] or ARGV[4])
end
if redis.call('HDEL', meta, 'idle') == 1 then redis.call('PUBLISH', key('wake'), '1') end
return out
