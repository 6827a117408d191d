package application

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// NoWorkers as the number of workers makes a scheduler that claims nothing: it
// takes tasks in, and maintains the queue if it is told to.
const NoWorkers = -1

// Defaults of a [SchedulerConfig].
const (
	DefaultWorkers      = 10
	DefaultLease        = 15 * time.Second
	DefaultPollInterval = 5 * time.Second
	// DefaultPrefetchWindow is some ten times what a claim takes.
	DefaultPrefetchWindow = 20 * time.Millisecond
	DefaultTimeoutGrace   = 5 * time.Second
	DefaultDrainGrace     = time.Second
	DefaultRetention      = 24 * time.Hour
	// DefaultFailedRetention is a week: somebody should have looked at what failed.
	DefaultFailedRetention = 7 * 24 * time.Hour
	DefaultPurgeInterval   = 10 * time.Second
	DefaultMaxRecoveries   = 3
)

// Limits of a [SchedulerConfig].
const (
	MaxWorkers  = 10_000
	MaxPrefetch = 10_000
)

// TaskPurger is told which tasks were removed after their retention, so that
// what belongs to them elsewhere can be removed too. [LogService] is one.
type TaskPurger interface {
	// PurgeTasks removes what belongs to the tasks; ids without anything are
	// passed over. It is called in every round of purging, also without ids, and
	// again with the same ids after an error. It takes a bounded step, and reports
	// whether more is left to remove, so that it is called again soon.
	PurgeTasks(ctx context.Context, ids ...domain.TaskID) (more bool, err error)
}

// SchedulerConfig configures a [DefaultScheduler]. The zero value works.
type SchedulerConfig struct {
	// Workers is how many tasks run at once, from 1 to MaxWorkers, or
	// NoWorkers. 0 is DefaultWorkers.
	Workers int
	// Maintain makes a scheduler without workers maintain the queue. One with
	// workers always does.
	Maintain bool
	// Queues restricts the claims to these queues; empty for all. One with a weight from
	// 0 to MaxQueueWeight, such as mail=3, has that share of the claims while all have
	// tasks; without a weight beside others that have one, it weighs 1. Those of weight 0
	// have their turn, in their order, when the others are empty. Where none has a weight,
	// priority and age decide, over all queues.
	Queues []string
	// Ageing has a waiting task gain a level of priority each time that it has passed, so
	// that low priorities do not starve, from ports.MinAgeing to ports.MaxAgeing; 0 for never.
	Ageing time.Duration
	// Prefetch is how many tasks are always claimed ahead of free workers, from 0
	// (the default) to MaxPrefetch. They are kept from other processes for as
	// long as the workers are busy.
	Prefetch int
	// PrefetchWindow lets short tasks be claimed ahead too, so that workers need
	// not wait for a claim: as many as ended within the last PrefetchWindow, and
	// at most 500. Long tasks are not claimed ahead by it. What has not
	// begun to run after ten windows is given back. 0 is DefaultPrefetchWindow;
	// negative is none.
	PrefetchWindow time.Duration
	// Lease is how long a claim lasts unless it is extended, which happens three
	// times as often; from ports.MinLease to ports.MaxLease. A dead worker's
	// tasks are claimable Lease + 2 s after its death. 0 is DefaultLease.
	Lease time.Duration
	// PollInterval is how long a claim waits for a task before it is made anew.
	// The wait is woken by the store; this bounds what a lost wake-up costs. It
	// is cut to a third of Lease. 0 is DefaultPollInterval.
	PollInterval time.Duration
	// TimeoutGrace is how long a processor may take to return once its context
	// has ended. After it the run counts as failed, and its worker as stuck
	// until the processor returns. 0 is DefaultTimeoutGrace.
	TimeoutGrace time.Duration
	// DrainGrace is the same for the runs that Stop cancels. 0 is
	// DefaultDrainGrace.
	DrainGrace time.Duration
	// RetryPolicy says when a failed task runs again.
	RetryPolicy domain.RetryPolicy
	// MaxRecoveries is how often a task is taken back from a dead worker before
	// it fails as poison, up to ports.MaxRecoveries; negative fails it at the
	// first time. 0 is DefaultMaxRecoveries.
	MaxRecoveries int
	// Retention is how long finished tasks are kept. 0 is DefaultRetention.
	Retention time.Duration
	// FailedRetention is how long FAILED tasks are kept, if that is longer. 0 is
	// DefaultFailedRetention.
	FailedRetention time.Duration
	// PurgeInterval is how often those are looked for whose retention has
	// passed. 0 is DefaultPurgeInterval.
	PurgeInterval time.Duration
	// Purger, if set, learns which tasks were removed.
	Purger TaskPurger
	// Schedules, if set, are fired by a scheduler that has workers or maintains the queue.
	Schedules *ScheduleService
	// Registry, if set, lists the scheduler while it runs, if that has workers or
	// maintains the queue: every 2 s what has changed, and every 10 s in any case.
	Registry ports.SchedulerRegistry
	// Runs, if set, keeps the progress of runs, and tells of cancelled tasks, whose runs
	// then end at once and not at the next heartbeat.
	Runs ports.RunTracker
	// RunLog, if set, keeps what processors log of their runs, see [Log].
	RunLog ports.LogStore
	// Workflows, if set, tells processors how the tasks ended that theirs waited for, see
	// [Predecessors].
	Workflows ports.WorkflowKeeper
	// History, if set, counts what the scheduler does, and is merged into its store
	// while that runs and when it stops.
	History *RunHistory
	// Served, if set, are workers of other programs that this process serves. While the
	// scheduler runs it ends their runs whose time is over, and has the registry list them.
	Served *WorkerService
	// Types, if set, knows which other types of tasks somebody works on.
	Types *TaskTypes
	// Process is what the registry shows of the process.
	Process ProcessInfo
	// Observer, if set, is told how runs end.
	Observer ports.RunObserver
	// Random returns numbers from [0,1) for jitter. It is called by many
	// goroutines at once. Nil is math/rand/v2.
	Random func() float64
	// NewID makes the ids of claims, of log analysis tasks and of the scheduler. They
	// must be random. It is called by many goroutines at once. Nil is UUIDs of
	// version 7.
	NewID func() uuid.UUID
}

