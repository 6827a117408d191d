package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// Enqueue is that of the queue, within the partition. What is enqueued at the
// same time travels together: a call that finds others under way joins the next
// step.
func (p *partition) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	out := make([]*domain.Task, len(tasks))
	errs := make([]error, len(tasks))
	valid := make([]int, 0, len(tasks))
	for i, t := range tasks {
		if errs[i] = p.validate(t); errs[i] == nil {
			valid = append(valid, i)
		}
	}
	for len(valid) > 0 {
		part := valid[:min(len(valid), ports.MaxEnqueue)]
		valid = valid[len(part):]
		if err := p.enqueue(ctx, tasks, part, out, errs); err != nil {
			return nil, err
		}
	}
	return out, domain.NewBatchError(errs)
}

// validate checks a task before it is stored. A unique key is held in one
// partition, and so cannot keep a task out of another.
func (p *partition) validate(t *domain.Task) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if t.UniqueKey != "" && p.client.cfg.Partitions > 1 {
		return &domain.ValidationError{Field: "unique_key", Rule: fmt.Sprintf("must be empty: the queue has %d partitions, and no key can be unique over several", p.client.cfg.Partitions)}
	}
	return nil
}

// enqueue stores the tasks at the given places in one step.
func (p *partition) enqueue(ctx context.Context, tasks []*domain.Task, places []int, out []*domain.Task, errs []error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	table := p.laneTable()
	for range 5 {
		if missing := missingLanes(table, tasks, places); len(missing) > 0 {
			var err error
			if table, err = p.refreshLanes(ctx, missing...); err != nil {
				return err
			}
		}
		call := newEnqueueCall(table, tasks, places)
		reply, err := p.enqueues.do(ctx, call, p.callEnqueue)
		if err != nil {
			return err
		}
		if isStale(reply) {
			if table, err = p.refreshLanes(ctx); err != nil {
				return err
			}
			continue
		}
		return p.readEnqueued(ctx, reply, tasks, places, out, errs)
	}
	return fmt.Errorf("%w: the lanes of the queue keep changing", domain.ErrStoreUnavailable)
}

