-- Lists the limits and what is used of them.
-- KEYS: meta. ARGV: clock offset.
-- Reply: for each its JSON, how many slots are held, and how many ready tasks it holds back.
local meta, K = KEYS[1], {}
local now = store_now(ARGV[1])
local function key(name) return string.sub(meta, 1, -5) .. name end
-- include: limits/common
local all, of, exceptions, rules = redis.call('HGETALL', key('limits')), {}, {}, {}
local out = {}
local function add(json, running, waiting)
  for _, v in ipairs({ json, math.max(running, 0), math.max(waiting, 0) }) do out[#out + 1] = v end
end
for i = 1, #all, 2 do
  local kind, target, json = string.match(all[i + 1], '^(%a):(%Z+)%z(.*)$')
  if kind == 'k' then
    local queue, name = string.match(target, '^(.-)|(.*)$')
    local s, waiting = key_state(learn_queue(queue), name), 0
    for _, g in pairs(s.lists) do waiting = waiting + g.ready - g.open end
    exceptions[queue] = exceptions[queue] or { 0, 0 }
    exceptions[queue] = { exceptions[queue][1] + s.held, exceptions[queue][2] + waiting }
    add(json, s.held, waiting)
  elseif kind == 'r' then
    rules[target] = json
  elseif kind then
    add(json, tonumber(redis.call('HGET', key('running'), all[i])) or 0, 0)
  end
end
if next(rules) then
  local fields, waiting = redis.call('HGETALL', limited), {}
  for i = 1, #fields, 2 do
    local queue = string.find(fields[i], '^%d+$') and string.match(fields[i + 1], '^(.-)|')
    if rules[queue] and learn_queue(queue).open then
      waiting[queue] = (waiting[queue] or 0) + redis.call('ZCARD', key('ready:' .. fields[i])) - redis.call('ZCARD', open_key(fields[i]))
    end
  end
  for queue, json in pairs(rules) do
    local e = exceptions[queue] or { 0, 0 }
    add(json, redis.call('HLEN', key('slots:' .. queue)) - e[1], (waiting[queue] or 0) - e[2])
  end
end
return out
