-- Tasks with keys have lanes of their own, so that a claim finds the next one without a
-- look at those that are held back. head is the task that a claim takes first, 0 for none;
-- where that may be another than the oldest ready one, oldest is that. turns is the keyed
-- lane of the same queue, type and priority: with it, a lane without keys is claimed from
-- by its line only. class says which limits the lane is under: the id of that of its
-- queue, times 2^32, and that of its type. round is that of the turns served last.
DROP INDEX lane_head;
DROP INDEX lane_type_head;
ALTER TABLE lane RENAME TO old_lane;
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
    head       INTEGER NOT NULL DEFAULT 0,
    paused     INTEGER NOT NULL DEFAULT 0,
    keyed      INTEGER NOT NULL DEFAULT 0,
    oldest     INTEGER NOT NULL DEFAULT 0,
    turns      INTEGER NOT NULL DEFAULT 0,
    class      INTEGER NOT NULL DEFAULT 0,
    round      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (queue, type, priority, keyed)
) STRICT;
INSERT INTO lane (id, queue, type, priority, ready, scheduled, processing, retrying, completed, failed, cancelled, head, paused)
    SELECT id, queue, type, priority, ready, scheduled, processing, retrying, completed, failed, cancelled, head, paused FROM old_lane;
DROP TABLE old_lane;
CREATE INDEX lane_head ON lane (class, priority DESC, head) WHERE head > 0 AND paused = 0;
CREATE INDEX lane_type_head ON lane (class, type, priority DESC, head) WHERE head > 0 AND paused = 0;

-- The key of a task, NULL for none. It is in contents.options too.
ALTER TABLE task ADD COLUMN key BLOB;
CREATE INDEX task_key ON task (lane, key, seq) WHERE key IS NOT NULL AND state = 1;

-- The ready tasks of a lane that have one key; the key is empty for those of the lane
-- without keys that takes turns with it. head is the oldest, next the one to be claimed
-- next, 0 while limits hold the key back. The lowest turn is claimed from first.
CREATE TABLE line (
    key   BLOB    NOT NULL,
    lane  INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    head  INTEGER NOT NULL,
    next  INTEGER NOT NULL,
    turn  INTEGER NOT NULL,
    PRIMARY KEY (key, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX line_turn ON line (lane, turn, next) WHERE next > 0;

-- What holds the slots of a key that is under a limit: how many of its tasks are
-- processed, and the unfinished task that blocks the others, 0 for none. holder_lane is
-- where that one is ready, 0 where it waits, -1 while it is processed. full_ns is when the
-- bucket of tokens is full, in nanoseconds, wake_us when it has one for a task that waits.
CREATE TABLE slot (
    key         BLOB    NOT NULL,
    queue       TEXT    NOT NULL,
    running     INTEGER NOT NULL,
    holder      INTEGER NOT NULL,
    holder_lane INTEGER NOT NULL,
    full_ns     INTEGER NOT NULL,
    wake_us     INTEGER NOT NULL,
    PRIMARY KEY (key, queue)
) STRICT, WITHOUT ROWID;
CREATE INDEX slot_wake ON slot (wake_us) WHERE wake_us > 0;

CREATE TABLE task_limit (
    -- AUTOINCREMENT: classes of lanes are made of it.
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    scope   TEXT    NOT NULL,
    queue   TEXT    NOT NULL,
    type    TEXT    NOT NULL,
    key     BLOB    NOT NULL,
    -- A JSON object.
    body    BLOB    NOT NULL,
    -- How many slots are held, and how many ready tasks wait for one of a key.
    running INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    -- When the bucket of a queue or a type is full; those of keys are in slot.
    full_ns INTEGER NOT NULL,
    UNIQUE (scope, queue, type, key)
) STRICT;

-- How many limits there are, so that who has none looks for none.
ALTER TABLE clock ADD COLUMN limits INTEGER NOT NULL DEFAULT 0;

-- The tasks of earlier versions that have keys.
UPDATE task SET key = (SELECT CAST(json_extract(CAST(options AS TEXT), '$.key') AS BLOB) FROM contents c WHERE c.seq = task.seq)
    WHERE seq IN (SELECT seq FROM contents WHERE options IS NOT NULL
        AND iif(json_valid(CAST(options AS TEXT)), json_type(CAST(options AS TEXT), '$.key') = 'text', 0));
INSERT INTO lane (queue, type, priority, paused, keyed)
    SELECT queue, type, priority, paused, 1 FROM lane WHERE id IN (SELECT lane FROM task WHERE key IS NOT NULL);
UPDATE lane SET turns = k.id FROM lane k
    WHERE k.queue = lane.queue AND k.type = lane.type AND k.priority = lane.priority AND k.keyed = 1 AND lane.keyed = 0;
UPDATE task SET lane = (SELECT turns FROM lane l WHERE l.id = task.lane) WHERE key IS NOT NULL;
UPDATE lane SET ready = c.ready, scheduled = c.scheduled, processing = c.processing, retrying = c.retrying,
    completed = c.completed, failed = c.failed, cancelled = c.cancelled, oldest = c.oldest, head = 0
    FROM (SELECT lane, sum(state = 1) AS ready, sum(state = 2) AS scheduled, sum(state = 3) AS processing, sum(state = 4) AS retrying,
            sum(state = 5) AS completed, sum(state = 6) AS failed, sum(state = 7) AS cancelled, ifnull(min(CASE WHEN state = 1 THEN seq END), 0) AS oldest
        FROM task WHERE (SELECT count(*) FROM lane WHERE keyed = 1) > 0 GROUP BY lane) c
    WHERE c.lane = lane.id AND (keyed = 1 OR turns <> 0);
DELETE FROM lane WHERE turns <> 0 AND id NOT IN (SELECT lane FROM task);
INSERT INTO line (key, lane, ready, head, next, turn)
    SELECT key, lane, count(*), min(seq), min(seq), 1 FROM task WHERE key IS NOT NULL AND state = 1 GROUP BY key, lane;
INSERT INTO line (key, lane, ready, head, next, turn) SELECT x'', turns, ready, oldest, oldest, 1 FROM lane WHERE turns <> 0 AND ready > 0;
UPDATE lane SET head = ifnull((SELECT min(next) FROM line WHERE lane = lane.id), 0) WHERE keyed = 1;
