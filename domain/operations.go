package domain

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// QueueInfo describes one queue.
type QueueInfo struct {
	Name string
	// Paused queues give out no tasks; all else goes on. PausedAt is zero for
	// others.
	Paused   bool
	PausedAt time.Time
	// Pending are the tasks that are ready, by type.
	Pending map[TaskType]int64
	// OldestPending is the age of the ready task that waits longest, 0 if none
	// waits.
	OldestPending time.Duration
}

// Ready is the number of tasks that are ready.
func (q QueueInfo) Ready() int64 {
	var n int64
	for _, count := range q.Pending {
		n += count
	}
	return n
}

// SchedulerID names one scheduler from its start to its end.
type SchedulerID = uuid.UUID

// MaxRunningReported is how many running tasks a SchedulerReport names at most,
// MaxReportList bounds its other lists, and MaxReportText its texts, in bytes.
const (
	MaxRunningReported = 200
	MaxReportList      = 1024
	MaxReportText      = 4096
)

// SchedulerReport is what a scheduler tells other processes of itself, or of a worker of
// another program that its process serves.
type SchedulerReport struct {
	ID SchedulerID
	// Worker names that worker, and is "" for the scheduler. What follows the process is the
	// worker's then, as far as its process knows it.
	Worker string `json:",omitempty"`
	// Host, PID and Version tell which process it is.
	Host    string
	PID     int
	Version string
	// Queues are those that it works on; empty for all.
	Queues []string
	Stats  SchedulerStats
	// Running are the tasks that it works on, those that run longest first, at
	// most MaxRunningReported; Stats.BusyWorkers counts all of them.
	Running []RunningTask
	// SeenAt is when the report was stored, by the store's clock.
	SeenAt time.Time
}

// RunningTask is a task that a worker works on.
type RunningTask struct {
	TaskID TaskID
	Type   TaskType
	Queue  string
	// Attempt is the number of this run, from 1.
	Attempt int
	// StartedAt is when the run began, by the store's clock.
	StartedAt time.Time
}

// Validate checks the limits. The error is a *ValidationError.
func (r *SchedulerReport) Validate() error {
	if r.ID == uuid.Nil {
		return &ValidationError{Field: "id", Rule: "must be a UUID that is not nil"}
	}
	for _, f := range []struct{ field, text string }{
		{"worker", r.Worker}, {"host", r.Host}, {"version", r.Version}, {"stats.last_store_error", r.Stats.LastStoreError},
	} {
		if len(f.text) > MaxReportText || !utf8.ValidString(f.text) {
			return rangeError(f.field, len(f.text), fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxReportText))
		}
	}
	for _, f := range []struct {
		field     string
		len, most int
	}{
		{"queues", len(r.Queues), MaxReportList}, {"stats.task_types", len(r.Stats.TaskTypes), MaxReportList},
		{"running", len(r.Running), MaxRunningReported},
	} {
		if f.len > f.most {
			return rangeError(f.field, f.len, fmt.Sprintf("must be at most %d entries", f.most))
		}
	}
	for _, name := range r.Queues {
		if err := ValidateName("queues", name); err != nil {
			return err
		}
	}
	return nil
}

// Clone returns a deep copy.
func (r *SchedulerReport) Clone() SchedulerReport {
	c := *r
	c.Queues = slices.Clone(r.Queues)
	c.Stats.TaskTypes = slices.Clone(r.Stats.TaskTypes)
	c.Running = slices.Clone(r.Running)
	return c
}
