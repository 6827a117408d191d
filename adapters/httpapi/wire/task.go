package wire

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// CreateTask is the body that schedules a task. Absent fields have the defaults
// of the queue; a null is an absent field, except in Payload.
type CreateTask struct {
	// Type is a task type that the server has a processor for. It is required.
	Type string `json:"type"`
	// Payload is any JSON value, {} if absent, at most 1 MiB without its
	// insignificant white space.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Priority is from 0 to 10, 5 if absent; higher ones run first.
	Priority *int `json:"priority,omitempty"`
	// Queue is "default" if absent or empty.
	Queue string `json:"queue,omitempty"`
	// MaxRetries is from 0 to 100, 3 if absent.
	MaxRetries *int `json:"max_retries,omitempty"`
	// TimeoutSeconds bounds one attempt, from 0.001 to 86400, 600 if absent.
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty"`
	// ScheduledAt is when the task becomes ready; it excludes DelaySeconds.
	ScheduledAt *time.Time `json:"scheduled_at,omitempty"`
	// DelaySeconds is how long after its creation the task becomes ready, at
	// most ten years.
	DelaySeconds *float64 `json:"delay_seconds,omitempty"`
	// UniqueKey, if not empty, is held by one task at a time. It is at most 256 bytes.
	UniqueKey string `json:"unique_key,omitempty"`
	// UniqueWhile is how long it is held: "unfinished", or "waiting" until the task is
	// claimed. UniqueForSeconds holds it for a time instead, whatever becomes of the task,
	// at most a year.
	UniqueWhile      string  `json:"unique_while,omitempty"`
	UniqueForSeconds float64 `json:"unique_for_seconds,omitempty"`
	// OnConflict says what to do if another task holds the unique key: "reject", "keep" or
	// "replace".
	OnConflict string `json:"on_conflict,omitempty"`
	// Key relates the tasks of a queue that have the same one; at most 256 bytes.
	Key string `json:"key,omitempty"`
	// Group gathers the tasks of one queue and type that have the same one into one run of
	// up to GroupSize, 100 if absent or 0, which waits for others for GroupAgeSeconds at most,
	// 10 if absent or 0. It excludes Key, ScheduledAt and DelaySeconds.
	Group           string  `json:"group,omitempty"`
	GroupSize       int     `json:"group_size,omitempty"`
	GroupAgeSeconds float64 `json:"group_age_seconds,omitempty"`
	// Tags are up to 8 different names.
	Tags []string `json:"tags,omitempty"`
	// Backoff says when this task is retried; absent for what the server does.
	Backoff *Backoff `json:"backoff,omitempty"`
	// ExpiresAt is when the task fails, with the reason expired, if it has not begun by
	// then; it excludes ExpiresInSeconds, which counts from the creation.
	ExpiresAt        *time.Time `json:"expires_at,omitempty"`
	ExpiresInSeconds *float64   `json:"expires_in_seconds,omitempty"`
	// RetentionSeconds is how long the task is kept when it has finished; absent or 0 for
	// what the server does.
	RetentionSeconds float64 `json:"retention_seconds,omitempty"`
}

// Backoff says how long to wait before a task is tried again.
type Backoff struct {
	// Kind is quadratic, exponential or fixed; quadratic if absent.
	Kind string `json:"kind,omitempty"`
	// BaseSeconds is 60 if absent or 0, CapSeconds, which bounds each wait, 86400.
	BaseSeconds float64 `json:"base_seconds,omitempty"`
	CapSeconds  float64 `json:"cap_seconds,omitempty"`
	// Jitter, from 0 to 1, is the part of a wait that is spread at random.
	Jitter float64 `json:"jitter,omitempty"`
}

