package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

// TaskQueue is a ports.TaskQueue on Redis: the RedisTaskQueue of the
// specification. It is safe for concurrent use.
//
// It is spread over Config.Partitions partitions, each of which is a queue of its
// own on one node of a Cluster. A queue of one partition keeps the contract of
// the port to the letter. With several, four promises are weaker:
//
//   - Order, by priority and by creation, holds among the tasks of one partition.
//     A task belongs to a partition by its Key, its group, its unique key, or its id.
//   - A unique key is held among the tasks of one Key or group, or among those without any:
//     tasks of two keys may have one unique key.
//   - An id is taken within a partition: the same id with another key is another task, and
//     which of both a call by id is about is not said.
//   - Where some partitions answer a call and others cannot be reached, the error
//     is a *domain.BatchError, whose entries for the items of the others wrap
//     domain.ErrStoreUnavailable. A claim, a list or the statistics need all of
//     them and fail as a whole.
type TaskQueue struct {
	client *server.Client
	// parts has at least one partition, and never changes.
	parts []*partition
	// placed remembers where tasks with keys are, if there are several partitions.
	placed placement
	// claims notifies waiting claims, readers those who wait for events.
	claims, readers *notifier
	pace            pace
}

var _ ports.TaskQueue = (*TaskQueue)(nil)

func newTaskQueue(c *server.Client) *TaskQueue {
	q := &TaskQueue{client: c, parts: make([]*partition, c.Config.Partitions)}
	wakes, events := make([]string, len(q.parts)), make([]string, len(q.parts))
	for i := range q.parts {
		q.parts[i] = newPartition(c, i)
		wakes[i], events[i] = q.parts[i].keys.Wake, q.parts[i].keys.Events
	}
	q.claims, q.readers = newNotifier(c, wakes), newNotifier(c, events)
	return q
}

// Close ends waiting calls with domain.ErrClosed, stops listening for wake-ups, and
// waits for enqueues under way. It may be called more than once.
func (q *TaskQueue) Close() {
	q.claims.close()
	q.readers.close()
	for _, p := range q.parts {
		p.enqueues.running.Wait()
	}
}

func (q *TaskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if len(q.parts) == 1 {
		return q.parts[0].Enqueue(ctx, tasks...)
	}
	out := make([]*domain.Task, len(tasks))
	numbers := make([]int, len(tasks))
	for i, t := range tasks {
		numbers[i] = q.partitionFor(t)
	}
	errs, err := spreadBy(q, tasks, numbers, func(p *partition, part []*domain.Task, places []int) error {
		stored, err := p.Enqueue(ctx, part...)
		for n, t := range stored {
			out[places[n]] = t
		}
		q.place(p, stored)
		return err
	})
	if err != nil {
		return out, err
	}
	return out, domain.NewBatchError(errs)
}

func (q *TaskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(req.Wait)
	for again := false; ; {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("dequeue: %w", err)
		}
		// Listen before looking, so that nothing becomes ready unheard in between.
		notified, err := q.claims.listen(req.Wait > 0)
		if err != nil {
			return nil, err
		}
		var when claimTime
		if req.Wait > 0 {
			when = q.pace.next(again)
		}
		tasks, next, err := q.claim(ctx, req, when)
		q.pace.answered(len(tasks), payloadBytes(tasks), req.Max)
		left := time.Until(deadline)
		if err != nil || len(tasks) > 0 || left <= 0 {
			return tasks, err
		}
		if again = !when.notify; again {
			continue
		}
		left = min(left, q.client.Config.PollInterval)
		if next >= 0 {
			left = min(left, next)
		}
		if err := q.claims.wait(ctx, notified, left); err != nil {
			return nil, fmt.Errorf("dequeue: %w", err)
		}
	}
}

func payloadBytes(tasks []*domain.Task) int {
	sum := 0
	for _, t := range tasks {
		sum += len(t.Payload)
	}
	return sum
}

