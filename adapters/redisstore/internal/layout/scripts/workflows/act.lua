-- Has the calls that follow steps do something to a whole workflow: see cancel_all and its like in
-- queue/workflow_steps.lua.
local function act_on(id, what)
  redis.call('RPUSH', key('following'), id .. struct.pack('>I4BBI4', 0, 0, what, 0))
  local follow = redis.call('HGET', K.meta, 'follow') or ''
  for _, letter in ipairs({ 'w', 'W' }) do
    if not string.find(follow, letter, 1, true) then follow = follow .. letter end
  end
  redis.call('HSET', K.meta, 'follow', follow)
end
