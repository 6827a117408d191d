// Package memstore keeps tasks and logs in the memory of the process: the
// reference for the suites of ports/portstest, and the store of unit tests and
// virtual time.
//
// # Data layout
//
// Maps by id, and heaps for what is ready, due, or claimed. Heap entries are
// checked against their task when they come up, so that a step need not search
// for the entry that it makes stale.
//
// # Delivery semantics
//
// One mutex makes each step atomic. Nothing survives the process.
//
// # Events
//
// A ring keeps the newest 10,000 steps of tasks, from the first read until a minute
// after the last.
//
// # Settings
//
// See [Config]. The package starts no goroutines and uses only mutexes, channels
// and timers, so it works in a testing/synctest bubble.
//
// # Errors
//
// The package returns the errors of the ports. A store in memory is never unavailable.
//
// # Server requirements
//
// None.
package memstore
