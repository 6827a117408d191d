-- The newest steps of tasks, kept while somebody reads them. What a task was is
-- told with each step: it may be gone before the step is read.
CREATE TABLE event (
    no      INTEGER PRIMARY KEY,
    at_us   INTEGER NOT NULL,
    task    BLOB    NOT NULL,
    queue   TEXT    NOT NULL,
    type    TEXT    NOT NULL,
    -- States as in task.state; 0 before the first and after the last.
    was     INTEGER NOT NULL,
    became  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    reason  TEXT    NOT NULL
) STRICT;

-- Until when readers are waited for, 0 if there are none, and the events that are
-- kept: those after first_no, up to last_no. Numbers are never used again.
CREATE TABLE event_log (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    until_us INTEGER NOT NULL,
    first_no INTEGER NOT NULL,
    last_no  INTEGER NOT NULL
) STRICT;
INSERT INTO event_log (id, until_us, first_no, last_no) VALUES (1, 0, 0, 0);
