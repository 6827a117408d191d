-- name_lists tells the limits of which queue and type each ready list is, if there are limits.
local function name_lists(ready_lists, meta)
  if not string.find(redis.call('HGET', meta, 'follow') or '', 'l', 1, true) then return end
  local limited = string.sub(meta, 1, -5) .. 'limited'
  local old, new, all, known = {}, {}, redis.call('HGETALL', ready_lists), redis.call('HGETALL', limited)
  for i = 1, #known, 2 do
    if string.find(known[i], '^%d+$') then old[#old + 1] = known[i] end
  end
  for i = 1, #all, 2 do
    local n = tonumber(all[i + 1])
    if n and string.find(all[i], '|', 1, true) then
      new[#new + 1] = n < 0 and -1 - n or n
      new[#new + 1] = all[i]
    end
  end
  if #old > 0 then call_many('HDEL', limited, old) end
  if #new > 0 then call_many('HSET', limited, new) end
end
