-- What analysers share. Saving a state removes its row and makes a new one.
CREATE TABLE state (
    -- AUTOINCREMENT: a number is never used again, so that no key is given a
    -- revision twice, whatever expired meanwhile.
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    key      BLOB    NOT NULL UNIQUE,
    -- When it expires; 0 for never.
    until_us INTEGER NOT NULL,
    data     BLOB    NOT NULL
) STRICT;
CREATE INDEX state_until ON state (until_us) WHERE until_us > 0;
