package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// works are the workloads by name.
var works = map[string]func(*run, context.Context) (Metrics, error){
	"w1":  (*run).enqueueSingle,
	"w2":  (*run).enqueueBatches,
	"w3":  (*run).drain,
	"w4":  (*run).pickUp,
	"w5":  (*run).load,
	"w7":  (*run).depth,
	"w7m": (*run).depth,
	"w8":  (*run).crash,
	"w9":  (*run).delayed,
}

// Times that the workloads have in common with the peers' harness.
const (
	warmUp     = 200 // tasks
	settleTime = 2 * time.Second
	memoryTime = 300 * time.Millisecond
	notDue     = 24 * time.Hour
	ahead      = 3 * time.Second
)

// enqueueSingle is w1: tasks enqueued one at a time.
func (r *run) enqueueSingle(ctx context.Context) (Metrics, error) {
	r.expect(warmUp+r.N, 0)
	if _, err := r.produce(ctx, warmUp, 0); err != nil {
		return nil, err
	}
	m, err := r.mark(ctx)
	if err != nil {
		return nil, err
	}
	n, err := r.produce(ctx, r.N, r.Cap)
	if err != nil {
		return nil, err
	}
	return r.since(ctx, m, n)
}

// produce enqueues n tasks one at a time from all producers, at most until limit
// has passed (0 is no limit), and returns how many.
func (r *run) produce(ctx context.Context, n int, limit time.Duration) (int, error) {
	var taken, done atomic.Int64
	begun := time.Now()
	err := together(ctx, r.Producers, func(ctx context.Context) error {
		for taken.Add(1) <= int64(n) && (limit == 0 || time.Since(begun) < limit) {
			if err := r.enqueue(ctx, time.Now(), time.Time{}); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return int(done.Load()), err
}

// enqueue enqueues a task that is late from the time sent on.
func (r *run) enqueue(ctx context.Context, sent, at time.Time) error {
	_, err := r.Queue.Enqueue(ctx, r.ledger.newTask(sent, at))
	return err
}

// enqueueBatches is w2: many tasks in a call.
func (r *run) enqueueBatches(ctx context.Context) (Metrics, error) {
	r.expect(r.Batch+r.N, 0)
	if err := r.preload(ctx, r.ledger, r.Batch, r.Batch, time.Time{}); err != nil {
		return nil, err
	}
	m, err := r.mark(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.preload(ctx, r.ledger, r.N, r.Batch, time.Time{}); err != nil {
		return nil, err
	}
	return r.since(ctx, m, r.N)
}

// preload enqueues n tasks of a ledger, so many in a call.
func (r *run) preload(ctx context.Context, l *ledger, n, batch int, at time.Time) error {
	for i := 0; i < n; i += batch {
		tasks := make([]*domain.Task, min(batch, n-i))
		for j := range tasks {
			tasks[j] = l.newTask(time.Now(), at)
		}
		if _, err := r.Queue.Enqueue(ctx, tasks...); err != nil {
			return err
		}
	}
	return nil
}

// drain is w3: tasks that are there are run until the store says that none is
// unfinished; also the bytes for a waiting and for a completed task.
func (r *run) drain(ctx context.Context) (Metrics, error) {
	r.expect(r.N, r.N)
	empty, err := r.Store.Bytes(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.preload(ctx, r.ledger, r.N, ports.MaxEnqueue, time.Time{}); err != nil {
		return nil, err
	}
	queued, err := r.bytesAfter(ctx, memoryTime)
	if err != nil {
		return nil, err
	}
	m, err := r.work(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := r.finish(ctx); err != nil {
		return nil, err
	}
	if err := r.stop(ctx); err != nil {
		return nil, err
	}
	done, err := r.bytesAfter(ctx, memoryTime)
	m["bytes_queued"] = float64(queued-empty) / float64(r.N)
	m["bytes_done"] = float64(done-empty) / float64(r.N)
	return m, err
}

// bytesAfter is what the store takes once it has had time to settle.
func (r *run) bytesAfter(ctx context.Context, d time.Duration) (int64, error) {
	if err := pause(ctx, d); err != nil {
		return 0, err
	}
	return r.Store.Bytes(ctx)
}

// work measures from the start of the scheduler until the target of runs is
// reached and, with all, until the store says that none is unfinished; for Cap at
// most.
func (r *run) work(ctx context.Context, all bool) (Metrics, error) {
	m, err := r.mark(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	if err := r.await(ctx, r.Cap); err != nil {
		return nil, err
	}
	n := min(r.handled(), int(r.ledger.target))
	if all && n == int(r.ledger.target) {
		if err := r.finish(ctx); err != nil {
			return nil, err
		}
	}
	return r.since(ctx, m, n)
}

// idle starts the scheduler and lets it become idle.
func (r *run) idle(ctx context.Context, d time.Duration) (mark, error) {
	if err := r.start(ctx); err != nil {
		return mark{}, err
	}
	if err := pause(ctx, d); err != nil {
		return mark{}, err
	}
	return r.mark(ctx)
}

// pickUp is w4: one task each 100 to 200 ms for idle workers, late from the begin
// of its enqueue.
func (r *run) pickUp(ctx context.Context) (Metrics, error) {
	r.expect(r.N, r.N)
	m, err := r.idle(ctx, settleTime)
	if err != nil {
		return nil, err
	}
	for range r.N {
		if err := pause(ctx, 100*time.Millisecond+rand.N(100*time.Millisecond)); err != nil {
			return nil, err
		}
		if err := r.enqueue(ctx, time.Now(), time.Time{}); err != nil {
			return nil, err
		}
	}
	if err := r.await(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	out, err := r.since(ctx, m, r.N)
	quantiles(out, r.ledger.lateness())
	return out, err
}

// load is w5: Rate tasks are offered in a second whatever comes back; they are
// late from the time when they were to be offered.
func (r *run) load(ctx context.Context) (Metrics, error) {
	r.expect(r.N, r.N)
	m, err := r.idle(ctx, settleTime)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	var taken atomic.Int64
	err = together(ctx, r.Producers, func(ctx context.Context) error {
		for {
			i := taken.Add(1) - 1
			if i >= int64(r.N) {
				return nil
			}
			due := begun.Add(time.Duration(i) * time.Second / time.Duration(r.Rate))
			if err := pause(ctx, time.Until(due)); err != nil {
				return err
			}
			if err := r.enqueue(ctx, due, time.Time{}); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	sent := time.Since(begun)
	if err := r.await(ctx, 20*time.Second); err != nil {
		return nil, err
	}
	out, err := r.since(ctx, m, r.N)
	out["send_s"] = sent.Seconds()
	out["failed"] = 0 // An enqueue that fails ends the run.
	quantiles(out, r.ledger.lateness())
	return out, err
}

// depth is w7: tasks are run beside Depth others; with scheduled others, also
// pages of 100 of them.
func (r *run) depth(ctx context.Context) (Metrics, error) {
	var at time.Time
	if r.Scheduled {
		r.expect(r.N, r.N)
		r.others = newLedger(r.Depth, 0)
		at = time.Now().Add(notDue)
	} else {
		r.expect(r.Depth+r.N, r.N)
	}
	if err := r.preload(ctx, cmp.Or(r.others, r.ledger), r.Depth, ports.MaxEnqueue, at); err != nil {
		return nil, err
	}
	if err := r.preload(ctx, r.ledger, r.N, ports.MaxEnqueue, time.Time{}); err != nil {
		return nil, err
	}
	m, err := r.work(ctx, r.Scheduled)
	if err != nil || !r.Scheduled {
		return m, err
	}
	if err := r.finish(ctx); err != nil {
		return nil, err
	}
	if err := r.stop(ctx); err != nil {
		return nil, err
	}
	// Pages are only worth timing if the list is whole.
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	for name, offset := range map[string]int{"list_first_ms": 0, "list_deep_ms": r.Depth * 9 / 10 / pageSize * pageSize} {
		if m[name], err = r.listing(ctx, offset); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return m, nil
}

// pageSize is how many tasks a listed page holds.
const pageSize = 100

// listing returns how many milliseconds the page of waiting tasks at an offset
// takes, as the median of 5. Walking there is not measured.
func (r *run) listing(ctx context.Context, offset int) (float64, error) {
	filter := domain.TaskFilter{Status: domain.TaskStatusPending, Limit: pageSize}
	for seen := 0; seen < offset; {
		page, err := r.Queue.ListTasks(ctx, filter)
		if err != nil {
			return 0, err
		}
		if page.NextCursor == "" {
			return 0, fmt.Errorf("the list ends after %d tasks", seen+len(page.Tasks))
		}
		seen += len(page.Tasks)
		filter.Cursor = page.NextCursor
	}
	took := make([]time.Duration, 5)
	want := min(pageSize, r.Depth-offset)
	for i := range took {
		begun := time.Now()
		page, err := r.Queue.ListTasks(ctx, filter)
		took[i] = time.Since(begun)
		if err != nil {
			return 0, err
		}
		if len(page.Tasks) != want {
			return 0, fmt.Errorf("a page has %d tasks, not %d", len(page.Tasks), want)
		}
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000, nil
}

// crash is w8: a process that holds C tasks is killed; until a live worker has
// begun them all. The time of the kill is random against the heartbeats.
func (r *run) crash(ctx context.Context) (Metrics, error) {
	r.expect(r.Workers(), r.Workers())
	holder, err := r.Hold(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = holder.Kill() }() // Only a run that failed has it alive here.
	sent := time.Now()
	for range r.Workers() {
		if err := r.enqueue(ctx, sent, time.Time{}); err != nil {
			return nil, err
		}
	}
	if err := holder.AwaitTasks(r.Workers()); err != nil {
		return nil, err
	}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	if err := pause(ctx, time.Second+rand.N(9*time.Second)); err != nil {
		return nil, err
	}
	early := r.handled()
	killed := time.Since(sent)
	if err := holder.Kill(); err != nil {
		return nil, err
	}
	if err := r.await(ctx, r.Cap); err != nil {
		return nil, err
	}
	begun := r.ledger.lateness()
	slices.Sort(begun)
	m := Metrics{"restarted": float64(len(begun)), "early": float64(early)}
	if len(begun) > 0 {
		m["first_s"] = (begun[0] - killed).Seconds()
	}
	if len(begun) == r.Workers() {
		m["all_s"] = (begun[len(begun)-1] - killed).Seconds()
	}
	return m, nil
}

// Hold works on the queue of a scheduler that was not started and finishes no
// task of a benchmark, until ctx ends, when it gives them back. It calls ready
// when it works, and begun, at the same time too, with each task that it holds.
func Hold(ctx context.Context, scheduler ports.TaskScheduler, ready, begun func()) error {
	if err := scheduler.RegisterProcessor(taskType, holding(begun)); err != nil {
		return err
	}
	// Its end, however early, is for Stop.
	if err := scheduler.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	// The context has ended, so this cuts the runs short at once; that it did is
	// the error that it returns.
	_ = scheduler.Stop(ctx)
	return nil
}

// holding is a processor that returns when its context ends.
type holding func()

func (begun holding) Process(ctx context.Context, _ *domain.Task) ([]byte, error) {
	begun()
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// delayed is w9: tasks that are due in 3 s, 20 ms apart; negative is early.
func (r *run) delayed(ctx context.Context) (Metrics, error) {
	r.expect(r.N, r.N)
	if _, err := r.idle(ctx, settleTime+rand.N(time.Second)); err != nil {
		return nil, err
	}
	for range r.N {
		due := time.Now().Add(ahead)
		if err := r.enqueue(ctx, due, due); err != nil {
			return nil, err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := r.await(ctx, 20*time.Second); err != nil {
		return nil, err
	}
	m := Metrics{}
	quantiles(m, r.ledger.lateness())
	return m, nil
}
