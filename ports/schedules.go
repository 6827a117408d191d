package ports

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"logsift/domain"
)

// MaxSchedulePage is how many schedules a page has at most.
const MaxSchedulePage = 500

// Schedules are records as they were at Now, a moment of the store's clock.
type Schedules struct {
	Now     time.Time
	Records []domain.ScheduleRecord
}

// ClaimedSchedules are records that nobody else is given before their claim has ended.
type ClaimedSchedules struct {
	Schedules

	// Next is how long it is until another record is due, negative if none is in sight.
	Next time.Duration
}

// ScheduleStore keeps schedules. What it promises makes that each tick has one task with
// no leader: a record is claimed by one process at a time, and saved only by who knows its
// newest revision. The rules of [TaskQueue] about time, concurrent and repeated calls,
// contexts, copies, batches and unavailable stores hold here too.
type ScheduleStore interface {
	// LoadSchedules returns one record for each name, in the order of the arguments, with
	// Revision 0 for a name that has none. A *domain.ValidationError names a bad name. A
	// record that cannot be read gives domain.ErrCorruptRecord.
	LoadSchedules(ctx context.Context, names ...string) (Schedules, error)
	// ListSchedules returns the records by name, from the first one after a name on, at
	// most limit of them, from 1 to MaxSchedulePage. Those that cannot be read are left
	// out. A page may end early once its records have MaxCallBytes; none ends the list.
	ListSchedules(ctx context.Context, after string, limit int) (Schedules, error)
	// SaveSchedules stores each record if the stored one still has its Revision (0 for
	// none), ends the claim of it, and returns the records with their new revisions, which
	// are above all that the name had. Item errors: domain.ErrInvalid, and
	// domain.ErrScheduleConflict for a record that was saved, claimed or deleted since. A
	// repeat finds its own record and changes nothing.
	SaveSchedules(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error)
	// DeleteSchedule removes the record, if there is one.
	DeleteSchedule(ctx context.Context, name string) error
	// ClaimSchedules returns records whose DueAt has come, the longest due first, at most
	// limit of them, and gives none of them to others before lease has passed or they are
	// saved. Each has a new Revision, by which who claimed it before saves it no more, and
	// its ClaimedAt, which an unsaved claim before it leaves as it was. Records that
	// cannot be read are left out. It may return fewer once they have MaxCallBytes.
	ClaimSchedules(ctx context.Context, limit int, lease time.Duration) (ClaimedSchedules, error)
}

// ValidateScheduleNames checks names of schedules. The error is a *domain.ValidationError.
func ValidateScheduleNames(names ...string) error {
	for _, name := range names {
		if err := domain.ValidateName("name", name); err != nil {
			return err
		}
	}
	return nil
}

// ValidateSchedulePage checks the arguments of ListSchedules. The error is a
// *domain.ValidationError.
func ValidateSchedulePage(limit int) error {
	if limit < 1 || limit > MaxSchedulePage {
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(limit), Rule: fmt.Sprintf("must be between 1 and %d", MaxSchedulePage)}
	}
	return nil
}

// ValidateScheduleClaim checks the arguments of ClaimSchedules. The error is a
// *domain.ValidationError.
func ValidateScheduleClaim(limit int, lease time.Duration) error {
	if err := ValidateLimit(limit); err != nil {
		return err
	}
	return ValidateLease(lease)
}
