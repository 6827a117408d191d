-- When a task expires that has not begun, and how long it is kept when it has finished;
-- NULL where it does not say. An expires_us of 0 was given up when the task was run again.
ALTER TABLE task ADD COLUMN expires_us INTEGER;
ALTER TABLE task ADD COLUMN retention_us INTEGER;
CREATE INDEX task_expiry ON task (expires_us) WHERE expires_us > 0 AND state <= 2 AND deliveries = 0;
-- Finished tasks are due for their removal by one index or the other.
CREATE INDEX task_kept ON task (wake_us + retention_us) WHERE state >= 5 AND retention_us IS NOT NULL;
DROP INDEX task_wake;
CREATE INDEX task_wake ON task (state, wake_us) WHERE state <> 1 AND (state < 5 OR retention_us IS NULL);
