-- What the scripts share that know of groups. They declare key(name), which is a key of the
-- partition.
--
-- The members of a group are in the sorted set "group:LIST:GROUP", with GROUP as it stands in
-- JSON: its ready tasks by their sequence numbers less WIDTH, and behind them those that
-- gather, which were never claimed, by their sequence numbers.
-- include: groups/record

local function group_key(list_no, group) return key('group:' .. list_no .. ':' .. group) end
