package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

// partition is a part of the queue whose keys share a hash tag, and so one node
// of a Cluster: a queue of its own, but for waiting. Its methods are those of
// [TaskQueue], for tasks that belong to it. It is safe for concurrent use.
type partition struct {
	number   int
	client   *server.Client
	keys     layout.QueueKeys
	lists    lists
	sweep    listSweep
	enqueues enqueueBatcher
	turns    turns
	// calls are what enqueues, claims and reports are sent by.
	calls *server.Pipeline
	// first are the keys of the first partition, which tells how many there are.
	first layout.QueueKeys
	// expired counts what claims ended, until the next PromoteDue.
	expired atomic.Int64
}

var (
	enqueueScript    = layout.LoadScript("queue/enqueue")
	enqueueOneScript = layout.LoadScript("queue/enqueue_one")
	claimScript      = layout.LoadScript("queue/claim")
	extendScript     = layout.LoadLeaseScript("queue/extend")
	updateScript     = layout.LoadLeaseScript("queue/update")
	releaseScript    = layout.LoadLeaseScript("queue/release")
)

func newPartition(client *server.Client, number int) *partition {
	return &partition{
		number: number, client: client, keys: layout.NewQueueKeys(client.Config.Namespace, number),
		calls: server.NewPipeline(client), lists: newReadyLists(), sweep: newListSweep(), turns: turns{at: map[string]buildPlace{}},
		first: layout.NewQueueKeys(client.Config.Namespace, 0),
	}
}

// expiredFirst is the reply of the claim script when it found expired tasks.
const expiredFirst = -3

// maxIdlePromotions is how often in a row a claim finds expired tasks that others have ended
// meanwhile, before it takes them for such as cannot be ended.
const maxIdlePromotions = 20

// claim runs the claim script, and again once expired tasks that it found have ended. next
// is how long it is until the next task is due, negative if none is in sight.
func (p *partition) claim(ctx context.Context, req ports.ClaimRequest, when claimTime) ([]*domain.Task, time.Duration, error) {
	for idle := 0; ; idle++ {
		tasks, next, err := p.claimOnce(ctx, req, when)
		if err != nil || next != expiredFirst {
			return tasks, next, err
		}
		done, err := p.promote(context.WithoutCancel(ctx), ports.MaxClaim)
		p.expired.Add(int64(done.Expired))
		switch {
		case done.Count > 0:
			idle = 0
		case idle == maxIdlePromotions:
			err = fmt.Errorf("%w: a task has expired and cannot be ended; verify the store", domain.ErrCorruptRecord)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, -1, err
		}
	}
}

