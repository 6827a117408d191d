package ports

import (
	"context"

	"logsift/domain"
)

// MaxLimits is how many limits a store keeps at most.
const MaxLimits = 1000

// LimitKeeper keeps limits, to which every claim of every process keeps. The rules of
// [TaskQueue] hold here too, and these:
//
//   - A task takes one slot of each limit that it is under: that of its queue, that of its
//     type, and the one for its key in its queue. A claim gives it out only if all of
//     these have a free slot and a token.
//   - A slot is held from the claim until the lease ends: by a report, a release, a
//     cancellation, a recovery. A lease that has expired holds its slot until it is
//     recovered. So at no moment do more tasks of a limit hold leases than its
//     Concurrency, whatever processes and machines do.
//   - Under domain.RetriesBlock a task holds the slot of its key from its first claim
//     under the limit until it has finished or is deleted, also while it is RETRYING, is
//     snoozed or was given back; it needs no other slot of the key to run again, and comes
//     before all others of its key.
//   - A task that is held back is PENDING, and holds nobody up: the same claim gives out
//     others, also those of a lower priority. What a claim costs does not grow with the
//     number of tasks that are held back.
//   - If domain.Limit.Ordered, the tasks of a key run one at a time, the highest priority
//     first and within one the oldest first among those that are ready, of whatever type:
//     one that a claim did not ask for holds up those of its key behind it. Where several
//     may run at the same time, the tasks of a key that are of another type hold nobody up.
//   - Each claim that is granted takes a token; a repeat of a claim takes none. No token
//     comes back, also not that of a task that was given back. Time is the store's;
//     where its clock is set back by more than a minute, the bucket counts as full.
//   - A claim that waits is woken when a slot becomes free, when the next token comes, and
//     when a limit is changed or deleted.
//
// A store of several parts may keep limits for the tasks of one part only: it refuses
// others with a *domain.ValidationError for "scope".
type LimitKeeper interface {
	// SetLimit stores the limit, in place of that of the same name. From its return on no
	// claim goes beyond it, whenever the task was enqueued. What runs already goes on and
	// counts: nothing new of the limit begins until there is a free slot. The tokens are
	// those that the name had, if the limit is of the same tasks and has the same Rate;
	// else the bucket is full. Errors: domain.ErrInvalid, domain.ErrLimitExists (a
	// limit of another name is of the same tasks), and a *domain.ValidationError for
	// "name" if there are MaxLimits others.
	SetLimit(ctx context.Context, limit domain.Limit) error
	// DeleteLimit removes the limit. What nothing else holds back is ready at once.
	// Errors: domain.ErrInvalid, domain.ErrLimitNotFound.
	DeleteLimit(ctx context.Context, name string) error
	// ListLimits returns the limits by name, with their use at one moment. Its cost does
	// not grow with the number of tasks.
	ListLimits(ctx context.Context) ([]domain.LimitUse, error)
}

// TooManyLimits returns the error for a limit beyond MaxLimits.
func TooManyLimits(name string) error {
	return &domain.ValidationError{Field: "name", Value: name, Rule: "must be that of a limit that exists: there are as many as a store keeps"}
}