// claim claims from the partitions, one after another, until it has enough. next
// is how long it is until the next task is due, negative if none is in sight.
//
// A claim that took something before gives that, wherever it is, and takes no
// more: which partitions it took from is asked first, of all of them.
func (q *TaskQueue) claim(ctx context.Context, req ports.ClaimRequest, when claimTime) ([]*domain.Task, time.Duration, error) {
	if len(q.parts) == 1 {
		return q.parts[0].claim(ctx, req, when)
	}
	from, err := q.claimedFrom(ctx, req.ID)
	if err != nil {
		return nil, -1, err
	}
	repeated := len(from) > 0
	if !repeated {
		from = q.rotated()
	}
	var tasks []*domain.Task
	next := time.Duration(-1)
	room := req.Room()
	for _, p := range from {
		if err := ctx.Err(); err != nil {
			return tasks, next, ignoreIf(len(tasks) > 0, fmt.Errorf("dequeue: %w", err))
		}
		more := req
		// What a repeat asks of a partition falls from repeat to repeat, whatever the
		// others have: one that comes late gives nothing back that is running.
		more.MaxBytes = max(req.Room()/len(q.parts), 1)
		if !repeated {
			if more.Max -= len(tasks); more.Max <= 0 || room <= 0 {
				break
			}
			more.MaxBytes = room
		}
		got, due, err := p.claim(ctx, more, when)
		if err != nil {
			if len(tasks) > 0 && ctx.Err() != nil {
				return tasks, next, nil //nolint:nilerr // Nobody repeats it.
			}
			// It may have given tasks out that nobody knows of: a repeat gives all.
			return nil, -1, err
		}
		room -= payloadBytes(got)
		q.place(p, got)
		if tasks, next = append(tasks, got...), sooner(next, due); len(tasks) > 0 {
			when.at = time.Time{} // They are not held up by what waits for others.
		}
	}
	return tasks, next, nil
}

// claimedFrom returns the partitions that remember a claim.
func (q *TaskQueue) claimedFrom(ctx context.Context, id domain.ClaimID) ([]*partition, error) {
	ctx, cancel := q.client.Bound(ctx)
	defer cancel()
	remembered := make([]*redis.IntCmd, len(q.parts))
	_, err := q.client.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range q.parts {
			remembered[i] = pipe.Exists(ctx, p.keys.Claim(id))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for a claim: %w", q.client.Translate(ctx, err))
	}
	var out []*partition
	for i, cmd := range remembered {
		if cmd.Val() > 0 {
			out = append(out, q.parts[i])
		}
	}
	return out, nil
}

// rotated returns all partitions from a random one on, so that none is always the
// last to be worked.
func (q *TaskQueue) rotated() []*partition {
	first := rand.IntN(len(q.parts))
	return append(append(make([]*partition, 0, len(q.parts)), q.parts[first:]...), q.parts[:first]...)
}

// sooner is the shorter of two durations, of which negative ones mean never.
func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func (q *TaskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	if err := ports.ValidateLease(lease); err != nil {
		return nil, err
	}
	if len(q.parts) == 1 {
		return q.parts[0].ExtendLease(ctx, lease, leases...)
	}
	out := make([]domain.Lease, len(leases))
	err := spread(ctx, q, leases, leaseID, func(p *partition, part []domain.Lease, places []int) error {
		extended, err := p.ExtendLease(ctx, lease, part...)
		for n, l := range extended {
			out[places[n]] = l
		}
		return err
	})
	return out, err
}

func (q *TaskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if len(q.parts) == 1 {
		return q.parts[0].UpdateTask(ctx, updates...)
	}
	return spread(ctx, q, updates, updateID, func(p *partition, part []ports.TaskUpdate, _ []int) error {
		return p.UpdateTask(ctx, part...)
	})
}

func (q *TaskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if len(q.parts) == 1 {
		return q.parts[0].ReleaseTask(ctx, leases...)
	}
	return spread(ctx, q, leases, leaseID, func(p *partition, part []domain.Lease, _ []int) error {
		return p.ReleaseTask(ctx, part...)
	})
}

