package ports

import (
	"context"
	"time"

	"logsift/domain"
)

// QueueController looks at queues and pauses them. The rules of [TaskQueue] hold
// here too.
type QueueController interface {
	// ListQueues describes the queues that hold a task in any state or are paused,
	// by name. A store may know others too, that held one before. Its cost grows
	// with the number of queues and types, not of tasks.
	ListQueues(ctx context.Context) ([]domain.QueueInfo, error)
	// PauseQueue has the queue give out no tasks, to any process, from its return
	// on. Tasks that run go on, and tasks are taken in, scheduled, promoted,
	// recovered and changed as ever. A queue that is paused already stays so. The
	// pause has no end of its own and outlives all processes. A
	// *domain.ValidationError names a bad name. A store of several servers that
	// reaches some of them only returns an error, and the call is to be repeated:
	// the queue counts as paused when all of them know it.
	PauseQueue(ctx context.Context, name string) error
	// ResumeQueue ends a pause, if there is one, and wakes those who wait for tasks.
	// The errors are those of PauseQueue; the queue counts as paused until all of
	// the servers know that it is not.
	ResumeQueue(ctx context.Context, name string) error
}

// MaxReportTTL bounds how long a report of a scheduler may last.
const MaxReportTTL = time.Hour

// ValidateReport checks a report that is to be stored, and how long it is to last.
// The error is a *domain.ValidationError.
func ValidateReport(report *domain.SchedulerReport, ttl time.Duration) error {
	if ttl < time.Millisecond || ttl > MaxReportTTL {
		return &domain.ValidationError{Field: "ttl", Value: ttl.String(), Rule: "must be between 1ms and " + MaxReportTTL.String()}
	}
	return report.Validate()
}

// SchedulerRegistry lets processes know of one another's schedulers. The rules of
// [TaskQueue] about time, concurrent and repeated calls, contexts, copies and
// unavailable stores hold here too.
type SchedulerRegistry interface {
	// ReportScheduler stores the report under its ID, in place of an earlier one,
	// and forgets it after ttl, from one millisecond to MaxReportTTL, by the store's
	// clock. SeenAt is not read but set, and returned. Errors: domain.ErrInvalid.
	ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error)
	// RemoveScheduler forgets the report, if there is one.
	RemoveScheduler(ctx context.Context, id domain.SchedulerID) error
	// ListSchedulers returns the reports that last, by ID, without those that cannot
	// be read.
	ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error)
}
