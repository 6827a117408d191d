-- Defines emit, which notes a step of a task, and emit_all, which acts on what was noted
-- when the script has written the steps themselves: it lets those act that follow tasks,
-- if meta has the field "follow", and stores the events, if somebody reads them. Only
-- scripts that know of one of both include it. They declare emit and emit_all; reads, whether
-- somebody reads; follow, that field or false; and K with the keys of meta and the events.
--
-- To follow tasks, a letter of one's own in the field "follow" and a file included below:
-- its text runs with `steps`, a list of { id, from, to, attempt, list_no }, of which those
-- from `first` on are new; with `now`, emit for steps that it causes, and key(name), which is
-- a key of the partition. Every change of where a task is comes as a step: 0 is the
-- status before its enqueue and after its deletion, and PENDING to PENDING is for a task whose
-- time has come or was changed. Whether a PENDING task is ready is in the indexes.
if reads then
  -- include: events/emit
end
if follow then
  local emit_event, store_events = emit, emit_all
  local steps, followed = {}, 0
  emit = function(id, from, to, attempt, list_no, reason)
    if #id == 16 then steps[#steps + 1] = { id, from, to, attempt, list_no } end
    if emit_event then emit_event(id, from, to, attempt, list_no, reason) end
  end
  local prefix = string.sub(K.meta, 1, -5)
  local function key(name) return prefix .. name end
  local follow_limits, follow_groups
  if string.find(follow, 'g', 1, true) then
    -- include: groups/follow
  end
  if string.find(follow, 'l', 1, true) then
    -- include: limits/follow
  end
  -- K.follow does so at once, for a script that goes on with what has become of the tasks.
  K.follow = function(now)
    local first = followed + 1
    if first > #steps and not string.find(follow, 'W', 1, true) then return end
    -- What causes steps of other tasks comes before what only counts them.
    if string.find(follow, 'w', 1, true) then
      -- include: queue/workflows
    end
    if follow_groups then follow_groups(steps, first) end
    if follow_limits then follow_limits(steps, first) end
    followed = #steps
  end
  emit_all = function(now)
    K.follow(now)
    if store_events then store_events(now) end
  end
end
