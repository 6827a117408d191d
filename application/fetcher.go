package application

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// fetcher claims tasks for free workers.
type fetcher struct {
	*DefaultScheduler
	types []domain.TaskType
	// claim names the claim under way. While its outcome is unknown it is
	// repeated under the same name, so that tasks which the store gave out but
	// whose names were lost on the way are found again.
	claim ports.ClaimRequest
	// repeated is whether an earlier call for this claim failed.
	repeated bool
	// eager is whether the last claim got all that it asked for, so that there
	// are likely more.
	eager bool
	// careful is whether the last claim had a suspect, so that the next one asks
	// for one task only: others would have to be given back.
	careful bool
}

// run claims until claims ends, and starts the runs with the context runs.
// A call that does not wait is not cut short by claims but by calls only, since
// a claim that is cut short while the store makes it leaves tasks that nobody
// works on until their leases end.
func (f *fetcher) run(claims, calls, runs context.Context) {
	var wait backoff
	for {
		room := f.pool.waitRoom(claims)
		if room == 0 {
			return
		}
		if f.careful {
			room = 1
		}
		tasks, until, err := f.fetch(claims, calls, min(room, maxCall))
		if claims.Err() != nil && err != nil {
			return
		}
		if !f.noteStore(claims, "Dequeue", err) {
			f.repeated = true
			if !sleep(claims, wait.next(f.cfg.Random())) {
				return
			}
			continue
		}
		wait.reset()
		f.eager = len(tasks) == f.claim.Max
		f.claim, f.repeated = ports.ClaimRequest{}, false
		f.deliver(claims, runs, tasks, until)
	}
}

// fetch makes one claim call, and returns the tasks and until when their leases
// last at least.
func (f *fetcher) fetch(claims, calls context.Context, room int) ([]*domain.Task, time.Time, error) {
	if f.claim.ID == uuid.Nil {
		f.claim = ports.ClaimRequest{
			ID: f.cfg.NewID(), Max: room, Lease: f.cfg.Lease,
			Queues: f.cfg.Queues, Types: f.types,
		}
	}
	f.claim.Wait = 0
	parent := calls
	if !f.eager && !f.repeated {
		f.claim.Wait = f.cfg.PollInterval
		parent = claims
	}
	ctx, cancel := context.WithTimeout(parent, f.claim.Wait+callTimeout)
	defer cancel()
	start := time.Now()
	tasks, err := f.queue.Dequeue(ctx, f.claim)
	if err != nil {
		return nil, time.Time{}, err
	}
	if f.repeated && len(tasks) > 0 {
		return f.confirm(calls, tasks)
	}
	return tasks, start.Add(f.cfg.Lease), nil
}

// confirm extends the leases of tasks that an earlier call may have claimed,
// because nobody knows how long ago, and leaves out those that are lost.
func (f *fetcher) confirm(calls context.Context, tasks []*domain.Task) ([]*domain.Task, time.Time, error) {
	ctx, cancel := context.WithTimeout(calls, callTimeout)
	defer cancel()
	start := time.Now()
	leases := make([]domain.Lease, len(tasks))
	for i, t := range tasks {
		leases[i] = newRun(t).lease
	}
	_, err := f.queue.ExtendLease(ctx, f.cfg.Lease, leases...)
	held := make([]*domain.Task, 0, len(tasks))
	for i, t := range tasks {
		switch item := domain.ItemError(err, i); {
		case item == nil:
			held = append(held, t)
		case errors.Is(item, domain.ErrLeaseLost):
		default:
			return nil, time.Time{}, item
		}
	}
	return held, start.Add(f.cfg.Lease), nil
}

// deliver hands claimed tasks to the workers, or back to the queue if the
// scheduler began to stop meanwhile.
func (f *fetcher) deliver(claims, ctx context.Context, tasks []*domain.Task, until time.Time) {
	if len(tasks) == 0 {
		return
	}
	runs := make([]*run, len(tasks))
	for i, t := range tasks {
		runs[i] = newRun(t)
	}
	f.leases.add(runs, until)
	i := slices.IndexFunc(runs, f.suspect)
	f.careful = i >= 0
	if f.careful {
		f.deliverAlone(claims, ctx, runs[i], slices.Delete(slices.Clone(runs), i, i+1))
		return
	}
	f.start(ctx, runs)
}

func (f *fetcher) start(ctx context.Context, runs []*run) {
	start, refused := f.pool.admit(runs)
	for _, r := range start {
		go f.work(ctx, r)
	}
	f.release(refused)
}

// suspect reports whether the next loss of its lease would make the task poison.
func (f *fetcher) suspect(r *run) bool {
	return r.info.Recoveries > 0 && r.info.Recoveries >= f.cfg.MaxRecoveries
}

// deliverAlone runs a suspect with nothing beside it, and gives the rest of its
// claim back. What ran each time beside a task that kills its worker has lost as
// many leases as that one; alone, only the killer fails as poison.
func (f *fetcher) deliverAlone(claims, ctx context.Context, suspect *run, rest []*run) {
	f.logger.Warn("task lost its workers often, it runs alone", taskFields(suspect)...)
	f.release(rest)
	if !f.pool.waitEmpty(claims) {
		f.release([]*run{suspect})
		return
	}
	f.start(ctx, []*run{suspect})
	f.pool.waitEmpty(claims)
}

// giveBack gives claimed tasks back that found no slot for too long, since what
// runs takes longer than what ran before: others may have free workers.
func (s *DefaultScheduler) giveBack(ctx context.Context) {
	for {
		runs, next := s.pool.overdue(time.Now())
		s.release(runs)
		if !next.IsZero() {
			if !sleep(ctx, time.Until(next)) {
				return
			}
			continue
		}
		select {
		case <-s.pool.queued:
		case <-ctx.Done():
			return
		}
	}
}