// claimOnce runs the claim script once. next is expiredFirst if tasks have to be ended
// before it can claim.
//
// It is made when the time says. One that is on its way is not cancelled with ctx: what it
// took would stay claimed, unknown to anyone, until the lease ends.
func (p *partition) claimOnce(ctx context.Context, req ports.ClaimRequest, when claimTime) ([]*domain.Task, time.Duration, error) {
	k := &p.keys
	detached := context.WithoutCancel(ctx)
	notify := ""
	if when.notify {
		notify = k.Wake
	}
	limit := req.TimeLimit(p.client.Config.CallTimeout)
	reply, err := p.withTable(detached, func(table *readyTable) ([]any, error) {
		keys := append([]string{
			k.Tasks, k.State, k.Errors, k.Active, k.Due, k.Scheduled, k.Retrying, k.Meta, k.Claim(req.ID), k.Events,
			k.Unique, k.UniqueOf, k.Expiring,
		}, table.ready...)
		lists := table.claimable(req.Queues, req.Types)
		args := make([]any, 0, 8+len(lists))
		args = append(args, p.client.Offset(), table.epoch, req.ID[:], req.Max, req.Lease.Microseconds(), req.Room(), notify, req.Ageing.Microseconds())
		for _, list := range lists {
			args = append(args, list)
		}
		return server.Array(p.calls.Join(ctx, &server.Call{Script: claimScript, Keys: keys, Args: args, Limit: limit, Claims: true}, when.at))
	})
	if err != nil {
		return nil, -1, err
	}
	next, _ := layout.IntAt(reply, 0)
	if next == expiredFirst {
		return nil, expiredFirst, nil
	}
	ends, _ := layout.IntAt(reply, 1) // in microseconds since 1970, which an integer reply holds
	tasks := make([]*domain.Task, 0, len(reply)/4)
	var bad []ports.TaskUpdate
	for i := 2; i+3 < len(reply); i += 4 {
		id, err := uuid.FromBytes([]byte(layout.TextAt(reply, i)))
		if err != nil {
			return nil, -1, fmt.Errorf("redis script %s: task id: %w", claimScript.Name, err)
		}
		t, err := layout.DecodeTask(layout.StoredTask{ID: id, Record: layout.TextAt(reply, i+1), State: layout.TextAt(reply, i+2), Errors: layout.TextAt(reply, i+3), LeaseEnds: ends})
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

func (p *partition) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	args := appendLeases([]any{p.client.Offset(), lease.Microseconds()}, leases)
	reply, err := p.client.RunSlice(ctx, extendScript, []string{p.keys.State, p.keys.Active}, args...)
	if err != nil {
		return nil, err
	}
	ends, _ := layout.IntAt(reply, 0)
	out := make([]domain.Lease, len(leases))
	errs := make([]error, len(leases))
	for i, l := range leases {
		if held, _ := layout.IntAt(reply, i+1); held == 1 {
			l.ExpiresAt = layout.MicroTime(ends)
			out[i] = l
		} else {
			errs[i] = leaseLost(l)
		}
	}
	return out, domain.NewBatchError(errs)
}

func (p *partition) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	k := &p.keys
	errs := make([]error, len(updates))
	places, size, snoozed := make([]int, 0, len(updates)), 0, false
	args := make([]any, 0, 2+3*len(updates))
	args = append(args, p.client.Offset(), k.Wake)
	heads := make([]byte, 0, len(updates)*(layout.FenceSize+1))
	for i, u := range updates {
		var status domain.TaskStatus
		var kept []byte
		if status, kept, errs[i] = encodeUpdate(u); errs[i] != nil {
			continue
		}
		places, size = append(places, i), size+len(kept)
		snoozed = snoozed || u.Outcome == ports.OutcomeSnooze
		heads = append(layout.AppendFence(heads, u.Lease), layout.CodeOf[status])
		args = append(args, heads[len(heads)-layout.FenceSize-1:], kept, layout.DelayMicro(u.RetryIn))
	}
	if len(places) > 0 {
		keys := []string{
			k.State, k.Active, k.Completed, k.Failed, k.Retrying, k.Due,
			k.Results, k.Errors, k.FinList, k.Unique, k.UniqueOf, k.Meta, k.Events, k.Tasks, k.Kept,
		}
		if snoozed {
			keys = append(keys, k.Scheduled)
		}
		reply, err := server.Array(p.calls.Follow(ctx, &server.Call{Script: updateScript, Keys: keys, Args: args, Limit: p.client.LimitFor(size), Bytes: size}, claimSpacing))
		if err != nil {
			return err
		}
		for n, i := range places {
			if ok, _ := layout.IntAt(reply, n); ok != 1 {
				errs[i] = leaseLost(updates[i].Lease)
			}
		}
	}
	return domain.NewBatchError(errs)
}

// encodeUpdate returns the status that a report asks for and what to keep of it.
func encodeUpdate(u ports.TaskUpdate) (domain.TaskStatus, []byte, error) {
	if err := u.Validate(); err != nil {
		return 0, nil, err
	}
	switch u.Outcome {
	case ports.OutcomeCompleted:
		// It may still be sent once the caller has it back.
		return domain.TaskStatusCompleted, bytes.Clone(u.Result), nil
	case ports.OutcomeRetry:
		return domain.TaskStatusRetrying, layout.EncodeFailure(u.Failure), nil
	case ports.OutcomeSnooze:
		return domain.TaskStatusPending, nil, nil
	case ports.OutcomeFailed:
	}
	return domain.TaskStatusFailed, layout.EncodeFailure(u.Failure), nil
}

func (p *partition) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		args := appendLeases([]any{p.client.Offset(), table.epoch, p.keys.Wake}, leases)
		return p.client.RunSlice(ctx, releaseScript, p.keys.All(table.ready), args...)
	})
	if err != nil {
		return err
	}
	errs := make([]error, len(leases))
	for i, l := range leases {
		if ok, _ := layout.IntAt(reply, i); ok != 1 {
			errs[i] = leaseLost(l)
		}
	}
	return domain.NewBatchError(errs)
}

func appendLeases(args []any, leases []domain.Lease) []any {
	fences := make([]byte, 0, len(leases)*layout.FenceSize)
	for _, l := range leases {
		fences = layout.AppendFence(fences, l)
		args = append(args, fences[len(fences)-layout.FenceSize:])
	}
	return args
}

func leaseLost(l domain.Lease) error {
	return fmt.Errorf("task %s, delivery %d: %w", l.TaskID, l.Delivery, domain.ErrLeaseLost)
}