func (q *TaskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	first := q.partitionOf(id)
	task, err := q.parts[first].GetTask(ctx, id)
	if len(q.parts) == 1 || !errors.Is(err, domain.ErrTaskNotFound) {
		return task, err
	}
	at, errs := q.find(ctx, []domain.TaskID{id})
	if errs[0] != nil {
		return nil, errs[0]
	}
	if at[0] == first {
		return task, err
	}
	return q.parts[at[0]].GetTask(ctx, id)
}

// GetQueueStats counts each partition at one moment, several at moments close to each other.
func (q *TaskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	stats, err := fromEach(q, func(p *partition) (domain.QueueStats, error) { return p.stats(ctx) })
	if err != nil {
		return domain.QueueStats{}, err
	}
	sum := domain.QueueStats{Warnings: q.client.Warnings()}
	for _, s := range stats {
		sum.Pending += s.Pending
		sum.Scheduled += s.Scheduled
		sum.Processing += s.Processing
		sum.Retrying += s.Retrying
		sum.Completed += s.Completed
		sum.Failed += s.Failed
		sum.Cancelled += s.Cancelled
		sum.OldestPending = max(sum.OldestPending, s.OldestPending)
	}
	return sum, nil
}

func (q *TaskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, (*partition).DeleteTask, ids)
}

func (q *TaskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, (*partition).RetryTask, ids)
}

func (q *TaskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, (*partition).CancelTask, ids)
}

func (q *TaskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, (*partition).RunTaskNow, ids)
}

func (q *TaskQueue) manage(ctx context.Context, step func(*partition, context.Context, ...domain.TaskID) error, ids []domain.TaskID) error {
	if len(q.parts) == 1 {
		return step(q.parts[0], ctx, ids...)
	}
	return spread(ctx, q, ids, idItself, func(p *partition, part []domain.TaskID, _ []int) error {
		return step(p, ctx, part...)
	})
}

func (q *TaskQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	return q.maintain(limit, func(p *partition, limit int) (ports.Maintained, error) {
		return p.PromoteDue(ctx, limit)
	})
}

func (q *TaskQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	return q.maintain(req.Limit, func(p *partition, limit int) (ports.Maintained, error) {
		req := req
		req.Limit = limit
		return p.ReapExpired(ctx, req)
	})
}

// maintain calls step for one partition after another, until the limit is
// reached. It ends at the first error, since each may take as long as a call may;
// what it has done is returned too, and the next call begins elsewhere.
func (q *TaskQueue) maintain(limit int, step func(p *partition, limit int) (ports.Maintained, error)) (ports.Maintained, error) {
	if len(q.parts) == 1 {
		return step(q.parts[0], limit)
	}
	sum := ports.Maintained{Next: -1}
	parts := q.rotated()
	for i, p := range parts {
		done, err := step(p, limit-sum.Count)
		if err != nil {
			return sum, err
		}
		sum.Count += done.Count
		sum.Poisoned += done.Poisoned
		sum.Expired += done.Expired
		sum.Next = sooner(sum.Next, done.Next)
		if sum.Count == limit {
			if i < len(parts)-1 {
				sum.Next = 0 // Nobody has asked the others.
			}
			break
		}
	}
	return sum, nil
}

func (q *TaskQueue) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	var out []domain.TaskID
	_, err := q.maintain(req.Limit, func(p *partition, limit int) (ports.Maintained, error) {
		req := req
		req.Limit = limit
		ids, err := p.PurgeFinished(ctx, req)
		out = append(out, ids...)
		return ports.Maintained{Count: len(ids), Next: -1}, err
	})
	return out, err
}

func leaseID(l domain.Lease) domain.TaskID      { return l.TaskID }
func updateID(u ports.TaskUpdate) domain.TaskID { return u.Lease.TaskID }
func idItself(id domain.TaskID) domain.TaskID   { return id }

