// Package sqlitestore keeps the task queue and the log repository in one SQLite
// file, without cgo. It is the embedded default: nothing to install, durable,
// and safe when the process is killed at any instruction.
//
// # Data layout
//
// The schema and its reasons are in the files of migration, the tables of tasks in
// migration/0001_init.sql. The changing part of a task is a small row; its contents, its result and its failures
// have tables of their own, so that a change of state rewrites little. The row id of
// a task is its creation time in microseconds, which strictly rises: claims and
// lists follow it. Tasks are grouped in lanes (queue, type, priority). The row of a
// lane counts its tasks in each state, so statistics are read, never counted. It also
// names the oldest ready task, so a claim finds its lanes by an index, and the number
// of lanes makes neither a claim nor a write slower.
//
// # Keys and limits
//
// Tasks with keys have lanes of their own. There, the ready tasks of each key are a line,
// and each step of a task decides which task of the lines of its key may be claimed next,
// or none: so what a limit holds back is in no index that a claim looks at. Lines are
// claimed from by their turns, and the ready tasks of the lane without keys are one more
// line. Limits
// of queues and types hold back a class of lanes each, which a claim leaves out. The slots
// that keys hold are rows, those of queues and types are counted with the limit; all of it
// is written in the transaction that makes the step. A file without limits says so in a row
// that is read anyway.
//
// # Delivery semantics
//
// At least once. A write returns when its transaction is committed. Killing the
// process at any instruction loses nothing that was acknowledged. With
// SynchronousFull, the default, a loss of power loses nothing either, if the disk keeps
// its word: each commit is synced before it is acknowledged. With SynchronousNormal a
// loss of power may cost the newest writes, never the file. A transaction that was cut
// off leaves no trace in either case.
//
// Writes that arrive during a transaction share the next one and its sync; none waits
// for a batch to fill. A call that names many tasks writes them in a few statements.
//
// Reads have connections of their own, which cannot write. Searches look at many rows,
// so they have other connections, run few at a time and wait for their turn.
//
// Any number of processes of one machine may open the same file. Writes of
// its own [DB] wake a waiting Dequeue at once. It learns of the writes of other
// processes from SQLite's change counter, which it watches. Network file systems are not
// supported, since write-ahead logging needs shared memory.
//
// # Workflows
//
// The tables are in migration/0014_workflow.sql. The tasks of a workflow have creation times in a
// row, so that the place of a node tells its task. What a step of a task means for its
// workflow is done at the end of the call that made it, in the same transaction, for up to 500
// tasks; what is left is stored and goes on with each later transaction. A task of no
// workflow costs no statement.
//
// # Events
//
// While somebody reads events, the steps of tasks go to the table event, in the
// transaction that makes them. Each read extends that by a minute; the newest 10,000 to
// 15,000 steps are kept. The writer remembers until when, so that a queue that nobody
// watches pays nothing.
//
// # Time
//
// The store uses the time of the machine, which all processes of a file share. Creation
// times rise even where the clock is set back.
//
// # Settings
//
// See [Config]. The file grows with what is stored; space of removed tasks is
// used again, and the file does not shrink.
//
// # Errors
//
// If one of the files is moved, deleted, cut off or replaced while it is open, all
// calls return domain.ErrStoreReplaced from then on, and so does Close. Close folds
// what was acknowledged into the file that is open, and removes the write-ahead log
// from beside a file that was put in its place.
//
// A full disk gives domain.ErrStoreFull, a file that cannot be written
// domain.ErrStoreReadOnly, a damaged file or one that is not a database
// domain.ErrCorruptRecord. Everything else gives domain.ErrStoreUnavailable, also a
// lock that another process holds for longer than Config.BusyTimeout. A claim that meets
// a task whose record cannot be read sets the task FAILED.
package sqlitestore
