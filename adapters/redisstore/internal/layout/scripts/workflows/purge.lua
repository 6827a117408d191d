-- The part of purge.lua for workflows, whose entries in the lists of finished tasks end with
-- a letter: it removes the tasks of those whose time has come, and last the workflow.
local room, back = most - #gone, {}
local function name(of) return string.sub(K.meta, 1, -5) .. of end
local function remove(f)
  local flow = name('workflow:' .. f[1])
  local v = redis.call('HMGET', flow, 'h', 'c', 'f', 'z')
  -- One that ran again has another entry.
  if not v[1] or not v[2] or tonumber(v[3] or 0) ~= f[2] then return end
  if struct.unpack('>I4', v[2], 21) > 0 and f[2] > dead_before then
    moved[#moved + 1] = f[3]
    return
  end
  local left = tonumber(v[4]) or struct.unpack('>I4', v[1], 33)
  local first, fields, members = math.max(0, left - room), {}, {}
  if not v[4] then redis.call('ZREM', name('workflows'), f[1]) end
  for n = left - 1, first, -1 do fields[#fields + 1] = 'n' .. struct.pack('>I4', n) end
  local nodes = get_many('HMGET', flow, fields)
  for i = 1, #fields do
    fields[#fields + 1] = 'p' .. string.sub(fields[i], 2)
    fields[#fields + 1] = 's' .. string.sub(fields[i], 2)
  end
  for _, node in ipairs(nodes) do
    if node and #node >= 37 then members[#members + 1] = string.sub(node, 22, 37) end
  end
  for i, s in ipairs(get_many('HMGET', K.state, members)) do
    local t = unpack_state(s)
    local list = t and lists[t.status]
    gone[#gone + 1] = members[i]
    if list then
      list[#list + 1] = members[i]
      emit(members[i], t.status, 0, t.attempt, t.list_no)
    end
  end
  if #members > 0 then call_many('HDEL', name('nodes'), members) end
  room = room - #nodes
  -- Little is left of it for the end, so that the end is quick.
  if #fields > 0 then call_many('HDEL', flow, fields) end
  if first == 0 then
    redis.call('DEL', flow)
  else
    redis.call('HSET', flow, 'z', first)
    back[#back + 1] = f
  end
end
for i, f in ipairs(flows) do
  if room > 0 then remove(f) else back[#back + 1] = f end
end
for i = #back, 1, -1 do redis.call('LPUSH', back[i][4], back[i][3]) end
more = #back > 0
if redis.call('EXISTS', name('nodes')) == 0 then
  local follow = string.gsub(redis.call('HGET', K.meta, 'follow') or '', '[wW]', '')
  if follow == '' then redis.call('HDEL', K.meta, 'follow') else redis.call('HSET', K.meta, 'follow', follow) end
  redis.call('DEL', name('following'))
end
