// Package domain holds the rules of logsift and nothing else: what a task is,
// which steps between states are legal, when a failed task runs again, what a
// log line and an anomaly are.
//
// The package is pure. It has no clock, no randomness, no I/O and no
// goroutines: times and ids are arguments. All of its values are plain data;
// they are safe for concurrent reading, and whoever changes one owns it.
//
// # The states of a task
//
//	PENDING ──claim──▶ PROCESSING ──▶ COMPLETED
//	   ▲                  │  │
//	   │                  │  └─ fails, retries left ─▶ RETRYING ── due ──▶ PENDING
//	   │                  └─ fails, none left, or a permanent error ─▶ FAILED
//	   └── lease expired, or released by a draining worker, or snoozed
//
// Also: PENDING to FAILED (a task that can never run, or that expired before
// its first run), PENDING, RETRYING and
// PROCESSING to CANCELLED (by a person), FAILED and CANCELLED to PENDING (run
// again by a person). A lease that expires too often moves PROCESSING to FAILED,
// with the reason poison. [TaskStatus.CanBecome] is the one table; every store
// obeys it.
//
// # Three counters
//
// Attempt counts the runs that a processor reported, Deliveries the claims that
// were granted, Recoveries the leases that expired. A worker's death is not its
// task's failure: it costs a recovery, never a retry.
package domain