// Task is a task as the API shows it.
type Task struct {
	ID    uuid.UUID `json:"id"`
	Type  string    `json:"type"`
	Queue string    `json:"queue"`
	// Payload is the stored JSON, or a JSON string of what is stored if that is
	// no JSON; so is Result, which is null until the task is completed.
	Payload json.RawMessage `json:"payload"`
	// Status is PENDING, PROCESSING, COMPLETED, FAILED, RETRYING or CANCELLED.
	Status   string `json:"status"`
	Priority int    `json:"priority"`
	// Attempt counts the runs that ended with a report.
	Attempt        int     `json:"attempt"`
	MaxRetries     int     `json:"max_retries"`
	TimeoutSeconds float64 `json:"timeout_seconds"`
	UniqueKey      string  `json:"unique_key"`
	// UniqueWhile and UniqueForSeconds are absent for a key that is held while the task is
	// unfinished.
	UniqueWhile      string  `json:"unique_while,omitempty"`
	UniqueForSeconds float64 `json:"unique_for_seconds,omitempty"`
	// Key to RetentionSeconds are absent unless the task has its own.
	Key             string   `json:"key,omitempty"`
	Group           string   `json:"group,omitempty"`
	GroupSize       int      `json:"group_size,omitempty"`
	GroupAgeSeconds float64  `json:"group_age_seconds,omitempty"`
	Tags            []string `json:"tags,omitempty"`
	Backoff         *Backoff `json:"backoff,omitempty"`
	// ExpiresAt is gone once a person has run a task again that never began.
	ExpiresAt        *time.Time `json:"expires_at,omitempty"`
	RetentionSeconds float64    `json:"retention_seconds,omitempty"`
	// Deliveries counts the claims, Recoveries those that a dead worker lost.
	Deliveries  int        `json:"deliveries"`
	Recoveries  int        `json:"recoveries"`
	CreatedAt   *time.Time `json:"created_at"`
	ScheduledAt *time.Time `json:"scheduled_at"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	// KeptUntil is when a finished task is to be removed, absent for others and for those of a workflow.
	KeptUntil *time.Time      `json:"kept_until,omitempty"`
	Result    json.RawMessage `json:"result"`
	// LastError is the message of the newest of Errors, "" if there is none.
	LastError string      `json:"last_error"`
	Errors    []TaskError `json:"errors"`
	// Outcome is what scheduling the task did: created, existing or replaced. It is there
	// in the answer to that alone.
	Outcome string `json:"outcome,omitempty"`
	// Stopping is true while the run of a cancelled task may go on: its worker has not told that it
	// has stopped, and its lease has not ended.
	Stopping bool `json:"stopping,omitempty"`
	// Workflow is the node that the task is, absent for other tasks; WaitingFor are the refs
	// of the first 100 tasks that it waits for, where one task is shown.
	Workflow   *WorkflowRef `json:"workflow,omitempty"`
	WaitingFor []string     `json:"waiting_for,omitempty"`
	// Progress is there where one task is shown that runs, if its processor says how far
	// it has come.
	Progress *Progress `json:"progress,omitempty"`
	// History is there where one task is shown, not in lists.
	History []HistoryEntry `json:"history,omitempty"`
	// Lease is there where a worker claims the task: it names the claim to the other calls
	// of the worker, and is for the caller that claimed it alone.
	Lease string `json:"lease,omitempty"`
}

// Progress is how far a run has come.
type Progress struct {
	Percent int    `json:"percent"`
	Note    string `json:"note"`
	// Data is JSON, null for none.
	Data json.RawMessage `json:"data"`
	At   *time.Time      `json:"at"`
}

// TaskError is one failure of a task.
type TaskError struct {
	Attempt int `json:"attempt"`
	// Reason is error, permanent, timeout, panic, lease_expired, poison,
	// expired or corrupt_record.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Stack is where a processor panicked, else "".
	Stack     string     `json:"stack"`
	StartedAt *time.Time `json:"started_at"`
	At        *time.Time `json:"at"`
}

// HistoryEntry is one step in the life of a task.
type HistoryEntry struct {
	Status  string     `json:"status"`
	At      *time.Time `json:"at"`
	Attempt int        `json:"attempt"`
	// Reason is that of a failure, else "".
	Reason string `json:"reason"`
}

// TaskList is one page of tasks, newest first.
type TaskList struct {
	Tasks []Task `json:"tasks"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// BatchResults answers a batch, one result for each of its tasks in their order.
type BatchResults struct {
	Results []BatchResult `json:"results"`
}

// BatchResult is what became of one task of a batch: a Task where Status is 201 or 200,
// else a Problem.
type BatchResult struct {
	// Index is the place in the batch, from 0. Blank lines are not counted.
	Index   int      `json:"index"`
	Status  int      `json:"status"`
	Task    *Task    `json:"task,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}
