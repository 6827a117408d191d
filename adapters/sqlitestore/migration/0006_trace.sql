-- The trace that a task was enqueued in: its id, that of the span, and the flags, 25
-- bytes; NULL for none.
ALTER TABLE contents ADD COLUMN trace BLOB;
