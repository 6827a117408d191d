package ports

import (
	"context"
	"slices"
	"sync"
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

// CancelWatches are the calls of [RunTracker].WatchCancelled that are under way, for stores
// that tell each of them. The zero value has none.
type CancelWatches struct {
	mu  sync.Mutex
	all []*cancelWatch
}

// cancelWatch tells one watcher of cancelled tasks.
type cancelWatch struct {
	mu sync.Mutex // held by calls, which must not overlap
	// cancelled is nil when the watch has ended; mu guards it.
	cancelled func(ids []domain.TaskID)
}

func (w *cancelWatch) call(ids []domain.TaskID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancelled != nil {
		w.cancelled(ids)
	}
}

// Add has cancelled called without ids at once, and from then on with what Tell gets, until
// end has returned.
func (s *CancelWatches) Add(cancelled func(ids []domain.TaskID)) (end func()) {
	w := &cancelWatch{cancelled: cancelled}
	s.mu.Lock()
	s.all = append(s.all, w)
	s.mu.Unlock()
	w.call(nil)
	return func() {
		s.mu.Lock()
		s.all = slices.DeleteFunc(s.all, func(other *cancelWatch) bool { return other == w })
		s.mu.Unlock()
		w.mu.Lock() // waits for a call under way
		defer w.mu.Unlock()
		w.cancelled = nil
	}
}

// Tell calls those who watch, each with a list of its own.
func (s *CancelWatches) Tell(ids []domain.TaskID) {
	s.mu.Lock()
	watches := slices.Clone(s.all)
	s.mu.Unlock()
	for _, w := range watches {
		w.call(slices.Clone(ids))
	}
}

// Any reports whether somebody watches.
func (s *CancelWatches) Any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all) > 0
}
