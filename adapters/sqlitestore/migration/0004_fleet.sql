-- The queues that give out no tasks, and since when.
CREATE TABLE pause (
    queue    TEXT    PRIMARY KEY,
    since_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What schedulers tell of themselves, for a short time.
CREATE TABLE scheduler (
    id       BLOB    PRIMARY KEY,
    seen_us  INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    -- A JSON object.
    report   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