// withDefaults returns c with its zero fields filled in.
func (c SchedulerConfig) withDefaults() SchedulerConfig {
	c.Workers = orDefault(c.Workers, DefaultWorkers)
	c.Lease = orDefault(c.Lease, DefaultLease)
	c.PrefetchWindow = max(orDefault(c.PrefetchWindow, DefaultPrefetchWindow), 0)
	c.PollInterval = min(orDefault(c.PollInterval, DefaultPollInterval), c.Lease/3)
	c.TimeoutGrace = orDefault(c.TimeoutGrace, DefaultTimeoutGrace)
	c.DrainGrace = orDefault(c.DrainGrace, DefaultDrainGrace)
	c.Retention = orDefault(c.Retention, DefaultRetention)
	c.FailedRetention = orDefault(c.FailedRetention, DefaultFailedRetention)
	c.PurgeInterval = orDefault(c.PurgeInterval, DefaultPurgeInterval)
	c.MaxRecoveries = min(max(orDefault(c.MaxRecoveries, DefaultMaxRecoveries), 0), ports.MaxRecoveries)
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.NewID == nil {
		c.NewID = newID
	}
	return c
}

// validate checks a configuration that has its defaults.
func (c SchedulerConfig) validate() error {
	if c.Workers != NoWorkers && (c.Workers < 1 || c.Workers > MaxWorkers) {
		return &domain.ValidationError{Field: "workers", Value: strconv.Itoa(c.Workers), Rule: fmt.Sprintf("must be between 1 and %d, or NoWorkers", MaxWorkers)}
	}
	if c.Prefetch < 0 || c.Prefetch > MaxPrefetch {
		return &domain.ValidationError{Field: "prefetch", Value: strconv.Itoa(c.Prefetch), Rule: fmt.Sprintf("must be between 0 and %d", MaxPrefetch)}
	}
	if c.Lease < ports.MinLease || c.Lease > ports.MaxLease {
		return &domain.ValidationError{Field: "lease", Value: c.Lease.String(), Rule: fmt.Sprintf("must be between %v and %v", ports.MinLease, ports.MaxLease)}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"poll_interval", c.PollInterval}, {"timeout_grace", c.TimeoutGrace}, {"drain_grace", c.DrainGrace},
		{"retention", c.Retention}, {"failed_retention", c.FailedRetention}, {"purge_interval", c.PurgeInterval},
	} {
		if d.value < 0 {
			return &domain.ValidationError{Field: d.field, Value: d.value.String(), Rule: "must not be negative"}
		}
	}
	if err := ports.ValidateAgeing(c.Ageing); err != nil {
		return err
	}
	return c.RetryPolicy.Validate()
}

// workers is the number of workers, 0 for none.
func (c SchedulerConfig) workers() int { return max(c.Workers, 0) }

// orDefault returns v, or def if v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// newID returns a new UUID of version 7.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
