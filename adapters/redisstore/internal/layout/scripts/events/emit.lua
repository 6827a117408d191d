-- The part of steps.lua for events: emit notes a step of a task, and emit_all stores what
-- was noted as one entry of the stream.
--
-- Events have numbers; those of an entry end with the first part of its id, whose
-- second part is the time. For each event it holds:
--
--    1  task id, 16 bytes            18  attempt
--   17  8 * status before + after    19  ready list, 2 bytes
--       (0: none)                    21  length of the reason, and the reason
--
-- Nothing that is wrong with the events stops a step in its midst. Readers find out,
-- since the number in meta is then not that of the newest entry.
local noted, count = {}, 0
emit = function(id, from, to, attempt, list_no, reason)
  if #id ~= 16 then return end
  reason = string.sub(reason or '', 1, 255)
  count = count + 1
  noted[count] = id .. struct.pack('>BBHB', 8 * from + to, math.min(attempt, 255), list_no, #reason) .. reason
end
emit_all = function(now)
  if count == 0 then return end
  local last = redis.pcall('HINCRBY', K.meta, 'told', count)
  if type(last) ~= 'number' then return end
  redis.pcall('XADD', K.events, 'NOMKSTREAM', 'MINID', '~', digits(last - 10000), digits(last) .. '-' .. digits(now),
    's', table.concat(noted))
  if redis.pcall('HDEL', K.meta, 'heed') == 1 then redis.pcall('PUBLISH', K.events, '1') end
end
