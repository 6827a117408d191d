package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

// Enqueue is that of the queue, within the partition. What is enqueued at the
// same time is sent in batches: a call that finds others in flight joins the next
// step.
func (p *partition) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	out := make([]*domain.Task, len(tasks))
	errs := make([]error, len(tasks))
	valid := make([]int, 0, len(tasks))
	var own []*domain.Task
	for i, t := range tasks {
		if errs[i] = ports.ValidateTask(t); errs[i] != nil {
			continue
		}
		valid = append(valid, i)
		if t.Group != "" {
			if len(own) == 0 {
				own = slices.Clone(tasks)
				tasks = own
			}
			// The age of its group is its delay.
			tasks[i] = t.AsEnqueued()
			tasks[i].OnConflict = t.OnConflict
		}
	}
	for stored := false; len(valid) > 0; stored = true {
		part := valid[:enqueueStep(tasks, valid)]
		if err := p.enqueue(ctx, tasks, part, out, errs); err != nil {
			if !stored {
				return nil, err
			}
			for _, i := range valid {
				errs[i] = err
			}
			break
		}
		valid = valid[len(part):]
	}
	return out, domain.NewBatchError(errs)
}

// enqueueStep is how many of the tasks at the places, at least one, are stored in one
// step.
func enqueueStep(tasks []*domain.Task, places []int) int {
	n, bytes := 0, 0
	var keys map[string]bool
	for n < len(places) && n < ports.MaxEnqueue {
		t := tasks[places[n]]
		bytes += len(t.Payload)
		if n > 0 && bytes > ports.MaxCallBytes {
			break
		}
		if t.UniqueKey != "" {
			// What a task may replace is stored before.
			if keys[t.UniqueKey] && t.OnConflict == domain.ConflictReplace {
				break
			}
			if keys == nil {
				keys = map[string]bool{}
			}
			keys[t.UniqueKey] = true
		}
		n++
	}
	return n
}

// enqueue stores the tasks at the given places in one step. An error means that they
// were not stored, or that nobody knows.
func (p *partition) enqueue(ctx context.Context, tasks []*domain.Task, places []int, out []*domain.Task, errs []error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	table := p.readyTable()
	for began := time.Now(); ; {
		if missing := table.missing(tasks, places); len(missing) > 0 {
			var err error
			if table, err = p.addLists(ctx, table, missing); err != nil {
				return err
			}
			if places = withRoom(table, tasks, places, errs); len(places) == 0 {
				return nil
			}
		}
		if !table.groups && slices.ContainsFunc(places, func(i int) bool { return tasks[i].Group != "" }) {
			var err error
			if table, err = p.withGroups(ctx, table); err != nil {
				return err
			}
		}
		if queue := table.keyed(tasks, places); queue != "" {
			var err error
			if table, err = p.beginTurns(ctx, table, queue); err != nil {
				return err
			}
			began = time.Now()
			if len(table.missing(tasks, places)) > 0 {
				continue // A ready list was closed meanwhile.
			}
		}
		reply, err := p.enqueues.do(ctx, newEnqueueCall(table, tasks, places), p.callEnqueue)
		switch {
		case err != nil:
			return err
		case !layout.IsStale(reply):
			return p.readEnqueued(ctx, reply, tasks, places, out, errs)
		case time.Since(began) > p.client.Config.CallTimeout:
			return server.ErrTableChanges
		}
		if table, err = p.refreshTable(ctx, table); err != nil {
			return err
		}
	}
}

