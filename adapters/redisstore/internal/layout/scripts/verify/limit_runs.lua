-- Counts the tasks of each limit of a queue or type that run, and corrects what is stored
-- of them if it is asked to.
-- KEYS: meta. ARGV: clock offset, 'repair' or ''.
-- Reply: the queues whose keys have limits or take turns, the limits that say other than is kept to, the
-- limits whose count was wrong, and those of a change that has not come to its end.
local meta, K = KEYS[1], {}
local now = store_now(ARGV[1])
local function key(name) return string.sub(meta, 1, -5) .. name end
-- include: limits/common
local queues_of, broken, wrong, unbuilt, numbers, runs = {}, {}, {}, {}, {}, {}
for _, s in ipairs(get_many('HMGET', key('state'), redis.call('ZRANGE', key('active'), 0, -1))) do
  if s and #s >= 44 and string.byte(s) % 8 == 2 then numbers[#numbers + 1] = struct.unpack('>H', s, 2) end
end
learn(numbers)
for _, n in ipairs(numbers) do
  for _, of in ipairs(lists[n] and { lists[n].queue, lists[n].type } or {}) do
    if of.limit then runs[of.limit.name] = (runs[of.limit.name] or 0) + 1 end
  end
end
local all, seen, follows = redis.call('HGETALL', key('limits')), {}, redis.call('HGET', meta, 'follow') or ''
for i = 1, #all, 2 do
  local kind, of = string.match(all[i + 1], '^(%a):([^|%z]*)')
  local target = string.match(all[i + 1], '^(%Z+)%z')
  if all[i] ~= '#' then
    local kept = target and redis.call('HGET', limited, target)
    local terms, is_json = limit_of(kept), pcall(cjson.decode, string.match(all[i + 1], '%z(.*)$') or '')
    if not terms or not is_json or terms.name ~= all[i] or not string.find(follows, 'l', 1, true) then broken[#broken + 1] = all[i]
    elseif kind == 'q' or kind == 't' then
      local n = runs[all[i]] or 0
      if (tonumber(redis.call('HGET', key('running'), all[i]) or 0)) ~= n then
        wrong[#wrong + 1] = all[i]
        if ARGV[2] == 'repair' then redis.call('HSET', key('running'), all[i], n) end
      end
    elseif not string.find(redis.call('HGET', limited, 'm:' .. of) or '', '^2%d+$') then
      unbuilt[#unbuilt + 1] = all[i]
    elseif not seen[of] then
      seen[of] = true
      queues_of[#queues_of + 1] = of
    end
  end
end
local fields = redis.call('HGETALL', limited)
for i = 1, #fields, 2 do
  local of = string.match(fields[i], '^f:(.*)$')
  if of and not seen[of] and string.find(redis.call('HGET', limited, 'm:' .. of) or '', '^2%d+$') then queues_of[#queues_of + 1] = of end
end
if ARGV[2] == 'repair' and #wrong > 0 then wake() end
return { queues_of, broken, wrong, unbuilt }
