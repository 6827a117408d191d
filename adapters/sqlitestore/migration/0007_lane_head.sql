-- The oldest ready task of a lane, 0 if none is ready, and whether its queue is paused,
-- so that a claim finds the lanes with the oldest tasks, however many lanes there are.
ALTER TABLE lane ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
UPDATE lane SET paused = queue IN (SELECT queue FROM pause), head = ifnull((SELECT task.seq FROM task INDEXED BY task_lane
    WHERE task.state = 1 AND task.state <> 3 AND task.lane = lane.id ORDER BY task.seq LIMIT 1), 0);
CREATE INDEX lane_head ON lane (priority DESC, head) WHERE head > 0 AND paused = 0;
CREATE INDEX lane_type_head ON lane (type, priority DESC, head) WHERE head > 0 AND paused = 0;
