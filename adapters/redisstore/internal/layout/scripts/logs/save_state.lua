-- Saves a state if it still has the revision that the caller knows.
-- KEYS: the state. ARGV: clock offset, known revision (0: none), id of the save, time
-- to live in microseconds (0: without end), data.
-- Reply: the new revision; 0 if the revision is another; -1 if the stored state cannot
-- be read. A repeat with the same id gives what the first call gave.
-- include: logs/states_common
local now, ttl = store_now(ARGV[1]), tonumber(ARGV[4])
local head = redis.pcall('GETRANGE', KEYS[1], 0, STATE_HEAD_SIZE - 1)
local before, live = 0, 0
if head ~= '' or redis.call('EXISTS', KEYS[1]) == 1 then
  local revision, ends, save = state_head(head)
  if not revision then return -1 end
  if save == ARGV[3] then return revision end
  before = revision
  if ends == 0 or ends > now then live = revision end
end
if live ~= tonumber(ARGV[2]) then return 0 end
-- Times rise, so that no revision comes twice even where nothing is left of the one
-- before.
local revision = math.max(before + 1, now)
local ends = ttl > 0 and now + ttl or 0
local record = struct.pack(STATE_HEAD, STATE_VERSION, revision, ends, ARGV[3]) .. ARGV[5]
if ttl > 0 then
  redis.call('SET', KEYS[1], record, 'PX', digits(math.ceil(ttl / 1000)))
else
  redis.call('SET', KEYS[1], record)
end
return revision
