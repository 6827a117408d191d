-- The group of a task, "QUEUE|TYPE|GROUP", NULL for none. Its name is in contents.options too.
ALTER TABLE task ADD COLUMN grp BLOB;
-- The members of groups.
CREATE INDEX task_group ON task (grp, state, seq) WHERE grp IS NOT NULL AND (state = 1 OR state = 2 AND deliveries = 0);
