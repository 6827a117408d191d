package wire

import (
	"time"

	"github.com/google/uuid"
)

// QueueList are the queues that hold a task or are paused, by name; a store may know
// others, that held one before.
type QueueList struct {
	Queues []Queue `json:"queues"`
}

// Queue describes one queue.
type Queue struct {
	Name string `json:"name"`
	// Paused queues give out no tasks; PausedAt is since when, null for others.
	Paused   bool       `json:"paused"`
	PausedAt *time.Time `json:"paused_at"`
	// PendingTasks are ready to run; Types are those by type, without types that
	// have none.
	PendingTasks int64 `json:"pending_tasks"`
	// OldestPendingSeconds is the age of the ready task that waits longest.
	OldestPendingSeconds float64     `json:"oldest_pending_seconds"`
	Types                []QueueType `json:"types"`
}

// QueueType counts the tasks of one type that are ready.
type QueueType struct {
	Type         string `json:"type"`
	PendingTasks int64  `json:"pending_tasks"`
}

// WorkerList are the schedulers of all processes that told of themselves within the
// last seconds, by id.
type WorkerList struct {
	Schedulers []Worker `json:"schedulers"`
}

// Worker is what a scheduler told of itself, or of a worker that its server serves.
type Worker struct {
	ID uuid.UUID `json:"id"`
	// Worker names a worker that claims over HTTP, by its key or address, and is "" for a
	// scheduler. Its BusyWorkers are the leases that it holds; it is gone when it is silent.
	Worker string `json:"worker"`
	// Host, PID and Version tell which process it is.
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// SeenAt is when the store heard of it.
	SeenAt *time.Time `json:"seen_at"`
	// Queues are those that it works on, empty for all.
	Queues    []string  `json:"queues"`
	Scheduler Scheduler `json:"scheduler"`
	// Running are the tasks that it works on, those that run longest first, at most
	// 200; Scheduler.BusyWorkers counts all of them.
	Running []RunningTask `json:"running"`
}

// RunningTask is a task that a worker works on.
type RunningTask struct {
	TaskID  uuid.UUID `json:"task_id"`
	Type    string    `json:"type"`
	Queue   string    `json:"queue"`
	Attempt int       `json:"attempt"`
	// StartedAt is when the run began, by the store's clock.
	StartedAt *time.Time `json:"started_at"`
}

// History tells what happened to tasks, over all processes: one point for each step,
// oldest first and without gaps; the last one is under way.
type History struct {
	StepSeconds int            `json:"step_seconds"`
	Points      []HistoryPoint `json:"points"`
}

// HistoryPoint is one step of the history.
type HistoryPoint struct {
	// At is the beginning of the step, by the store's clock.
	At time.Time `json:"at"`
	// Enqueued are the tasks that were taken in; Completed, Failed and Retried the
	// runs that ended so: done, failed for good, and failed with another attempt to
	// come.
	Enqueued  int64 `json:"enqueued"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Retried   int64 `json:"retried"`
	// Pending and Processing are the tasks that were ready and running when that was
	// last counted.
	Pending    int64 `json:"pending"`
	Processing int64 `json:"processing"`
	// WaitMS is how long tasks were ready before they began, RunMS how long runs took,
	// in milliseconds. Each is at most 1/32 beside a true one.
	WaitMS Percentiles `json:"wait_ms"`
	RunMS  Percentiles `json:"run_ms"`
}

// Percentiles are null where nothing ran.
type Percentiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}
