package ports

import (
	"time"

	"logsift/domain"
)

// RunReport is how a run ended whose worker belongs to no scheduler.
type RunReport struct {
	// Task is the task as it was claimed. Read are its Lease, what a retry is decided by
	// (MaxRetries, Attempt, Backoff), when it is over (StartedAt, Timeout), and for those who
	// count runs its Type and Queue.
	Task *domain.Task
	// Waited is how long it had been ready before; negative if that is not known.
	Waited time.Duration
	// Result and Err are what a TaskProcessor would have returned.
	Result []byte
	Err    error
}
