-- options_of is where the options of a record stand, first and last byte; nil if it has none.
-- The layout of a record is in codec.go.
local function options_of(record)
  local byte, flags = string.byte, (string.byte(record or '') or 0) - 1
  if flags < 0 or flags % 4 < 2 then return nil end
  local at = flags % 32 >= 16 and 29 or 13
  -- Two numbers, three texts, and the size of the options come before them.
  for part = 1, 6 do
    local b, size, scale = byte(record, at) or 0, 0, 1
    at = at + 1
    while b > 127 do
      size, scale = size + (b - 128) * scale, scale * 128
      b, at = byte(record, at) or 0, at + 1
    end
    size = size + b * scale
    if part == 6 then return at, at + size - 1 end
    if part > 2 then at = at + size end
  end
end
