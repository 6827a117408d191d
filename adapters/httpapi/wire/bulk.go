package wire

import (
	"time"

	"github.com/google/uuid"
)

// BulkTasks is the body of an action on many tasks: exactly one of IDs and Filter.
type BulkTasks struct {
	// IDs are from 1 to 10,000 ids of tasks, each once.
	IDs []string `json:"ids,omitempty"`
	// Filter selects tasks as the list does. One that names nothing selects every
	// task, and must be confirmed by All.
	Filter *TaskFilter `json:"filter,omitempty"`
	All    bool        `json:"all,omitempty"`
	// DryRun changes nothing, and tells what would be changed.
	DryRun bool `json:"dry_run,omitempty"`
	// Cursor is the NextCursor of an earlier answer for the same filter.
	Cursor string `json:"cursor,omitempty"`
}

// TaskFilter selects tasks. Absent and empty fields select all.
type TaskFilter struct {
	// Status is PENDING, PROCESSING, COMPLETED, FAILED, RETRYING or CANCELLED.
	Status string `json:"status,omitempty"`
	Type   string `json:"type,omitempty"`
	Queue  string `json:"queue,omitempty"`
	// Tag is one of the task's tags, Reason that of its newest error.
	Tag    string `json:"tag,omitempty"`
	Reason string `json:"reason,omitempty"`
	// CreatedAfter and CreatedBefore bound the time of creation, both excluded.
	CreatedAfter  *time.Time `json:"created_after,omitempty"`
	CreatedBefore *time.Time `json:"created_before,omitempty"`
}

// BulkResult answers an action on many tasks. One call handles at most 10,000, the
// newest first.
type BulkResult struct {
	DryRun bool `json:"dry_run"`
	// Matched are the tasks that were looked at, each of which is in Changed or in
	// Refused. With DryRun, Changed would be changed.
	Matched int `json:"matched"`
	Changed int `json:"changed"`
	Refused int `json:"refused"`
	// Refusals are the first 100 that were refused.
	Refusals []BulkRefusal `json:"refusals"`
	// More is whether the filter may select tasks that were not looked at. The same
	// request with NextCursor as its cursor goes on with those, and a client that
	// does so until More is false is done: it meets each task once, and none that is
	// enqueued meanwhile.
	More       bool    `json:"more"`
	NextCursor *string `json:"next_cursor"`
	// Stopped is why the store did not let the action go on, absent if it did: of IDs
	// the first Matched were looked at, of a filter the tasks before NextCursor.
	Stopped *Problem `json:"stopped,omitempty"`
}

// BulkRefusal is a task that was refused, and why.
type BulkRefusal struct {
	ID      uuid.UUID `json:"id"`
	Problem Problem   `json:"problem"`
}
