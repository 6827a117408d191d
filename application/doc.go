// Package application holds what logsift does with its ports.
//
// [DefaultScheduler] runs tasks: it claims them from a queue, keeps their
// leases alive, runs the processor of their type, reports the outcome and
// maintains the queue. [LogAnalysisProcessor] is the processor of log analysis
// tasks. [QueueService] and [LogService] are what an API calls: the one for
// tasks, the other for log entries, which it stores in batches whose analysis
// is scheduled with them.
//
// The package knows no store, no network and no wiring; it sees them through
// ports. Begin with scheduler.go; the scheduler's goroutines are in fetcher.go,
// worker.go, reporter.go, heartbeat.go and maintenance.go, one file for each.
package application
