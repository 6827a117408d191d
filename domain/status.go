package domain

import (
	"slices"
	"strings"
)

// TaskStatus is the state of a task. The zero value is no status.
type TaskStatus uint8

const (
	// TaskStatusPending: waiting to be claimed. With a ScheduledAt in the
	// future it is not ready yet. A claim moves it to PROCESSING; there is no
	// limit to how long it stays.
	TaskStatusPending TaskStatus = iota + 1
	// TaskStatusProcessing: a worker holds a lease on it. The worker's report,
	// its release, or the end of the lease moves it out.
	TaskStatusProcessing
	// TaskStatusCompleted: a worker reported success. It stays for the
	// retention time and is then removed.
	TaskStatusCompleted
	// TaskStatusFailed: no retries are left, or the error was permanent. It
	// stays for the retention time unless a person runs it again.
	TaskStatusFailed
	// TaskStatusRetrying: an attempt failed and the next one is due at
	// ScheduledAt, when the promoter moves it to PENDING.
	TaskStatusRetrying
	// TaskStatusCancelled: a person ended it. It stays for the retention time
	// unless a person runs it again.
	TaskStatusCancelled
)

// taskStatusNames are the names on the wire and in the specification.
var taskStatusNames = [...]string{
	TaskStatusPending:    "PENDING",
	TaskStatusProcessing: "PROCESSING",
	TaskStatusCompleted:  "COMPLETED",
	TaskStatusFailed:     "FAILED",
	TaskStatusRetrying:   "RETRYING",
	TaskStatusCancelled:  "CANCELLED",
}

// transitions is the one table of legal steps.
var transitions = [...][]TaskStatus{
	TaskStatusPending:    {TaskStatusProcessing, TaskStatusFailed, TaskStatusCancelled},
	TaskStatusProcessing: {TaskStatusCompleted, TaskStatusFailed, TaskStatusRetrying, TaskStatusPending, TaskStatusCancelled},
	TaskStatusCompleted:  {},
	TaskStatusFailed:     {TaskStatusPending},
	TaskStatusRetrying:   {TaskStatusPending, TaskStatusCancelled},
	TaskStatusCancelled:  {TaskStatusPending},
}

// TaskStatuses lists every status, in the order of the constants.
func TaskStatuses() []TaskStatus {
	return []TaskStatus{
		TaskStatusPending, TaskStatusProcessing, TaskStatusCompleted,
		TaskStatusFailed, TaskStatusRetrying, TaskStatusCancelled,
	}
}

// ParseTaskStatus reads a status name in either case. It returns a
// *ValidationError for the field "status" if there is no such status.
func ParseTaskStatus(s string) (TaskStatus, error) {
	if i := slices.Index(taskStatusNames[1:], strings.ToUpper(s)); i >= 0 {
		return TaskStatus(i + 1), nil
	}
	return 0, &ValidationError{
		Field: "status", Value: s,
		Rule: "must be one of " + strings.Join(taskStatusNames[1:], ", "),
	}
}

// Valid reports whether s is one of the constants.
func (s TaskStatus) Valid() bool { return s >= TaskStatusPending && s <= TaskStatusCancelled }

// String returns the status as the specification spells it, such as "PENDING".
func (s TaskStatus) String() string {
	if !s.Valid() {
		return "INVALID"
	}
	return taskStatusNames[s]
}

// Terminal reports whether no worker will touch the task again unless a person
// runs it again: COMPLETED, FAILED and CANCELLED.
func (s TaskStatus) Terminal() bool {
	return s == TaskStatusCompleted || s == TaskStatusFailed || s == TaskStatusCancelled
}

// CanBecome reports whether the step from s to next is legal.
func (s TaskStatus) CanBecome(next TaskStatus) bool {
	return s.Valid() && slices.Contains(transitions[s], next)
}

// MarshalText writes the name of the status.
func (s TaskStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name as [ParseTaskStatus] does.
func (s *TaskStatus) UnmarshalText(text []byte) error {
	parsed, err := ParseTaskStatus(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