// missing are the ready lists of the tasks at the given places that the table does not have.
func (t *readyTable) missing(tasks []*domain.Task, places []int) []string {
	var out []string
	for _, i := range places {
		name := layout.ListName(tasks[i].Queue, tasks[i].Type)
		if _, ok := t.number[name]; !ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// withRoom returns the places of the tasks whose ready lists the table has, and notes the
// errors of the others.
func withRoom(table *readyTable, tasks []*domain.Task, places []int, errs []error) []int {
	out := make([]int, 0, len(places))
	for _, i := range places {
		if _, ok := table.number[layout.ListName(tasks[i].Queue, tasks[i].Type)]; ok {
			out = append(out, i)
			continue
		}
		errs[i] = fmt.Errorf("%w: %w", domain.ErrQueueFull, &domain.ValidationError{
			Field: "queue", Value: tasks[i].Queue,
			Rule: fmt.Sprintf("must be one that has tasks of this type: %d pairs of queue and type have tasks, and no more may; delete the tasks of another, or wait until they are removed", layout.MaxReadyLists),
		})
	}
	return out
}

// enqueueCall is what one caller wants stored, encoded for the script, so that
// whoever sends it needs nothing of the caller's.
type enqueueCall struct {
	epoch string
	// tasks are id and record of each task; uniques what is to be known of the unique
	// keys of those that have one.
	tasks   []any
	uniques []uniqueKey
	lists   []int
	bytes   int
	// notifies is whether one of its ready lists may be claimed from.
	notifies bool
	// grouped is whether a task has a group.
	grouped bool
	// plain is whether there is one task, ready at once and without a unique key.
	plain bool
	// replaces is whether a task is to replace another. Such a call joins no others: they
	// could store what it has to find.
	replaces bool

	reply []any
	err   error
	done  chan struct{}
}

type uniqueKey struct {
	place int // among the tasks of the call, from 1
	key   string
	rule  domain.OnConflict
	lasts time.Duration // 0 for as long as the state of the task says
}

// count is how many tasks the call has.
func (c *enqueueCall) count() int { return len(c.tasks) / 2 }

func newEnqueueCall(table *readyTable, tasks []*domain.Task, places []int) *enqueueCall {
	c := &enqueueCall{epoch: table.epoch, tasks: make([]any, 0, 2*len(places))}
	for n, i := range places {
		t := tasks[i]
		list := table.number[layout.ListName(t.Queue, t.Type)]
		if !slices.Contains(c.lists, list) {
			c.lists = append(c.lists, list)
			c.notifies = c.notifies || !table.isPaused(list)
		}
		record := layout.EncodeRecord(t, list)
		id := t.ID
		c.tasks = append(c.tasks, id[:], record)
		c.bytes += len(record)
		c.grouped = c.grouped || t.Group != ""
		if t.UniqueKey != "" {
			u := uniqueKey{place: n + 1, key: t.UniqueKey, lasts: t.UniqueFor}
			if t.OnConflict == domain.ConflictReplace {
				u.rule, c.replaces = t.OnConflict, true
			}
			c.uniques = append(c.uniques, u)
		}
	}
	if t := tasks[places[0]]; len(places) == 1 && t.UniqueKey == "" && t.Delay == 0 && t.ScheduledAt.IsZero() && t.ExpiresAt.IsZero() && t.ExpiresIn == 0 {
		c.plain = true
	}
	return c
}

// callEnqueue stores what the calls want, which are of one epoch, in one
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
	var lists []int
	count, keyed, bytes := 0, 0, 0
	wake, grouped := "", false
	for _, c := range calls {
		if c.notifies {
			wake = k.Wake
		}
		grouped = grouped || c.grouped
		count += c.count()
		bytes += c.bytes
		keyed += len(c.uniques)
		for _, list := range c.lists {
			if !slices.Contains(lists, list) {
				lists = append(lists, list)
			}
		}
	}
	keys := make([]string, 0, 10+len(lists))
	keys = append(keys, k.Tasks, k.Unique, k.UniqueOf, k.Scheduled, k.Due, k.Meta, k.Events, k.State, k.UniqueUntil, k.Expiring)
	args := make([]any, 0, 4+2*count+len(lists)+4*keyed)
	stated := count
	if grouped {
		stated = -count
	}
	args = append(args, p.client.Offset(), calls[0].epoch, wake, strconv.Itoa(stated))
	for _, c := range calls {
		args = append(args, c.tasks...)
	}
	for _, list := range lists {
		keys = append(keys, k.Ready(list))
		args = append(args, strconv.Itoa(list))
	}
	first := 0
	for _, c := range calls {
		for _, u := range c.uniques {
			args = append(args, strconv.Itoa(first+u.place), u.key, string(u.rule), layout.DelayMicro(u.lasts))
		}
		first += c.count()
	}
	reply, err := server.Array(p.calls.Run(ctx, &server.Call{Script: enqueueScript, Keys: keys, Args: args, Limit: p.client.LimitFor(bytes), Bytes: bytes}))
	if err == nil && !layout.IsStale(reply) && len(reply) != count {
		err = fmt.Errorf("redis script %s: %d replies for %d tasks", enqueueScript.Name, len(reply), count)
	}
	for _, c := range calls {
		c.err = err
		switch {
		case err != nil:
		case layout.IsStale(reply):
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
	if c.notifies {
		wake = k.Wake
	}
	reply, err := p.calls.Run(ctx, &server.Call{
		Script: enqueueOneScript, Keys: []string{k.Tasks, k.Meta, k.Ready(c.lists[0]), k.Events},
		Args: []any{c.epoch, wake, c.tasks[0], c.tasks[1], p.client.Offset()}, Limit: p.client.LimitFor(c.bytes), Bytes: c.bytes,
	})
	if err != nil {
		return false, err
	}
	created, ok := reply.(int64)
	if !ok {
		return false, fmt.Errorf("redis script %s: reply is %T, not a number", enqueueOneScript.Name, reply)
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
			replaced := len(holder) > len(t.ID)
			id, err := uuid.FromBytes([]byte(holder[:min(len(holder), len(t.ID))]))
			if err != nil {
				return fmt.Errorf("redis script %s: holder of unique key %q: %w", enqueueScript.Name, t.UniqueKey, err)
			}
			errs[i] = &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: id}
			if replaced || t.OnConflict == domain.ConflictKeep {
				again, againAt = append(again, id), append(againAt, i)
			}
			continue
		}
		switch created, _ := layout.IntAt(reply, n); created {
		case 0:
			again, againAt = append(again, t.ID), append(againAt, i)
		case -2:
			errs[i] = fmt.Errorf("task %s: %w", t.ID, domain.ErrTaskExists)
		default:
			out[i] = storedCopy(t, layout.MicroTime(created))
		}
	}
	for len(again) > 0 {
		found, err := p.getTasks(ctx, again...)
		if err != nil {
			for _, i := range againAt {
				errs[i] = err // the others of the step are stored
			}
			return nil
		}
		for n := range found {
			i := againAt[n]
			if errs[i] == nil || !errors.Is(found[n].err, domain.ErrTaskNotFound) {
				out[i], errs[i] = found[n].task, found[n].err
			} // else the holder was deleted, and the task is refused.
		}
		again, againAt = again[len(found):], againAt[len(found):]
	}
	return nil
}

// storedCopy is the task as Enqueue has just stored it.
func storedCopy(t *domain.Task, created time.Time) *domain.Task {
	c := t.AsEnqueued()
	c.CreatedAt = created
	c.ScheduledAt = layout.MicroTime(layout.TimeMicro(t.ScheduledAt))
	if t.Delay > 0 {
		micros := layout.DelayMicro(t.Delay)
		c.Delay = time.Duration(micros) * time.Microsecond
		c.ScheduledAt = created.Add(c.Delay)
	}
	c.ExpiresAt = c.Expiry(created)
	return c
}
