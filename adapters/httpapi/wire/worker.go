package wire

import (
	"encoding/json"
	"time"
)

// ClaimTasks is the body that claims tasks to work on.
type ClaimTasks struct {
	// Types are those that the worker can run, 1 to 100.
	Types []string `json:"types"`
	// Queues restrict the claim, at most 100; all if absent or empty.
	Queues []string `json:"queues,omitempty"`
	// Max is how many tasks there may be, from 1 to 1000, 1 if absent.
	Max *int `json:"max,omitempty"`
	// LeaseSeconds is how long the tasks are the worker's unless it extends that, from 0.1
	// to 3600; the server's setting lease if absent.
	LeaseSeconds *float64 `json:"lease_seconds,omitempty"`
	// WaitSeconds is how long to wait for a task if none is ready, from 0 to 60, 0 if
	// absent.
	WaitSeconds *float64 `json:"wait_seconds,omitempty"`
}

// ClaimedTasks are the tasks of a claim, the highest priority first, each with its Lease.
type ClaimedTasks struct {
	Tasks []Task `json:"tasks"`
}

// Heartbeat is the body that extends leases.
type Heartbeat struct {
	// Leases are 1 to 1000.
	Leases []string `json:"leases"`
	// LeaseSeconds is as in ClaimTasks, from now on.
	LeaseSeconds *float64 `json:"lease_seconds,omitempty"`
	// Progress is how far the runs have come, each of them.
	Progress *GivenProgress `json:"progress,omitempty"`
	// Log are lines for the log of the run, at most 100. They go with one lease only.
	Log []GivenLine `json:"log,omitempty"`
}

// GivenLine is a line that a run logs.
type GivenLine struct {
	// Message is kept to 8 KiB.
	Message string `json:"message"`
	// Level is info if absent.
	Level string `json:"level,omitempty"`
	// Time is that of the arrival if absent. A line that has it and is sent again is kept once.
	Time *time.Time `json:"time,omitempty"`
}

// GivenProgress is how far a run has come, as its worker says.
type GivenProgress struct {
	// Percent is from 0 to 100.
	Percent int `json:"percent"`
	// Note is for people, at most 200 bytes.
	Note string `json:"note,omitempty"`
	// Data is any JSON value of at most 4 KiB.
	Data json.RawMessage `json:"data,omitempty"`
}

// ReleaseTasks is the body that gives tasks back unfinished.
type ReleaseTasks struct {
	// Leases are 1 to 1000.
	Leases []string `json:"leases"`
}

// ReportRuns is the body that reports how runs ended.
type ReportRuns struct {
	// Reports are 1 to 1000.
	Reports []RunReport `json:"reports"`
}

// RunReport is how one run ended.
type RunReport struct {
	Lease string `json:"lease"`
	// Outcome is completed; retry, which is a failure that is tried again as long as the
	// task has retries; failed, which is for good; or snooze, which puts the task back
	// uncounted.
	Outcome string `json:"outcome"`
	// Result goes with completed: any JSON value of at most 4 MiB, null if absent.
	Result json.RawMessage `json:"result,omitempty"`
	// Error goes with retry and failed.
	Error *RunError `json:"error,omitempty"`
	// RetryInSeconds goes with retry: when to try again, instead of what the server's
	// settings say.
	RetryInSeconds *float64 `json:"retry_in_seconds,omitempty"`
	// SnoozeSeconds goes with snooze, which needs it: when the task is ready again.
	SnoozeSeconds *float64 `json:"snooze_seconds,omitempty"`
}

// RunError says why a run failed.
type RunError struct {
	// Message is kept with the task, cut to 4 KiB.
	Message string `json:"message"`
}

// LeaseResults answer a request about leases, one result for each in their order.
type LeaseResults struct {
	Results []LeaseResult `json:"results"`
}

// LeaseResult is what became of one lease of a request: Status is 200, or that of the
// Problem.
type LeaseResult struct {
	Index  int `json:"index"`
	Status int `json:"status"`
	// Held is there for heartbeats: whether the lease is still held. ExpiresAt is until
	// when, by the store's clock.
	Held      *bool      `json:"held,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// TaskStatus is there for reports, and for heartbeats of lost leases: the state of the
	// task now.
	TaskStatus string   `json:"task_status,omitempty"`
	Problem    *Problem `json:"problem,omitempty"`
}
