package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

// Recorded is a decorator of ports.TaskQueue that writes what workers do to a
// history. Of maintenance it writes what it can name: the purged tasks.
type Recorded struct {
	ports.TaskQueue
	Recorder *Recorder
}

// outcomeOf says what is known of a call that returned err about one task.
func outcomeOf(err error) (Outcome, string) {
	switch {
	case err == nil:
		return OK, ""
	case errors.Is(err, domain.ErrLeaseLost):
		return Fail, LeaseLost
	case errors.Is(err, domain.ErrInvalid):
		return Fail, err.Error()
	default:
		return Unknown, err.Error()
	}
}

// Dequeue implements ports.TaskConsumer.
func (q *Recorded) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	events := q.Recorder.Begin(Event{Op: OpDequeue, Claim: req.ID.String(), Max: req.Max, For: req.Lease.Microseconds()})
	tasks, err := q.TaskQueue.Dequeue(ctx, req)
	events[0].Outcome, events[0].Out = outcomeOf(err)
	if err != nil && errors.Is(err, context.Canceled) && ctx.Err() != nil {
		// The call was ended by its own process, and by the contract has claimed
		// nothing; that is not relied upon here.
		events[0].Outcome = Unknown
	}
	for _, t := range tasks {
		e := Event{Op: OpClaim, Outcome: OK, Task: t.ID.String(), For: req.Lease.Microseconds(), Start: t.StartedAt.UnixMicro(), Out: planOf(t.Payload).token, Queue: t.Queue}
		if t.Lease != nil {
			e.Claim, e.Fence, e.Ends = t.Lease.ClaimID.String(), t.Lease.Delivery, t.Lease.ExpiresAt.UnixMicro()
		}
		events = append(events, e)
	}
	q.Recorder.End(events)
	return tasks, err
}

// ExtendLease implements ports.TaskConsumer.
func (q *Recorded) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	events := q.Recorder.Begin(leaseEvents(OpExtend, leases)...)
	out, err := q.TaskQueue.ExtendLease(ctx, lease, leases...)
	for i := range events {
		item := domain.ItemError(err, i)
		events[i].Outcome, events[i].Out = outcomeOf(item)
		events[i].For = lease.Microseconds()
		if item == nil {
			events[i].Ends = out[i].ExpiresAt.UnixMicro()
		}
	}
	q.Recorder.End(events)
	return out, err
}

// ReleaseTask implements ports.TaskConsumer.
func (q *Recorded) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	events := q.Recorder.Begin(leaseEvents(OpRelease, leases)...)
	err := q.TaskQueue.ReleaseTask(ctx, leases...)
	q.end(events, err)
	return err
}

// UpdateTask implements ports.TaskConsumer.
func (q *Recorded) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	events := make([]Event, len(updates))
	for i, u := range updates {
		events[i] = leaseEvents(OpFail, []domain.Lease{u.Lease})[0]
		events[i].Reason = string(u.Failure.Reason)
		switch u.Outcome {
		case ports.OutcomeCompleted:
			events[i].Op, events[i].In = OpComplete, string(u.Result)
		case ports.OutcomeRetry:
			events[i].Op, events[i].For = OpRetry, u.RetryIn.Microseconds()
		case ports.OutcomeSnooze:
			events[i].Op, events[i].For = OpSnooze, u.RetryIn.Microseconds()
		case ports.OutcomeFailed:
		}
	}
	events = q.Recorder.Begin(events...)
	err := q.TaskQueue.UpdateTask(ctx, updates...)
	q.end(events, err)
	return err
}

// PurgeFinished implements ports.QueueMaintainer.
func (q *Recorded) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	events := q.Recorder.Begin(Event{Op: OpPurge})
	ids, err := q.TaskQueue.PurgeFinished(ctx, req)
	events[0].Outcome, events[0].Out = outcomeOf(err)
	for _, id := range ids {
		events = append(events, Event{Op: OpPurge, Outcome: OK, Task: id.String()})
	}
	q.Recorder.End(events)
	return ids, err
}

func (q *Recorded) end(events []Event, err error) {
	for i := range events {
		events[i].Outcome, events[i].Out = outcomeOf(domain.ItemError(err, i))
	}
	q.Recorder.End(events)
}

func leaseEvents(op Op, leases []domain.Lease) []Event {
	events := make([]Event, len(leases))
	for i, l := range leases {
		events[i] = Event{Op: op, Task: l.TaskID.String(), Claim: l.ClaimID.String(), Fence: l.Delivery}
	}
	return events
}

// taskPlan is what a task of the load asks of its processor, in its payload.
type taskPlan struct {
	// token names the task from before it has an id.
	token string
	// Millis is how long a run takes.
	Millis int `json:"ms"`
	// Failures is how many attempts fail and are retried, Panics how many of
	// those panic.
	Failures int `json:"fail,omitempty"`
	Panics   int `json:"panic,omitempty"`
	// Snoozes is how many deliveries put the task back until later.
	Snoozes int `json:"snooze,omitempty"`
	// Permanent fails the first attempt that would succeed for good.
	Permanent bool `json:"permanent,omitempty"`
	// Without fails for good while there is no such file.
	Without string `json:"without,omitempty"`
	// Deaf ignores that the lease was lost.
	Deaf bool `json:"deaf,omitempty"`
	// Queue is that of the task, "" for the default one.
	Queue string `json:"queue,omitempty"`
}

// batchToken is the token of all tasks that have no plan: those that the product makes
// for the log lines that it was sent.
const batchToken = "log lines"

// payload is the JSON of a log analysis task, as the API takes it, whose one log
// id is the token.
type payload struct {
	LogIDs []string  `json:"log_ids"`
	Plan   *taskPlan `json:"plan"`
}

// body is what creates the task of the plan, with what else it is to have.
func (p taskPlan) body(in wire.CreateTask) []byte {
	in.Type, in.Queue = string(domain.TaskTypeLogAnalysis), p.Queue
	raw, err := json.Marshal(payload{LogIDs: []string{p.token}, Plan: &p})
	if err == nil {
		in.Payload = raw
		raw, err = json.Marshal(in)
	}
	if err != nil {
		panic(err) // Structs of strings and numbers always marshal.
	}
	return raw
}

// planOf reads a payload; one that cannot be read has no token.
func planOf(raw []byte) taskPlan {
	var p payload
	err := json.Unmarshal(raw, &p)
	switch {
	case err != nil:
		return taskPlan{}
	case p.Plan == nil:
		return taskPlan{token: batchToken}
	case len(p.LogIDs) != 1:
		return taskPlan{}
	}
	p.Plan.token = p.LogIDs[0]
	return *p.Plan
}
