// Package redisstore keeps tasks and logs in Redis: one server, a Sentinel
// group, or a Cluster. It needs Redis 6.2 or newer, or Valkey.
//
// # Data layout
//
// internal/layout/keys.go has a table of all keys, internal/layout/codec.go the records.
//
// All keys of a partition of the queue share one hash tag, {namespace:N}, and so one
// node of a Cluster; a queue has one partition unless it is set to have more. A
// task belongs to the one that the FNV-1a hash of its key names, of its unique key if it
// has no key, or of its id. So what relates tasks to each other is decided in one partition.
// A call by id asks the partition of the id first, and looks in the others for tasks that
// are not there, in one round trip; placement.go remembers where those were that the
// process enqueued, claimed or found.
//
// What a task was created with is written once, unless a later enqueue replaces it. What changes of it is written from its
// first claim on. The one sorted set that holds its id says what status it has. Most are ordered
// by creation, so that listing is a range. Each pair of queue and type has a list of its
// ready tasks, ordered by priority first.
//
// The hash "lanes" is the table of ready lists: it gives each pair its number, and has a
// field "!QUEUE" for each queue that is paused. The hash "meta" holds what each script
// looks at, in one read.
//
// Each change of the table gives it another epoch, at random (the field "generation" of
// meta), and a script that is called with another one does nothing: the process reads the
// table again. So no process uses a number that is another pair's by now, not even if Redis
// went back to an older copy; and once a pause has returned, no process gets a task of
// the queue.
//
// A pair that has no task loses its number once all are given and another pair needs one;
// see queue/lists_sweep.lua. The analyses of the default queue find room always.
//
// meta also tells the version of the layout, where earlier versions had the number of
// ready lists. The first process that reads a queue of an earlier layout brings it to the
// present one; programs of that layout get errors from then on and write nothing wrong.
// A queue of a later layout is refused. queue/table.lua has the details.
//
// # Delivery semantics
//
// Every step is one Lua script in internal/layout/scripts, which checks first and writes
// last.
// The scripts use the time of Redis only. A claim remembers what it took under
// its own id for as long as its lease, so that go-redis may repeat any call whose
// reply was lost. Reports compare the claim id and the delivery number.
//
// A waiting claim sets a flag; whatever makes a task ready while the flag is set
// publishes one message. So a busy queue publishes nothing. One subscription hears
// all partitions; a Cluster passes the messages on between its nodes.
//
// # Events
//
// The steps of tasks go to the stream "events" of each partition while somebody
// reads them: each read has them kept for a while longer (ports.EventLinger), and every
// script looks at that time in a hash that it reads, or by one more field. An entry
// holds all steps of one call, in the layout of events/emit.lua; events are
// numbered, and about the newest 10,000 are kept. The key goes by itself when
// nobody reads any more. A reader that waits sets a flag, for which the next step
// publishes one message, as a waiting claim does. A cursor holds number and time of
// the newest event of each partition; if it is not among what is kept, be it
// trimmed, lost in a fail-over or mended by a verifier, the reader is told of a loss.
//
// # Limits
//
// While the field "follow" of meta says so, each script hands the steps of its tasks to what
// follows them (queue/steps.lua), in the same atomic change: limits/follow.lua keeps what is
// known of limits up with them. A claim asks how many tasks each queue and type may begin,
// and takes no more. Of a queue with limits of keys it takes from the open tasks only, which
// are those whose keys let them begin: a step opens and closes as many as it changes, so
// that nothing that is held back is ever looked at. limits/common.lua has the details.
//
// SetLimit looks through the tasks of the queue in steps, and claims keep to limits of keys
// from when it has seen all. A queue with limits has a later layout, which programs that do
// not know of limits refuse. A report that such a program makes of a task that it had claimed
// before is not counted, so that its slot stays taken: verify --repair frees it.
//
// # Workflows
//
// All tasks of a workflow are in the partition of its id. A node counts its predecessors that
// have not finished, and those that ended otherwise than it asks for, so that a fan-in over
// thousands costs each of them the same; queue/workflows.lua follows the steps of tasks
// and keeps these counts. What is more than a thousand edges in one call is kept in a list, which later
// calls go on with. Before a workflow is created, what only it needs is written under a
// name that nobody looks at; a workflow that is refused after that leaves it for an hour.
//
// # Cluster
//
// With one partition the whole queue is on one node; with N it is on as many nodes
// as hold one of N hash tags, which for 12 and three nodes is nearly always all of
// them. A claim asks all partitions in one round trip what it took before, and then
// claims from one after another, beginning at a random one, until it has enough: a
// busy queue answers from the first, an empty one takes N round trips. [TaskQueue]
// says what holds for order and unique keys. How many partitions there are is stored
// with the first task: Open refuses another number, and so does every call of a
// process that was open before.
//
// While a node is away and no replica has taken its place, enqueues, heartbeats and
// reports go on for the tasks of the other nodes (if the Cluster is set to
// cluster-require-full-coverage no), and claims fail: nobody could know what they
// took before.
//
// # Fail-over
//
// Redis replicates without waiting. When a replica of a Sentinel group or a Cluster
// takes over, it lacks what the master acknowledged in its last moments: usually
// some milliseconds, or as long as the replica's link was slow or broken. What that
// means for a task:
//
//   - an enqueue that was acknowledged may be lost, and nothing tells;
//   - a claim may be lost: the task runs again, and the report of the first worker
//     gets domain.ErrLeaseLost;
//   - a report may be lost: the task runs again when its lease has ended.
//
// The rest is sound, since each step of a task is replicated whole. The test of
// the fail-over counts all three. With min-replicas-to-write 1 and a short
// min-replicas-max-lag a master that has lost its replica refuses writes
// (domain.ErrStoreReadOnly), which bounds the loss by that lag and does not end it.
// Calls fail with domain.ErrStoreUnavailable meanwhile, about two seconds at
// down-after-milliseconds 500, and everything goes on by itself after that.
//
// # Settings
//
// See [Config]. An acknowledged enqueue survives a crash of the server if it
// runs with appendfsync always; with everysec at most the last second is lost.
//
// # Errors
//
// Whatever Redis or the network reports is translated to the errors of the
// ports: domain.ErrStoreUnavailable, ErrStoreFull (maxmemory) and
// ErrStoreReadOnly (a replica, or a disk that cannot be written).
//
// # Server requirements
//
// Open refuses a server that is too old, a replica, and an eviction policy that
// may drop tasks; it warns where nothing is written to disk. Of a Cluster it asks
// every master.
package redisstore
