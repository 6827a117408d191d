-- What only some tasks ask for, as JSON; NULL for nothing.
ALTER TABLE contents ADD COLUMN options BLOB;