// missingLanes are the lanes of the tasks that the table does not have.
func missingLanes(table *laneTable, tasks []*domain.Task, places []int) []string {
	var missing []string
	for _, i := range places {
		name := laneName(tasks[i].Queue, tasks[i].Type)
		if _, ok := table.number[name]; !ok && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// enqueueCall is what one caller wants stored, encoded for the script, so that
// whoever sends it needs nothing of the caller's.
type enqueueCall struct {
	generation string
	// tasks are id and record of each task; uniques place among them and key of
	// those that have one.
	tasks   []any
	uniques []uniqueKey
	lanes   []int
	bytes   int
	// wakes is whether one of its lanes may be claimed from.
	wakes bool
	// plain is whether there is one task, ready at once and without a unique key.
	plain bool

	reply []any
	err   error
	done  chan struct{}
}

type uniqueKey struct {
	place int
	key   string
}

// count is how many tasks the call has.
func (c *enqueueCall) count() int { return len(c.tasks) / 2 }

func newEnqueueCall(table *laneTable, tasks []*domain.Task, places []int) *enqueueCall {
	c := &enqueueCall{generation: table.generation, tasks: make([]any, 0, 2*len(places))}
	for n, i := range places {
		t := tasks[i]
		lane := table.number[laneName(t.Queue, t.Type)]
		if !slices.Contains(c.lanes, lane) {
			c.lanes = append(c.lanes, lane)
			c.wakes = c.wakes || !table.asleep(lane)
		}
		record := encodeRecord(make([]byte, 0, recordHead+32+recordTrace+len(t.Queue)+len(t.Type)+len(t.UniqueKey)+len(t.Payload)), t, lane)
		id := t.ID
		c.tasks = append(c.tasks, id[:], record)
		c.bytes += len(record)
		if t.UniqueKey != "" {
			c.uniques = append(c.uniques, uniqueKey{place: n + 1, key: t.UniqueKey})
		}
	}
	if t := tasks[places[0]]; len(places) == 1 && t.UniqueKey == "" && t.Delay == 0 && t.ScheduledAt.IsZero() {
		c.plain = true
	}
	return c
}

// callEnqueue stores what the calls want, which are of one generation, in one
// step, and gives each its part of the reply.
func (p *partition) callEnqueue(ctx context.Context, calls []*enqueueCall) {
	if len(calls) == 1 && calls[0].plain {
		done, err := p.callEnqueueOne(ctx, calls[0])
		if done || err != nil {
			calls[0].err = err
			return
		}
	}
	k := &p.keys
	var lanes []int
	count, keyed := 0, 0
	wake := ""
	for _, c := range calls {
		if c.wakes {
			wake = k.wake
		}
		count += c.count()
		keyed += len(c.uniques)
		for _, lane := range c.lanes {
			if !slices.Contains(lanes, lane) {
				lanes = append(lanes, lane)
			}
		}
	}
	keys := make([]string, 0, 7+len(lanes))
	keys = append(keys, k.tasks, k.unique, k.uniqueOf, k.scheduled, k.due, k.meta, k.events)
	args := make([]any, 0, 4+2*count+len(lanes)+2*keyed)
	args = append(args, p.client.offset(), calls[0].generation, wake, strconv.Itoa(count))
	for _, c := range calls {
		args = append(args, c.tasks...)
	}
	for _, lane := range lanes {
		keys = append(keys, k.ready(lane))
		args = append(args, strconv.Itoa(lane))
	}
	first := 0
	for _, c := range calls {
		for _, u := range c.uniques {
			args = append(args, strconv.Itoa(first+u.place), u.key)
		}
		first += c.count()
	}
	reply, err := p.client.runSlice(ctx, enqueueScript, keys, args...)
	if err == nil && !isStale(reply) && len(reply) != count {
		err = fmt.Errorf("redis script enqueue: %d replies for %d tasks", len(reply), count)
	}
	for _, c := range calls {
		c.err = err
		switch {
		case err != nil:
		case isStale(reply):
			c.reply = reply
		default:
			c.reply, reply = reply[:c.count()], reply[c.count():]
		}
	}
}

// callEnqueueOne stores the single task of a call, and reports false if that needs
// the script for many.
func (p *partition) callEnqueueOne(ctx context.Context, c *enqueueCall) (bool, error) {
	k := &p.keys
	wake := ""
	if c.wakes {
		wake = k.wake
	}
	reply, err := p.client.run(ctx, enqueueOneScript, []string{k.tasks, k.meta, k.ready(c.lanes[0]), k.events},
		c.generation, wake, c.tasks[0], c.tasks[1], p.client.offset())
	if err != nil {
		return false, err
	}
	created, ok := reply.(int64)
	if !ok {
		return false, fmt.Errorf("redis script enqueue_one: reply is %T, not a number", reply)
	}
	c.reply = []any{created}
	return created != 0, nil
}

// readEnqueued turns the replies into stored tasks and item errors.
func (p *partition) readEnqueued(ctx context.Context, reply []any, tasks []*domain.Task, places []int, out []*domain.Task, errs []error) error {
	var again []domain.TaskID
	var againAt []int
	for n, i := range places {
		t := tasks[i]
		if holder, ok := reply[n].(string); ok {
			id, err := uuid.FromBytes([]byte(holder))
			if err != nil {
				return fmt.Errorf("redis script enqueue: holder of unique key %q: %w", t.UniqueKey, err)
			}
			errs[i] = &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: id}
			continue
		}
		switch created, _ := intAt(reply, n); created {
		case 0:
			again, againAt = append(again, t.ID), append(againAt, i)
		case -2:
			errs[i] = fmt.Errorf("task %s: %w", t.ID, domain.ErrTaskExists)
		default:
			out[i] = storedCopy(t, microTime(created))
		}
	}
	if len(again) == 0 {
		return nil
	}
	found, err := p.getTasks(ctx, again...)
	if err != nil {
		return err
	}
	for n, i := range againAt {
		out[i], errs[i] = found[n].task, found[n].err
	}
	return nil
}

// storedCopy is the task as Enqueue has just stored it.
func storedCopy(t *domain.Task, created time.Time) *domain.Task {
	c := &domain.Task{
		ID: t.ID, Type: t.Type, Queue: t.Queue, Payload: append([]byte(nil), t.Payload...),
		Priority: t.Priority, MaxRetries: t.MaxRetries, Timeout: t.Timeout, UniqueKey: t.UniqueKey, TraceParent: t.TraceParent,
		Delay: t.Delay, Status: domain.TaskStatusPending, CreatedAt: created,
		ScheduledAt: microTime(timeMicro(t.ScheduledAt)),
	}
	if t.Delay > 0 {
		micros := delayMicro(t.Delay)
		c.Delay = time.Duration(micros) * time.Microsecond
		c.ScheduledAt = created.Add(c.Delay)
	}
	return c
}
