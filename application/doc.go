// Package application holds what logsift does with its ports.
//
// [DefaultScheduler] runs tasks: it claims them from a queue, keeps their
// leases alive, runs the processor of their type, reports the outcome and
// maintains the queue. [LogAnalysisProcessor] is the processor of log analysis
// tasks. An API calls [QueueService] for tasks and [LogService] for log
// entries. LogService stores entries in batches, and schedules the analysis of a batch
// with it.
//
// The package knows no store, no network and no wiring; it sees them through
// ports. Begin with scheduler.go; the scheduler's goroutines are in fetcher.go,
// worker.go, reporter.go, heartbeat.go, maintenance.go and registration.go, one file
// for each.
package application
