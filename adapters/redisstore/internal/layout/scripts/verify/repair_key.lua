-- Moves a key out of the way whose type is wrong.
-- KEYS: the key, its new name. ARGV: the type that it should have, '' for any
-- type being wrong.
-- Reply: 1 if it was moved, 0 if the new name is taken, -1 if there is nothing to
-- move any more.
local found = redis.call('TYPE', KEYS[1]).ok
if found == ARGV[1] or found == 'none' then return -1 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1
