package wire

import "time"

// Names of the events of the stream of task events.
const (
	// EventTask tells of one step of one task; its data is a [TaskEvent].
	EventTask = "task"
	// EventReset tells that events were lost: what the client shows is to be read
	// anew. Its data is an empty object.
	EventReset = "reset"
)

// TaskEvent is one step of one task.
type TaskEvent struct {
	TaskID string `json:"task_id"`
	Type   string `json:"type"`
	Queue  string `json:"queue"`
	// From is null for a task that is new, To for one that was removed.
	From *string `json:"from"`
	To   *string `json:"to"`
	// Attempt is the number of reported runs that the task has behind it.
	Attempt int `json:"attempt"`
	// Reason says why a run failed, or "".
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}
