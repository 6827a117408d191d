-- include: queue/options

-- group_in is the group that a record says, as it stands in its JSON, and how many tasks a
-- run has that it begins; nil for none.
local function group_in(record)
  local from, last = options_of(record)
  if not from then return nil end
  local options = string.sub(record, from, last)
  -- No text comes before it that may have a quote.
  local _, at = string.find(options, '"group":"', 1, true)
  local next = at and at + 1
  while next do
    local stop = string.find(options, '["\\]', next)
    if not stop then return nil end
    if string.byte(options, stop) == 34 then
      return string.sub(options, at + 1, stop - 1), tonumber(string.match(options, '^,"group_size":(%d+)', stop + 1)) or 1
    end
    next = stop + 2
  end
end
