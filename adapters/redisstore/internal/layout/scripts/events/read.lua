-- Reads events, and has them kept for a while longer; anew if nobody has read for
-- too long, or if what is kept is damaged.
-- KEYS: meta, events. ARGV: clock offset, epoch, the number of the event to begin with ('' for none), most entries, 'wait'
-- to be told of the next event, how long the events are to be kept at least, in
-- microseconds.
-- Reply: {-1} if the epoch is stale; else number and time of the newest event,
-- then id and contents of each entry.
local meta, events = KEYS[1], KEYS[2]
local m = redis.call('HMGET', meta, 'generation', 'watch', 'told')
if (m[1] or '') ~= ARGV[2] then return { -1 } end
local now = store_now(ARGV[1])
local linger = tonumber(ARGV[6])
local read_until, emitted = tonumber(m[2] or 0) or 0, tonumber(m[3] or 0) or 0
if not (emitted >= 0 and emitted < 2 ^ 53) then emitted = 0 end
local newest = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
local number, at
if newest then number, at = string.match(newest[1], '^(%d+)-(%d+)$') end

local anew = read_until <= now or tonumber(number) ~= emitted
if anew or read_until < now + linger or read_until > now + 2 * linger then
  -- A removal first lets the rest through when memory is full.
  redis.call('HDEL', meta, '')
  if anew then
    -- No number is used again, not even if the whole database was emptied.
    number, at = digits(math.max(now, emitted + 1)), digits(now)
    redis.call('DEL', events)
    redis.call('XADD', events, number .. '-' .. at, 's', '')
    redis.call('HSET', meta, 'told', number)
  end
  -- Written now and then only; the key goes when nobody has read for long.
  redis.call('HSET', meta, 'watch', digits(now + linger * 1.25))
  redis.call('PEXPIRE', events, digits(linger / 500))
end

local out = { number, at }
if ARGV[3] == '' then return out end
for _, entry in ipairs(redis.call('XRANGE', events, ARGV[3], '+', 'COUNT', ARGV[4])) do
  out[#out + 1] = entry[1]
  out[#out + 1] = entry[2][2]
end
if ARGV[5] == 'wait' and tonumber(ARGV[3]) >= tonumber(number) then
  redis.call('HDEL', meta, '')
  redis.call('HSET', meta, 'heed', 1)
end
return out
