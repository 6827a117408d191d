-- How far runs have come. A row counts while its task is processed for that delivery;
-- others are removed by those that write here.
CREATE TABLE progress (
    seq      INTEGER PRIMARY KEY,
    delivery INTEGER NOT NULL,
    percent  INTEGER NOT NULL,
    note     BLOB    NOT NULL,
    data     BLOB    NOT NULL,
    at_us    INTEGER NOT NULL
) STRICT;

-- How often tasks were cancelled that were being processed.
CREATE TABLE cancellation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;
INSERT INTO cancellation (id, n) VALUES (1, 0);
