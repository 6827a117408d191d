package domain

import "time"

// QueueStats counts the tasks of a queue by state. Each task is in exactly one
// count, so Total is the sum of the others.
type QueueStats struct {
	// Pending are ready to be claimed; Scheduled are PENDING too, but their
	// time has not come, or they wait for other tasks of their workflow.
	Pending, Scheduled, Processing, Retrying int64
	Completed, Failed, Cancelled             int64
	// OldestPending is the age of the ready task that waits longest, 0 if
	// none waits.
	OldestPending time.Duration
	// Warnings are what an operator should know of the store, such as that it
	// does not write to disk.
	Warnings []string
}

// Total is the number of tasks in all states.
func (s QueueStats) Total() int64 {
	return s.Pending + s.Scheduled + s.Processing + s.Retrying + s.Completed + s.Failed + s.Cancelled
}

// SchedulerStats describes one scheduler since it started.
type SchedulerStats struct {
	Running bool
	// Draining is whether it claims no more, since it is stopping.
	Draining bool
	// WorkersCount is how many tasks it works on at once at most, BusyWorkers
	// how many it works on now.
	WorkersCount, BusyWorkers int
	// ProcessedTasks are the runs that ended, FailedTasks those among them
	// that failed, RetriedTasks the failed ones that will be tried again.
	ProcessedTasks, FailedTasks, RetriedTasks int64
	// RecoveredTasks were taken back from dead workers, PurgedTasks removed
	// after their retention.
	RecoveredTasks, PurgedTasks int64
	// LeasesLost are runs whose lease ended before their report.
	LeasesLost int64
	// ReleasedTasks were given back by draining.
	ReleasedTasks int64
	// PanickedTasks are runs that ended in a panic, TimedOutTasks those that
	// the time-out ended.
	PanickedTasks, TimedOutTasks int64
	// StartedAt is when it started, by this process's clock.
	StartedAt time.Time
	// TaskTypes are the types that it has processors for, sorted.
	TaskTypes []TaskType
	// LastStoreError is the newest error of the store, "" once it answers
	// again.
	LastStoreError string
}
