-- What every script of the queue begins with. Every script checks and reads
-- first, and writes last, since what a script has written stays written if it
-- fails later.
--
-- Scores and sequence numbers are microseconds. A task's sequence number is the
-- time of its creation, made strictly increasing, counted from SEQUENCE_START; it orders
-- tasks of one priority and is their created_at. A ready score is
-- (10 - priority) * WIDTH + sequence, which a double holds exactly until 2050.
-- They are given to commands as digits: that Redis should write a double with 17
-- digits itself costs it twice as much.
local SEQUENCE_START = 1735689600000000 -- 2025-01-01T00:00:00Z
local WIDTH = 800000000000000  -- 25 years

local function digits(n) return string.format('%d', n) end

local function store_now(offset)
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2] + tonumber(offset)
end

-- call_many runs a variadic command with args[first] to args[last], in parts that
-- fit Lua's stack. Both default to the whole table.
local function call_many(cmd, key, args, first, last)
  first, last = first or 1, last or #args
  for i = first, last, 4000 do
    redis.call(cmd, key, unpack(args, i, math.min(i + 3999, last)))
  end
end

-- get_many is HMGET or ZMSCORE of many fields, in parts.
local function get_many(cmd, key, ids)
  if #ids <= 4000 then
    if #ids == 0 then return {} end
    return redis.call(cmd, key, unpack(ids))
  end
  local out = {}
  for i = 1, #ids, 4000 do
    for _, v in ipairs(redis.call(cmd, key, unpack(ids, i, math.min(i + 3999, #ids)))) do
      out[#out + 1] = v
    end
  end
  return out
end
