package ports

import (
	"context"
	"time"

	"logsift/domain"
)

// ProgressKept is how long a store keeps the progress of a run, at least, while the run
// goes on and says nothing new.
const ProgressKept = 2 * time.Minute

// RunProgress says how far a run has come.
type RunProgress struct {
	// Lease is the lease of the task. Its ExpiresAt is not read.
	Lease domain.Lease
	// Progress is to be kept. Its At is not read.
	Progress domain.Progress
}

// Validate checks the fields. The error is a *domain.ValidationError.
func (p RunProgress) Validate() error { return p.Progress.Validate() }

// RunTracker has workers and the others know of each other while tasks run. The rules of
// [TaskQueue] hold here too.
type RunTracker interface {
	// SaveProgress keeps how far runs have come, in place of what was kept of them. Until
	// the run ends, and for ProgressKept, TaskReader.GetTask shows it. It is no step of
	// the task, and no lease is extended. Item errors: domain.ErrLeaseLost,
	// domain.ErrInvalid.
	SaveProgress(ctx context.Context, progress ...RunProgress) error

	// WatchCancelled calls cancelled soon, without polling the tasks, after tasks were
	// cancelled that were PROCESSING, by this process or another, with their ids. It
	// calls it without ids where others may have been cancelled too: when it begins, and
	// when messages may have been lost. cancelled must return at once. Calls do not overlap. WatchCancelled
	// returns when ctx ends, with its error, or when it cannot go on; no call is under way
	// then, and none follows.
	WatchCancelled(ctx context.Context, cancelled func(ids []domain.TaskID)) error
}
