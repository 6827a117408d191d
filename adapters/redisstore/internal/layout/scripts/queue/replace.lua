-- Defines split and replaced, for scripts that compare or change records whose tasks have
-- unique keys. They declare both names.

-- split takes a record apart: what stays when it is replaced, from its ready list to its
-- options, without its times, the payload, the trace, and who replaced it last.
split = function(record)
  local flags, stop, at, trace, by = string.byte(record) - 1, #record, 13, '', ''
  if flags % 16 >= 8 then
    by, stop = string.sub(record, stop - 15), stop - 16
  end
  if flags % 2 == 1 then
    trace, stop = string.sub(record, stop - 24, stop), stop - 25
  end
  if flags >= 16 then at = 29 end
  local fields = at
  local function number()
    local n, scale, b = 0, 1, nil
    repeat
      b = string.byte(record, at) or 0
      n, scale, at = n + b % 128 * scale, scale * 128, at + 1
    until b < 128
    return n
  end
  number()
  number()
  for _ = 1, flags % 4 >= 2 and 4 or 3 do
    local length = number()
    at = at + length
  end
  return string.sub(record, 2, 3) .. string.sub(record, fields, at - 1), string.sub(record, at, stop), trace, by
end

-- replaced is the record old with the priority, the time and the payload of another, that
-- of the task by.
replaced = function(old, record, by)
  local kept, _, trace = split(old)
  local _, payload = split(record)
  local flags = string.byte(old) - 1
  local times = flags >= 16 and string.sub(old, 13, 28) or ''
  return string.char(flags % 8 + 9 + (flags >= 16 and 16 or 0)) .. string.sub(old, 2, 3) .. string.sub(record, 4, 12)
    .. times .. string.sub(kept, 3) .. payload .. trace .. by
end
