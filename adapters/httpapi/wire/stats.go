package wire

import "time"

// Stats counts the tasks by state. Each task is in exactly one count.
type Stats struct {
	TotalTasks int64 `json:"total_tasks"`
	// PendingTasks are ready to run; ScheduledTasks are PENDING too, but their
	// time has not come.
	PendingTasks    int64 `json:"pending_tasks"`
	ScheduledTasks  int64 `json:"scheduled_tasks"`
	ProcessingTasks int64 `json:"processing_tasks"`
	RetryingTasks   int64 `json:"retrying_tasks"`
	CompletedTasks  int64 `json:"completed_tasks"`
	FailedTasks     int64 `json:"failed_tasks"`
	CancelledTasks  int64 `json:"cancelled_tasks"`
	// OldestPendingSeconds is the age of the ready task that waits longest.
	OldestPendingSeconds float64 `json:"oldest_pending_seconds"`
	// Scheduler is that of the process which answers.
	Scheduler Scheduler `json:"scheduler"`
	// Warnings are what an operator should know of the store.
	Warnings []string `json:"warnings"`
}

// Scheduler describes the scheduler of one process since its start.
type Scheduler struct {
	Running        bool       `json:"running"`
	Draining       bool       `json:"draining"`
	WorkersCount   int        `json:"workers_count"`
	BusyWorkers    int        `json:"busy_workers"`
	ProcessedTasks int64      `json:"processed_tasks"`
	FailedTasks    int64      `json:"failed_tasks"`
	RetriedTasks   int64      `json:"retried_tasks"`
	RecoveredTasks int64      `json:"recovered_tasks"`
	PurgedTasks    int64      `json:"purged_tasks"`
	LeasesLost     int64      `json:"leases_lost"`
	ReleasedTasks  int64      `json:"released_tasks"`
	PanickedTasks  int64      `json:"panicked_tasks"`
	TimedOutTasks  int64      `json:"timed_out_tasks"`
	TaskTypes      []string   `json:"task_types"`
	StartedAt      *time.Time `json:"started_at"`
}
