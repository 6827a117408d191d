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
    local s, e = key_state(learn_queue(queue), name), exceptions[queue] or { 0, 0 }
    exceptions[queue] = { e[1] + s.held, e[2] + s.waiting }
    add(json, s.held, s.waiting)
  elseif kind == 'r' then
    rules[target] = json
  elseif kind then
    add(json, tonumber(redis.call('HGET', key('running'), all[i])) or 0, 0)
  end
end
for queue, json in pairs(rules) do
  local e, waiting = exceptions[queue] or { 0, 0 }, tonumber(redis.call('HGET', limited, 'w:' .. queue)) or 0
  add(json, redis.call('HLEN', key('slots:' .. queue)) - e[1], waiting - e[2])
end
return out
