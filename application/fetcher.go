package application

import (
	"context"
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
	// turn is the queue that the claim is made to; nil for all of them.
	turn *weightedQueue
	// bytes is how many bytes of tasks a claim asks for: less after one that failed,
	// since a slow line may be why, and more again after those that came soon.
	bytes int
	// eager is whether the last claim got all that it asked for, so that there
	// are likely more.
	eager bool
	// returned is how many tasks of the last claim were given back by isolate, so
	// that the next one asks for so many more.
	returned int
}

// run claims until claims ends, and starts the runs with the context runs.
// A call that does not wait is not cut short by claims but by calls only, since
// a claim that is cut short while the store makes it leaves tasks that nobody
// works on until their leases end.
func (f *fetcher) run(claims, calls, runs context.Context) {
	var wait backoff
	f.bytes = ports.MaxCallBytes
	for {
		// Room that comes during the pause counts too: short tasks empty all slots in it.
		if f.returned > 0 && !sleep(claims, isolationPause) {
			return
		}
		room := f.pool.waitRoom(claims)
		if room == 0 {
			return
		}
		tasks, until, err := f.fetch(claims, calls, min(room+f.returned, maxCall))
		if claims.Err() != nil && err != nil {
			return
		}
		if !f.noteStore(claims, "Dequeue", err) {
			f.repeated = true
			f.bytes = max(f.bytes/4, minClaimBytes)
			if !sleep(claims, wait.next(f.cfg.Random())) {
				return
			}
			continue
		}
		wait.reset()
		f.eager = len(tasks) >= f.claim.Max
		if f.turns != nil {
			f.turns.took(f.turn, len(tasks), f.isShort(tasks), time.Now())
		}
		f.claim, f.repeated = ports.ClaimRequest{}, false
		f.deliver(runs, tasks, until)
	}
}

// isShort reports whether there were no more tasks for the claim, than these.
func (f *fetcher) isShort(tasks []*domain.Task) bool {
	bytes := 0
	for _, t := range tasks {
		bytes += len(t.Payload)
	}
	return !f.eager && bytes < f.claim.MaxBytes/2
}

// minClaimBytes is enough for some hundred small tasks.
const minClaimBytes = 64 << 10

// fetch makes one claim call, and returns the tasks and until when their leases
// last at least.
func (f *fetcher) fetch(claims, calls context.Context, room int) ([]*domain.Task, time.Time, error) {
	if f.claim.ID == uuid.Nil {
		f.claim = ports.ClaimRequest{
			ID: f.cfg.NewID(), Max: room, Lease: f.cfg.Lease,
			Queues: f.cfg.Queues, Types: f.types, Ageing: f.cfg.Ageing,
		}
		if f.turns != nil {
			if f.turn, f.claim.Max = f.turns.next(time.Now(), room); f.turn != nil {
				f.claim.Queues = f.turn.names
			}
		}
	}
	f.claim.Wait, f.claim.MaxBytes = 0, f.bytes
	parent := calls
	if !f.eager && !f.repeated && f.turn == nil {
		f.claim.Wait = f.cfg.PollInterval
		parent = claims
	}
	limit := f.claim.TimeLimit(callTimeout)
	ctx, cancel := context.WithTimeout(parent, f.claim.Wait+limit)
	defer cancel()
	start := time.Now()
	tasks, err := f.queue.Dequeue(ctx, f.claim)
	if err == nil && time.Since(start) < limit/4 {
		f.bytes = min(2*f.bytes, ports.MaxCallBytes)
	}
	return tasks, start.Add(f.cfg.Lease), err
}

// deliver hands claimed tasks to the workers, or back to the queue if the
// scheduler began to stop meanwhile.
func (f *fetcher) deliver(ctx context.Context, tasks []*domain.Task, until time.Time) {
	f.returned = 0
	if len(tasks) == 0 {
		return
	}
	runs := make([]*run, len(tasks))
	for i, t := range tasks {
		runs[i] = newRun(t)
	}
	f.leases.add(runs, until)
	start, back := f.isolate(runs)
	f.release(back)
	f.returned = len(back)
	f.start(ctx, f.gather(start))
}

func (f *fetcher) start(ctx context.Context, runs []*run) {
	start, refused := f.pool.enter(runs)
	for _, r := range start {
		go f.work(ctx, r)
	}
	f.release(refused)
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