// spread calls f with the items of each partition and their places among all
// items, and merges the errors. Items whose tasks are not where their ids say are looked
// for in the other partitions. If no partition answers, the error is that of one
// of them; else each item has its own.
func spread[T any](ctx context.Context, q *TaskQueue, items []T, id func(T) domain.TaskID, f func(p *partition, part []T, places []int) error) error {
	// Another call may find out meanwhile where a task is: what counts is where it was looked for.
	first := make([]int, len(items))
	for i, item := range items {
		first[i] = q.partitionOf(id(item))
	}
	errs, err := spreadBy(q, items, first, f)
	if err != nil {
		return err
	}
	var missing []int
	var ids []domain.TaskID
	for i, err := range errs {
		if isMissing(err) {
			missing, ids = append(missing, i), append(ids, id(items[i]))
		}
	}
	if len(missing) == 0 || len(q.parts) == 1 {
		return domain.NewBatchError(errs)
	}
	at, findErrs := q.find(ctx, ids)
	var elsewhere, numbers []int // places in missing, and their partitions
	for n, i := range missing {
		switch {
		case findErrs[n] != nil:
			errs[i] = findErrs[n]
		case at[n] != first[i]:
			elsewhere, numbers = append(elsewhere, n), append(numbers, at[n])
		}
	}
	more, err := spreadBy(q, elsewhere, numbers, func(p *partition, part, _ []int) error {
		again, places := make([]T, len(part)), make([]int, len(part))
		for j, n := range part {
			places[j] = missing[n]
			again[j] = items[missing[n]]
		}
		return f(p, again, places)
	})
	for j, n := range elsewhere {
		if errs[missing[n]] = err; err == nil {
			errs[missing[n]] = more[j]
		}
	}
	return domain.NewBatchError(errs)
}

// spreadBy calls f with the items of each partition, by the number of each, and their places
// among all items. If no partition answers, the error is that of one of them; else each
// item has its own.
func spreadBy[T any](q *TaskQueue, items []T, numbers []int, f func(p *partition, part []T, places []int) error) ([]error, error) {
	type group struct {
		part   *partition
		items  []T
		places []int
		err    error
	}
	groups := make([]*group, 0, min(len(q.parts), len(items)))
	byPartition := make([]*group, len(q.parts))
	for i, item := range items {
		n := numbers[i]
		g := byPartition[n]
		if g == nil {
			g = &group{part: q.parts[n]}
			byPartition[n], groups = g, append(groups, g)
		}
		g.items, g.places = append(g.items, item), append(g.places, i)
	}
	atOnce(len(groups), func(i int) {
		g := groups[i]
		g.err = f(g.part, g.items, g.places)
	})
	errs := make([]error, len(items))
	answered := len(groups) == 0
	for _, g := range groups {
		answered = answered || g.err == nil || isBatch(g.err)
		for n, i := range g.places {
			errs[i] = domain.ItemError(g.err, n)
		}
	}
	if !answered {
		return nil, groups[0].err
	}
	return errs, nil
}

func isBatch(err error) bool {
	var batch *domain.BatchError
	return errors.As(err, &batch)
}

// fromEach asks every partition and returns their answers in order, or the first
// error.
func fromEach[T any](q *TaskQueue, f func(*partition) (T, error)) ([]T, error) {
	out := make([]T, len(q.parts))
	errs := make([]error, len(q.parts))
	atOnce(len(q.parts), func(i int) { out[i], errs[i] = f(q.parts[i]) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxAtOnce is how many partitions one call asks at the same time: more would
// take the connections of other calls.
const maxAtOnce = 16

// atOnce calls f(0) to f(n-1) at the same time, and returns when all have.
func atOnce(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, maxAtOnce)
	for i := range n {
		slots <- struct{}{}
		running.Go(func() {
			f(i)
			<-slots
		})
	}
	running.Wait()
}
