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

-- The newest creation time that was given out.
CREATE TABLE clock (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    last_us INTEGER NOT NULL
) STRICT;
INSERT INTO clock (id, last_us) VALUES (1, 0);

-- A task without its large parts, so that a change of state rewrites little.
CREATE TABLE task (
    -- The creation time, which strictly rises from task to task: it is the
    -- order of claims and of lists.
    seq          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    lane         INTEGER NOT NULL,
    -- 1 ready, 2 scheduled, 3 processing, 4 retrying, 5 completed, 6 failed,
    -- 7 cancelled.
    state        INTEGER NOT NULL,
    -- When the state asks for attention: when the task is due, when its lease
    -- expires, or when it was finished. 0 for a ready task.
    wake_us      INTEGER NOT NULL,
    unique_key   BLOB,
    max_retries  INTEGER NOT NULL,
    timeout_ns   INTEGER NOT NULL,
    delay_ns     INTEGER NOT NULL,
    -- The scheduled time that the caller gave; scheduled_us moves on.
    given_us     INTEGER NOT NULL,
    scheduled_us INTEGER NOT NULL,
    payload_size INTEGER NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    deliveries   INTEGER NOT NULL DEFAULT 0,
    recoveries   INTEGER NOT NULL DEFAULT 0,
    started_us   INTEGER NOT NULL DEFAULT 0,
    completed_us INTEGER NOT NULL DEFAULT 0,
    -- The newest claim. It holds a lease in state 3 only.
    claim        BLOB,
    -- The digest of the report that put the task in its state, 0 if none did.
    report       INTEGER NOT NULL DEFAULT 0,
    -- How many failures were ever appended; the newest of them are kept.
    failures     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX task_lane ON task (state, lane, seq);
CREATE INDEX task_wake ON task (state, wake_us) WHERE state <> 1;
CREATE INDEX task_claim ON task (claim) WHERE state = 3;
CREATE UNIQUE INDEX task_unique_key ON task (unique_key) WHERE unique_key IS NOT NULL AND state <= 4;

CREATE TABLE payload (
    seq  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
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
