-- What the scripts of the states share.
--
-- A record: version, revision (7 bytes), when it expires (7 bytes, 0 for never),
-- id of the save (8 bytes), data. Numbers are big-endian, times microseconds since
-- 1970. The key has a time to live as well, by which Redis removes it; the time in
-- the record is what counts, since a test moves the clock of the scripts only.
local STATE_VERSION = 1
local STATE_HEAD = '>BI7I7c8'
local STATE_HEAD_SIZE = 23
local LARGEST_REVISION = 2 ^ 53

-- state_head reads the head of a record: revision, time of its end, id of the save;
-- nil for one that cannot be read.
local function state_head(record)
  if type(record) ~= 'string' or #record < STATE_HEAD_SIZE then return nil end
  local version, revision, ends, save = struct.unpack(STATE_HEAD, record)
  if version ~= STATE_VERSION or revision < 1 or revision >= LARGEST_REVISION then return nil end
  return revision, ends, save
end
