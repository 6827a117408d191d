// Package sqlitestore keeps the task queue and the log repository in one SQLite
// file, without cgo. It is the embedded default: nothing to install, durable,
// and safe when the process is killed at any instruction.
//
// # Data layout
//
// The schema and its reasons are in migration/0001_init.sql. A task's row is
// small and its payload, result and failures lie in tables of their own, so that
// a change of state rewrites little. The row id of a task is its creation time
// in microseconds, which strictly rises: claims and lists follow it. Tasks are
// grouped in lanes (queue, type, priority) whose rows count the tasks in each
// state, so statistics are read, never counted, and a claim reads the heads of
// the lanes that it may take.
//
// # Delivery semantics
//
// At least once. A write returns when its transaction is committed and, with
// SynchronousFull, synced to the disk: an acknowledged task survives kill -9
// and loss of power. Concurrent writes are gathered while a transaction is under
// way and share the next one, so that they share its sync too; none waits for a
// batch to fill.
//
// Any number of processes of one machine may open the same file. A waiting
// Dequeue is woken at once by writes of its own [DB]; those of others it learns
// of within 50 ms, from SQLite's change counter. Network file systems are not
// supported, since write-ahead logging needs shared memory.
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
