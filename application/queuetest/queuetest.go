// Package queuetest tests programs that use a queue: a store in memory whose clock the
// test moves, and which the real scheduler works on when the test says so.
//
//	store := queuetest.New(t)
//	q := logsift.New(store, logsift.Options{})
//	greet := register(q)             // the program's own
//	…                                // what enqueues a task in an hour
//	store.Advance(time.Hour)
//	store.Run(q)
//	…                                // what the task did
package queuetest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// runLimit bounds a Run, in which no handler should wait for anything but its work.
const runLimit = time.Minute

// Runner is what works on a store: a logsift.Queue, or an application.DefaultScheduler.
type Runner interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Store is a store of one test. Use it from the goroutine of the test.
type Store struct {
	*memstore.Store

	tb      testing.TB
	offset  *atomic.Int64 // of the clock
	runners []Runner      // those that were started

	mu      sync.Mutex // guards claims; runners claim while the test looks
	claims  []ports.ClaimRequest
	claimed chan struct{}
}

// New returns an empty store. What runs on it is stopped at the end of the test.
func New(tb testing.TB) *Store {
	tb.Helper()
	offset := new(atomic.Int64)
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	return &Store{Store: memstore.New(memstore.Config{Now: now}), tb: tb, offset: offset, claimed: make(chan struct{}, 1)}
}

// Advance moves the clock: the tasks of that time become due, and the next Run runs
// them. Do it while nothing runs: it ends leases, too.
func (s *Store) Advance(d time.Duration) { s.offset.Add(int64(d)) }

// Run runs all tasks that are due, and those that they enqueue, and returns when none
// is. Retries are due later. The first Run of a runner starts it; from then on it also
// runs what is enqueued at other times. Tasks that it has no handler for are left.
func (s *Store) Run(r Runner) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), runLimit)
	defer cancel()
	s.start(ctx, r)
	at := s.events(ctx, "", 0).Next
	for {
		s.promote(ctx)
		wait := time.Duration(0)
		if s.due(ctx) {
			wait = runLimit
		}
		// What changed while it looked has it look again.
		page := s.events(ctx, at, wait)
		if wait == 0 && len(page.Events) == 0 && !page.Lost {
			return
		}
		at = page.Next
	}
}

// Tasks returns the tasks of a type, in the order of their creation, with their states.
func (s *Store) Tasks(taskType domain.TaskType) []*domain.Task {
	s.tb.Helper()
	tasks := s.list(s.tb.Context(), domain.TaskFilter{Type: taskType})
	slices.Reverse(tasks)
	return tasks
}

// Payloads returns the payloads of the tasks of a type, in the order of their creation.
func Payloads[In any](s *Store, taskType domain.TaskType) []In {
	s.tb.Helper()
	tasks := s.Tasks(taskType)
	out := make([]In, len(tasks))
	for i, task := range tasks {
		s.check("the payload of "+string(taskType), json.Unmarshal(task.Payload, &out[i]))
	}
	return out
}

// Dequeue also notes which tasks a runner asks for.
func (s *Store) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	s.mu.Lock()
	if !slices.ContainsFunc(s.claims, func(c ports.ClaimRequest) bool {
		return slices.Equal(c.Types, req.Types) && slices.Equal(c.Queues, req.Queues)
	}) {
		s.claims = append(s.claims, req)
	}
	s.mu.Unlock()
	select {
	case s.claimed <- struct{}{}:
	default:
	}
	return s.Store.Dequeue(ctx, req)
}

// start starts a runner that is new, and waits until it claims.
func (s *Store) start(ctx context.Context, r Runner) {
	s.tb.Helper()
	if slices.Contains(s.runners, r) {
		return
	}
	select {
	case <-s.claimed: // by another
	default:
	}
	s.check("start", r.Start(context.WithoutCancel(ctx)))
	s.runners = append(s.runners, r)
	s.tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runLimit)
		defer cancel()
		s.check("stop", r.Stop(ctx))
	})
	select {
	case <-s.claimed:
	case <-ctx.Done():
		s.tb.Fatalf("queuetest: the runner claims nothing")
	}
}

// promote makes ready what is due.
func (s *Store) promote(ctx context.Context) {
	s.tb.Helper()
	for {
		done, err := s.PromoteDue(ctx, ports.MaxClaim)
		s.check("promote", err)
		if done.Count < ports.MaxClaim {
			return
		}
	}
}

// due reports whether a task runs, is ready for one that runs it, or is to be enqueued by a
// schedule.
func (s *Store) due(ctx context.Context) bool {
	s.tb.Helper()
	stats, err := s.GetQueueStats(ctx)
	s.check("look at the tasks", err)
	if stats.Processing > 0 || s.scheduled(ctx) {
		return true
	}
	if stats.Pending == 0 {
		return false
	}
	pending := slices.DeleteFunc(s.list(ctx, domain.TaskFilter{Status: domain.TaskStatusPending}), func(t *domain.Task) bool {
		if t.Workflow == nil {
			return false
		}
		node, err := s.GetTask(ctx, t.ID)
		s.check("look at a task of a workflow", err)
		return len(node.WaitingFor) > 0
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(pending, func(t *domain.Task) bool {
		return t.Ready(time.Now().Add(time.Duration(s.offset.Load()))) && slices.ContainsFunc(s.claims, func(c ports.ClaimRequest) bool {
			return slices.Contains(c.Types, t.Type) && (len(c.Queues) == 0 || slices.Contains(c.Queues, t.Queue))
		})
	})
}

// scheduled reports whether a schedule is due, which a runner notices within a second.
func (s *Store) scheduled(ctx context.Context) bool {
	s.tb.Helper()
	all, err := s.ListSchedules(ctx, "", ports.MaxSchedulePage)
	s.check("look at the schedules", err)
	return slices.ContainsFunc(all.Records, func(r domain.ScheduleRecord) bool {
		due := r.DueAt()
		return !due.IsZero() && !due.After(all.Now)
	})
}

func (s *Store) list(ctx context.Context, filter domain.TaskFilter) []*domain.Task {
	s.tb.Helper()
	var out []*domain.Task
	for {
		page, err := s.ListTasks(ctx, filter)
		s.check("list the tasks", err)
		out = append(out, page.Tasks...)
		if filter.Cursor = page.NextCursor; filter.Cursor == "" {
			return out
		}
	}
}

func (s *Store) events(ctx context.Context, after string, wait time.Duration) domain.TaskEventPage {
	s.tb.Helper()
	page, err := s.ReadTaskEvents(ctx, ports.EventRequest{After: after, Max: ports.MaxEvents, Wait: wait})
	s.check("wait for the tasks", err)
	return page
}

func (s *Store) check(what string, err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("queuetest: %s: %v", what, err)
	}
}
