package domain

import (
	"fmt"
	"time"
)

// MaxBulk is how many tasks one call that changes many handles at most.
const MaxBulk = 10_000

// TaskAction is what a person can do to tasks. The zero value is not an action.
type TaskAction uint8

// The actions of a person.
const (
	// TaskActionRetry runs FAILED and CANCELLED tasks again.
	TaskActionRetry TaskAction = iota + 1
	// TaskActionCancel ends tasks that have not finished.
	TaskActionCancel
	// TaskActionRun makes waiting tasks ready at once.
	TaskActionRun
	// TaskActionDelete removes tasks that are not PROCESSING.
	TaskActionDelete
)

// TaskActions lists every action, in the order of the constants.
func TaskActions() []TaskAction {
	return []TaskAction{TaskActionRetry, TaskActionCancel, TaskActionRun, TaskActionDelete}
}

// Valid reports whether a is one of the constants.
func (a TaskAction) Valid() bool { return a >= TaskActionRetry && a <= TaskActionDelete }

// String returns the verb, such as "retry".
func (a TaskAction) String() string {
	switch a {
	case TaskActionRetry:
		return "retry"
	case TaskActionCancel:
		return "cancel"
	case TaskActionRun:
		return "run"
	case TaskActionDelete:
		return "delete"
	default:
		return "invalid"
	}
}

// Allowed returns the *TransitionError that the action would be refused with in the
// task's state, or nil. The task stays as it is.
func (a TaskAction) Allowed(t *Task) error {
	probe := *t
	switch a {
	case TaskActionRetry:
		return probe.RunAgain()
	case TaskActionCancel:
		return probe.MarkAsCancelled(time.Time{})
	case TaskActionRun:
		return probe.RunNow()
	case TaskActionDelete:
		if t.Status == TaskStatusProcessing {
			return &TransitionError{TaskID: t.ID, From: t.Status}
		}
		if t.Workflow != nil {
			return &TransitionError{TaskID: t.ID, From: t.Status, Node: true}
		}
		return nil
	default:
		return &ValidationError{Field: "action", Rule: "must be one of retry, cancel, run, delete"}
	}
}

// BulkRequest asks for an action on many tasks: those with the IDs, or, if there
// are none, those that the Filter selects, newest first.
type BulkRequest struct {
	Action TaskAction
	// IDs are at most MaxBulk, each once.
	IDs []TaskID
	// Filter selects tasks as in a list. Its Cursor is that of an earlier
	// [BulkResult] for the same filter; its Limit is how many tasks to handle, from 1
	// to MaxBulk, or 0 for MaxBulk.
	Filter TaskFilter
	// DryRun changes nothing, and tells what would be changed.
	DryRun bool
}

// Validate checks the fields but the cursor. The error is a *ValidationError.
func (r BulkRequest) Validate() error {
	if !r.Action.Valid() {
		return rangeError("action", int(r.Action), "must be one of retry, cancel, run, delete")
	}
	if len(r.IDs) > MaxBulk {
		return &ValidationError{Field: "ids", Rule: fmt.Sprintf("must be at most %d", MaxBulk)}
	}
	seen := make(map[TaskID]bool, len(r.IDs))
	for i, id := range r.IDs {
		if seen[id] {
			return &ValidationError{Field: fmt.Sprintf("ids.%d", i), Value: id.String(), Rule: "must be given once"}
		}
		seen[id] = true
	}
	if r.Filter.Limit < 0 || r.Filter.Limit > MaxBulk {
		return rangeError("limit", r.Filter.Limit, fmt.Sprintf("must be between 1 and %d", MaxBulk))
	}
	filter := r.Filter
	filter.Limit = 0
	return filter.Validate()
}

// MaxBulkRefusals is how many refused tasks a [BulkResult] names.
const MaxBulkRefusals = 100

// BulkResult tells what became of the tasks of a [BulkRequest].
type BulkResult struct {
	// Matched are the tasks that were looked at: the IDs, or what the filter
	// selected. Each is counted in Changed or in Refused too.
	Matched, Changed, Refused int
	// Refusals are the first MaxBulkRefusals that were refused.
	Refusals []BulkRefusal
	// NextCursor is where the same request with it goes on, if the filter may select
	// more tasks than were handled; else it is "".
	NextCursor string
	// Stopped is why the store did not let the action go on: the first Matched of the
	// IDs, or the tasks before NextCursor, were looked at. Nil if it was not kept from
	// anything.
	Stopped error
}

// BulkRefusal is a task that was refused, and why.
type BulkRefusal struct {
	ID  TaskID
	Err error
}

// Add counts a task that was changed, if err is nil, or refused.
func (r *BulkResult) Add(id TaskID, err error) {
	r.Matched++
	if err == nil {
		r.Changed++
		return
	}
	r.Refused++
	if len(r.Refusals) < MaxBulkRefusals {
		r.Refusals = append(r.Refusals, BulkRefusal{ID: id, Err: err})
	}
}
