package wire

import (
	"time"

	"github.com/google/uuid"
)

// LogEntry is a stored log entry.
type LogEntry struct {
	ID         uuid.UUID  `json:"id"`
	Timestamp  *time.Time `json:"timestamp"`
	ReceivedAt *time.Time `json:"received_at"`
	// Level is unknown, trace, debug, info, warn, error or fatal.
	Level      string            `json:"level"`
	Source     string            `json:"source"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes"`
}

// LogList is one page of log entries, newest first.
type LogList struct {
	Logs []LogEntry `json:"logs"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// TaskLog is a part of what the runs of a task have logged, oldest first.
type TaskLog struct {
	Logs []LogEntry `json:"logs"`
	// NextCursor goes on behind these, also with lines that come later.
	NextCursor string `json:"next_cursor"`
	// More is whether there may be more now.
	More bool `json:"more"`
}

// LogReceipt answers log entries that were handed in.
type LogReceipt struct {
	// Accepted is how many entries were stored.
	Accepted int `json:"accepted"`
	// Rejected are the first 100 that were not, RejectedCount is how many.
	Rejected      []RejectedLine `json:"rejected"`
	RejectedCount int            `json:"rejected_count"`
	// LogIDs are the ids of the stored entries, in their order.
	LogIDs []uuid.UUID `json:"log_ids"`
	// TaskIDs are the tasks that will analyse them.
	TaskIDs []uuid.UUID `json:"task_ids"`
}

// RejectedLine says why one entry was not stored.
type RejectedLine struct {
	// Line is the number of the line, or of the JSON value, from 1.
	Line int `json:"line"`
	// Field is the part of the entry that is wrong, or "line" for the whole.
	Field  string `json:"field"`
	Reason string `json:"reason"`
}
