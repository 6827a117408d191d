package domain

import "time"

// TaskEvent is one step of one task.
type TaskEvent struct {
	// Cursor names the place of the event among the others: a reader goes on
	// after it. It is opaque, printable ASCII without spaces, at most
	// MaxEventCursor bytes.
	Cursor string
	TaskID TaskID
	Type   TaskType
	Queue  string
	// From is 0 for a task that is new, To is 0 for one that was removed, by a
	// person or after its retention. They may be the same: a scheduled task that
	// became ready stays PENDING.
	From, To TaskStatus
	// Attempt is the number of reported runs that the task has behind it, as
	// [Task.Attempt] after the step.
	Attempt int
	// Reason says why a run failed, where one did, or that a lease expired; else it
	// is "".
	Reason FailureReason
	// At is when it happened, by the store's clock.
	At time.Time
}

// MaxEventCursor bounds the cursor of an event, in bytes.
const MaxEventCursor = 2048

// TaskEventPage is a part of the stream of events, oldest first.
type TaskEventPage struct {
	Events []TaskEvent
	// Next is where to go on, also if there are no events.
	Next string
	// Lost tells that events are gone which the reader was not told: what it knows
	// of the tasks may be old, and is to be read anew. Such a page has no events.
	Lost bool
}
