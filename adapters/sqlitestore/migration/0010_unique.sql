-- Who holds the unique key of a task: 0 the task until it is finished, 1 the task until it
-- is claimed, 2 not the task any more, 3 see unique_until.
ALTER TABLE task ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
DROP INDEX task_unique_key;
CREATE UNIQUE INDEX task_unique_key ON task (unique_key) WHERE unique_key IS NOT NULL AND state <= 4 AND hold < 2;

-- The unique keys that are held for a time, whatever becomes of the task. A key whose time
-- has passed is free; its row goes when somebody takes it, or with finished tasks.
CREATE TABLE unique_until (
    key      BLOB    PRIMARY KEY,
    task     BLOB    NOT NULL,
    until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX unique_until_time ON unique_until (until_us);

-- The id of the task that replaced the payload, the priority and the time last; NULL if
-- none did.
ALTER TABLE contents ADD COLUMN replaced_by BLOB;
