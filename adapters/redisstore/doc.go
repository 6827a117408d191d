// Package redisstore keeps tasks and logs in Redis: one server, a Sentinel
// group, or a Cluster. It needs Redis 6.2 or newer, or Valkey.
//
// # Data layout
//
// All keys of the queue share one hash tag, {namespace:0}. A task's contents are
// written once, to the hash "tasks"; its changing part, 58 bytes, to the hash
// "state" when it is first claimed; results and errors to hashes of their own.
// What state a task is in is said by the one sorted set that holds its id:
// "ready:N" for each pair of queue and type (a lane), "scheduled", "retrying",
// "active", "completed", "failed", "cancelled". All but two of them are ordered
// by creation, so that listing is a range; "ready" is ordered by priority first,
// "active" by the end of the lease. Two more structures say when there is work:
// "due" for scheduled and retrying tasks, and the list "finished" for the
// retention. Ids are stored as their 16 bytes.
//
// # Delivery semantics
//
// Every step is one Lua script in scripts/, which checks first and writes last.
// The scripts use the time of Redis only. A claim remembers what it took under
// its own id for as long as its lease, so that go-redis may repeat any call whose
// reply was lost. Reports compare the claim id and the delivery number.
//
// A waiting claim sets a flag; whatever makes a task ready while the flag is set
// publishes one message. So a busy queue publishes nothing.
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
// may drop tasks; it warns where nothing is written to disk.
package redisstore
