-- A record of a schedule: its revision and since when it is claimed, 0 for not, in
-- microseconds since 1970 (7 bytes each), and its JSON.
local SCHEDULE_HEAD = 14

-- schedule_head returns revision and claim, 0 and 0 for a record that is not there or
-- too short.
local function schedule_head(record)
  if not record or #record < SCHEDULE_HEAD then return 0, 0 end
  local revision, claimed = struct.unpack('>I7I7', record)
  return revision, claimed
end
