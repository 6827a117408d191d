package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// partition is a part of the queue whose keys share a hash tag, and so one node
// of a Cluster: a queue of its own, but for waiting. Its methods are those of
// [TaskQueue], for tasks that belong to it. It is safe for concurrent use.
type partition struct {
	number   int
	client   *Client
	keys     queueKeys
	lanes    lanes
	enqueues gatherer
	// first are the keys of the first partition, which tells how many there are.
	first queueKeys
}

var (
	enqueueScript    = loadScript("enqueue")
	enqueueOneScript = loadScript("enqueue_one")
	claimScript      = loadScript("claim")
	extendScript     = loadScript("extend")
	updateScript     = loadScript("update")
	releaseScript    = loadScript("release")
)

func newPartition(client *Client, number int) *partition {
	p := &partition{
		number: number, client: client, keys: newQueueKeys(client.cfg.Namespace, number),
		first: newQueueKeys(client.cfg.Namespace, 0),
	}
	p.lanes.table = &laneTable{}
	return p
}

// claim runs the claim script once. next is how long it is until the next task
// is due, negative if none is in sight.
//
// A claim that is on its way is not cancelled with ctx: what it took would stay
// claimed, unknown to anyone, until the lease ends.
func (p *partition) claim(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, time.Duration, error) {
	k := &p.keys
	detached := context.WithoutCancel(ctx)
	reply, err := p.withLanes(detached, func(table *laneTable) ([]any, error) {
		keys := append([]string{
			k.tasks, k.state, k.errors, k.active, k.due, k.scheduled, k.retrying, k.meta, k.claim(req.ID), k.events,
		}, table.ready...)
		lanes := table.claimable(req.Queues, req.Types)
		args := make([]any, 0, 6+len(lanes))
		args = append(args, p.client.offset(), table.generation, len(table.names), req.ID[:], req.Max, req.Lease.Microseconds())
		for _, lane := range lanes {
			args = append(args, lane)
		}
		return p.client.runSlice(detached, claimScript, keys, args...)
	})
	if err != nil {
		return nil, -1, err
	}
	next, _ := intAt(reply, 0)
	ends, _ := intAt(reply, 1) // in microseconds since 1970, which an integer reply holds
	tasks := make([]*domain.Task, 0, len(reply)/4)
	var bad []ports.TaskUpdate
	for i := 2; i+3 < len(reply); i += 4 {
		id, err := uuid.FromBytes([]byte(textAt(reply, i)))
		if err != nil {
			return nil, -1, fmt.Errorf("redis script claim: task id: %w", err)
		}
		t, err := decodeTask(stored{id: id, record: textAt(reply, i+1), state: textAt(reply, i+2), errors: textAt(reply, i+3), leaseEnds: ends})
		if err != nil && t.Lease != nil {
			bad = append(bad, ports.TaskUpdate{
				Lease: *t.Lease, Outcome: ports.OutcomeFailed,
				Failure: domain.TaskError{Reason: domain.ReasonCorruptRecord, Message: err.Error()},
			})
			continue
		}
		if err != nil {
			return nil, -1, err
		}
		tasks = append(tasks, t)
	}
	if len(bad) > 0 {
		// Set aside what cannot be read, so that it holds nobody up. A lease that
		// is lost meanwhile belongs to someone who will do the same.
		if err := p.UpdateTask(detached, bad...); err != nil && !errors.Is(err, domain.ErrLeaseLost) {
			return tasks, -1, ignoreIf(len(tasks) > 0, err)
		}
		if len(tasks) == 0 {
			next = 0
		}
	}
	return tasks, microDuration(next), nil
}

// ignoreIf drops an error that must not keep claimed tasks from their worker.
func ignoreIf(claimed bool, err error) error {
	if claimed {
		return nil
	}
	return err
}

// microDuration is a script's microseconds as a duration, negative for none.
func microDuration(us int64) time.Duration {
	if us < 0 {
		return -1
	}
	return time.Duration(us) * time.Microsecond
}

