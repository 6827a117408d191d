-- A workflow. Its tasks have the creation times from seq on, in the order of its nodes. The
-- counts are of its tasks by state; waiting are those scheduled that wait for others.
CREATE TABLE workflow (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    nodes       INTEGER NOT NULL,
    waiting     INTEGER NOT NULL,
    pending     INTEGER NOT NULL,
    processing  INTEGER NOT NULL DEFAULT 0,
    retrying    INTEGER NOT NULL DEFAULT 0,
    completed   INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    cancelled   INTEGER NOT NULL DEFAULT 0,
    -- When its last task finished, 0 while one has not.
    finished_us INTEGER NOT NULL DEFAULT 0,
    -- What is being done to it: 0 nothing, 1 all tasks are cancelled, 2 those that failed or
    -- were cancelled run again, 3 it is removed. done is how many nodes, by their places or
    -- for 2 in the order of workflow_plan, that has come to.
    action      INTEGER NOT NULL DEFAULT 0,
    done        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX workflow_finished ON workflow (failed > 0, finished_us) WHERE finished_us > 0 AND action IN (0, 3);
CREATE INDEX workflow_action ON workflow (seq) WHERE action IN (1, 2);

-- What a workflow was made with: the digest, and the places of its nodes in an order in
-- which each comes after its predecessors.
CREATE TABLE workflow_plan (
    seq    INTEGER PRIMARY KEY,
    digest BLOB    NOT NULL,
    places BLOB    NOT NULL
) STRICT;

-- A node of a workflow; seq is that of its task. Its row is written once.
CREATE TABLE node (
    seq    INTEGER PRIMARY KEY,
    ref    TEXT    NOT NULL,
    -- How its predecessors must end: 0 COMPLETED, 1 otherwise, 2 in any state.
    ends   INTEGER NOT NULL,
    -- The places of the nodes before and behind it, JSON arrays.
    before BLOB    NOT NULL,
    behind BLOB    NOT NULL
) STRICT;

-- What the predecessors of a node mean for it, if it has any: how many have not finished,
-- how many did otherwise than it asks for, and 0 it is open, 1 its task waits, 2 its task
-- was cancelled because of them. A task that waits is in state 2 and never due.
CREATE TABLE gate (
    seq        INTEGER PRIMARY KEY,
    unfinished INTEGER NOT NULL,
    unmet      INTEGER NOT NULL,
    state      INTEGER NOT NULL
) STRICT;

-- The steps of nodes that not all nodes behind them know of, by their order; told is how
-- many do. Steps that have none of these go on without a row.
CREATE TABLE node_step (
    no       INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    was      INTEGER NOT NULL,
    became   INTEGER NOT NULL,
    told     INTEGER NOT NULL
) STRICT;

-- The workflow whose node the task is; NULL for none.
ALTER TABLE task ADD COLUMN workflow INTEGER;
