// Package sqlitestore keeps the task queue and the log repository in one SQLite
// file, without cgo. It is the embedded default: nothing to install, durable,
// and safe when the process is killed at any instruction.
//
// # Data layout
//
// The schema and its reasons are in migration/0001_init.sql. What changes of a
// task is a small row; what it was made with, its result and its failures lie in
// tables of their own, so that a change of state rewrites little. The row id of
// a task is its creation time in microseconds, which strictly rises: claims and
// lists follow it. Tasks are grouped in lanes (queue, type, priority) whose rows
// count the tasks in each state, so statistics are read, never counted, and a
// claim reads the heads of the lanes that it may take.
//
// # Delivery semantics
//
// At least once. A write returns when its transaction is committed. Killing the
// process at any instruction loses nothing that was acknowledged. Nor does a loss
// of power with SynchronousFull, the default, since each commit is then synced
// to the disk before it is acknowledged, as far as the disk keeps its word; with
// SynchronousNormal it may lose the newest writes, never the file. A transaction
// that was cut off leaves no trace in either case.
//
// Speed comes from sharing: concurrent writes are gathered while a transaction is
// under way and share the next one and its sync, none waiting for a batch to
// fill, and a call that names many tasks writes them in a few statements.
//
// Any number of processes of one machine may open the same file. A waiting
// Dequeue is woken at once by writes of its own [DB]; those of others it learns
// of within 50 ms, from SQLite's change counter. Network file systems are not
// supported, since write-ahead logging needs shared memory.
//
// # Events
//
// The steps of tasks go to the table event, in the transaction that makes them, while
// somebody reads: each read has them kept for a minute more, and the newest 10,000 to
// 15,000 are kept. The writer knows until when without reading, so that a queue that
// nobody watches pays nothing.
//
// # Time
//
// The time is that of the machine, which all processes of a file share. Creation
// times rise even where the clock is set back.
//
// # Settings
//
// See [Config]. The file grows with what is stored; space of removed tasks is
// used again, and the file does not shrink.
//
// # Errors
//
// A full disk gives domain.ErrStoreFull, a file that cannot be written
// domain.ErrStoreReadOnly, a damaged file or one that is no database
// domain.ErrCorruptRecord, everything else domain.ErrStoreUnavailable, a lock
// held by another process for longer than Config.BusyTimeout included. A task
// whose record cannot be read is set FAILED by the claim that meets it.
package sqlitestore