// ExtendLease is that of the queue, within the partition.
func (p *partition) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	if err := ports.ValidateLease(lease); err != nil {
		return nil, err
	}
	args := appendLeases([]any{p.client.offset(), lease.Microseconds()}, leases)
	reply, err := p.client.runSlice(ctx, extendScript, []string{p.keys.state, p.keys.active}, args...)
	if err != nil {
		return nil, err
	}
	ends, _ := intAt(reply, 0)
	out := make([]domain.Lease, len(leases))
	errs := make([]error, len(leases))
	for i, l := range leases {
		if held, _ := intAt(reply, i+1); held == 1 {
			l.ExpiresAt = microTime(ends)
			out[i] = l
		} else {
			errs[i] = leaseLost(l)
		}
	}
	return out, domain.NewBatchError(errs)
}

// UpdateTask is that of the queue, within the partition.
func (p *partition) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	k := &p.keys
	errs := make([]error, len(updates))
	places := make([]int, 0, len(updates))
	args := make([]any, 0, 2+3*len(updates))
	args = append(args, p.client.offset(), k.wake)
	heads := make([]byte, 0, len(updates)*(fenceSize+1))
	for i, u := range updates {
		var status domain.TaskStatus
		var bytes []byte
		if status, bytes, errs[i] = encodeUpdate(u); errs[i] != nil {
			continue
		}
		places = append(places, i)
		heads = append(appendFence(heads, u.Lease), codeOf[status])
		args = append(args, heads[len(heads)-fenceSize-1:], bytes, delayMicro(u.RetryIn))
	}
	if len(places) > 0 {
		keys := []string{
			k.state, k.active, k.completed, k.failed, k.retrying, k.due,
			k.results, k.errors, k.finList, k.unique, k.uniqueOf, k.meta, k.events,
		}
		reply, err := p.client.runSlice(ctx, updateScript, keys, args...)
		if err != nil {
			return err
		}
		for n, i := range places {
			if ok, _ := intAt(reply, n); ok != 1 {
				errs[i] = leaseLost(updates[i].Lease)
			}
		}
	}
	return domain.NewBatchError(errs)
}

// encodeUpdate returns the status that a report asks for and what to keep of it.
func encodeUpdate(u ports.TaskUpdate) (domain.TaskStatus, []byte, error) {
	switch {
	case len(u.Result) > domain.MaxResult:
		return 0, nil, &domain.ValidationError{Field: "result", Value: strconv.Itoa(len(u.Result)), Rule: fmt.Sprintf("must be at most %d bytes", domain.MaxResult)}
	case u.RetryIn < 0 || u.RetryIn > domain.MaxScheduleAhead:
		return 0, nil, &domain.ValidationError{Field: "retry_in", Value: u.RetryIn.String(), Rule: "must be between 0 and 10 years"}
	}
	switch u.Outcome {
	case ports.OutcomeCompleted:
		return domain.TaskStatusCompleted, u.Result, nil
	case ports.OutcomeRetry:
		return domain.TaskStatusRetrying, encodeFailure(u.Failure), nil
	case ports.OutcomeFailed:
		return domain.TaskStatusFailed, encodeFailure(u.Failure), nil
	default:
		return 0, nil, &domain.ValidationError{Field: "outcome", Value: strconv.Itoa(int(u.Outcome)), Rule: "must be completed, retry or failed"}
	}
}

// ReleaseTask is that of the queue, within the partition.
func (p *partition) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := appendLeases([]any{p.client.offset(), table.generation, len(table.names), p.keys.wake}, leases)
		return p.client.runSlice(ctx, releaseScript, p.keys.all(table.ready), args...)
	})
	if err != nil {
		return err
	}
	errs := make([]error, len(leases))
	for i, l := range leases {
		if ok, _ := intAt(reply, i); ok != 1 {
			errs[i] = leaseLost(l)
		}
	}
	return domain.NewBatchError(errs)
}

func appendLeases(args []any, leases []domain.Lease) []any {
	fences := make([]byte, 0, len(leases)*fenceSize)
	for _, l := range leases {
		fences = appendFence(fences, l)
		args = append(args, fences[len(fences)-fenceSize:])
	}
	return args
}

func leaseLost(l domain.Lease) error {
	return fmt.Errorf("task %s, delivery %d: %w", l.TaskID, l.Delivery, domain.ErrLeaseLost)
}
