-- Times are microseconds since 1970 UTC, 0 where there is none; spans are
-- nanoseconds. Text that a caller makes up is kept as BLOB, so that any bytes
-- come back as they went in.

-- A lane is a queue, a type and a priority. Its row counts the tasks in each
-- state, so that neither statistics nor a claim ever count or sort tasks.
CREATE TABLE lane (
    id         INTEGER PRIMARY KEY,
    queue      TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    priority   INTEGER NOT NULL,
    ready      INTEGER NOT NULL DEFAULT 0,
    scheduled  INTEGER NOT NULL DEFAULT 0,
    processing INTEGER NOT NULL DEFAULT 0,
    retrying   INTEGER NOT NULL DEFAULT 0,
    completed  INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (queue, type, priority)
) STRICT;

-- A creation time that no task after it may have: the newest of those that
-- were removed, or later.
CREATE TABLE clock (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    last_us INTEGER NOT NULL
) STRICT;
INSERT INTO clock (id, last_us) VALUES (1, 0);

-- What changes of a task. Each change of state writes the whole row again, so
-- what never changes, and what is large, has tables of its own. A row is as wide
-- from the beginning as it will be when the task is completed, so that it is
-- written over in its place.
CREATE TABLE task (
    -- The creation time, which strictly rises from task to task: it is the
    -- order of claims and of lists.
    seq          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    lane         INTEGER NOT NULL,
    -- 1 ready, 2 scheduled, 3 processing, 4 retrying, 5 completed, 6 failed,
    -- 7 cancelled.
    state        INTEGER NOT NULL,
    -- What the state has to do with time: when a task became ready, when it is
    -- due, when its lease expires, or when it was finished.
    wake_us      INTEGER NOT NULL,
    scheduled_us INTEGER NOT NULL,
    -- When the newest run began; before the first claim, the creation time.
    started_us   INTEGER NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    deliveries   INTEGER NOT NULL DEFAULT 0,
    recoveries   INTEGER NOT NULL DEFAULT 0,
    -- How many failures were ever appended; the newest of them are kept.
    failures     INTEGER NOT NULL DEFAULT 0,
    -- The digest of the report that put the task in its state; 0 if none did, or
    -- one that completed it, which its result tells from others.
    report       INTEGER NOT NULL DEFAULT 0,
    -- The newest claim, 16 bytes. It holds a lease in state 3 only.
    claim        BLOB    NOT NULL DEFAULT x'00000000000000000000000000000000',
    unique_key   BLOB
) STRICT;

-- Tasks that are processed are few: lists sort them. What every task passes
-- through has as few indexes as can be.
CREATE INDEX task_lane ON task (state, lane, seq) WHERE state <> 3;
CREATE INDEX task_wake ON task (state, wake_us) WHERE state <> 1;
CREATE UNIQUE INDEX task_unique_key ON task (unique_key) WHERE unique_key IS NOT NULL AND state <= 4;

-- The claims that gave out tasks, so that a repeated one is known. Each stays
-- until its first lease has ended and it holds no task any more.
CREATE TABLE claim (
    id       BLOB    PRIMARY KEY,
    until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a task was made with. Its row is written once.
CREATE TABLE contents (
    seq         INTEGER PRIMARY KEY,
    max_retries INTEGER NOT NULL,
    timeout_ns  INTEGER NOT NULL,
    delay_ns    INTEGER NOT NULL,
    -- The scheduled time that the caller gave; task.scheduled_us moves on.
    given_us    INTEGER NOT NULL,
    payload     BLOB    NOT NULL
) STRICT;

CREATE TABLE result (
    seq  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE failure (
    seq        INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    message    BLOB    NOT NULL,
    stack      BLOB    NOT NULL,
    started_us INTEGER NOT NULL,
    at_us      INTEGER NOT NULL,
    PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_batch (
    no      INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE,
    closed  INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    made_us INTEGER NOT NULL
) STRICT;
CREATE INDEX log_batch_empty ON log_batch (made_us) WHERE entries = 0;

CREATE TABLE log_entry (
    -- The order of arrival. AUTOINCREMENT: a number is never used again.
    no           INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL UNIQUE,
    batch        INTEGER NOT NULL,
    timestamp_us INTEGER NOT NULL,
    received_us  INTEGER NOT NULL,
    level        INTEGER NOT NULL,
    source       BLOB    NOT NULL,
    message      BLOB    NOT NULL,
    -- A JSON object, or empty.
    attributes   BLOB    NOT NULL
) STRICT;
CREATE INDEX log_entry_batch ON log_entry (batch, no);
CREATE INDEX log_entry_timestamp ON log_entry (timestamp_us, no);

CREATE TABLE analysis (
    no        INTEGER PRIMARY KEY AUTOINCREMENT,
    task      BLOB    NOT NULL UNIQUE,
    stored_us INTEGER NOT NULL,
    -- The result as JSON, without its anomalies.
    result    BLOB    NOT NULL
) STRICT;

CREATE TABLE anomaly (
    analysis     INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    severity     INTEGER NOT NULL,
    last_seen_us INTEGER NOT NULL,
    -- The anomaly as JSON.
    body         BLOB    NOT NULL,
    PRIMARY KEY (analysis DESC, n ASC)
) STRICT, WITHOUT ROWID;
