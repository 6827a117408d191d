-- Schedules, by name. due_us is when the next claim may take one, 0 for never.
CREATE TABLE schedule (
    name       TEXT    PRIMARY KEY,
    revision   INTEGER NOT NULL,
    claimed_us INTEGER NOT NULL,
    due_us     INTEGER NOT NULL,
    -- A JSON object.
    body       BLOB    NOT NULL
) STRICT;
CREATE INDEX schedule_due ON schedule (due_us) WHERE due_us > 0;
