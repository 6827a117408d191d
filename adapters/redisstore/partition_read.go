package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var (
	getScript   = layout.LoadScript("queue/get")
	listScript  = layout.LoadScript("queue/list")
	statsScript = layout.LoadScript("queue/stats")
)

// found is one task that was looked up: the task, or why there is none.
type found struct {
	task  *domain.Task
	err   error
	bytes int // that it takes in the store
}

func (p *partition) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	got, err := p.getTasks(ctx, id)
	if err != nil {
		return nil, err
	}
	if got[0].err != nil {
		return nil, got[0].err
	}
	if err := p.loadWaiting(ctx, got[0].task); err != nil {
		return nil, err
	}
	return got[0].task, p.loadProgress(ctx, got[0].task)
}

// getTasks reads tasks whole, aligned with the ids: at least the first one, and as many
// as one answer may hold. A task that cannot be read comes with an error and as far as
// it could be.
func (p *partition) getTasks(ctx context.Context, ids ...domain.TaskID) ([]found, error) {
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		args := []any{table.epoch, ports.MaxCallBytes, p.client.Offset()}
		for _, id := range ids {
			args = append(args, id[:])
		}
		limit := p.client.LimitFor(domain.MaxPayload + domain.MaxResult)
		return p.client.RunSliceWithin(ctx, limit, getScript, p.keys.All(table.ready), args...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]found, min(len(ids), len(reply)/getFields))
	if len(out) == 0 {
		return nil, fmt.Errorf("redis script %s: %d replies for %d tasks", getScript.Name, len(reply), len(ids))
	}
	for i := range out {
		id := ids[i]
		s := layout.StoredTask{ID: id, Record: layout.TextAt(reply, i*getFields), State: layout.TextAt(reply, i*getFields+1), Results: layout.TextAt(reply, i*getFields+2), Errors: layout.TextAt(reply, i*getFields+3)}
		out[i].bytes = len(s.Record) + len(s.Results) + len(s.Errors)
		if s.Record == "" && s.State == "" {
			out[i].err = fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
			continue
		}
		if ends := layout.TextAt(reply, i*getFields+4); ends != "" {
			f, err := strconv.ParseFloat(ends, 64)
			if err != nil {
				return nil, fmt.Errorf("redis script %s: end of lease: %w", getScript.Name, err)
			}
			s.LeaseEnds = int64(f)
		}
		out[i].task, out[i].err = layout.DecodeTask(s)
	}
	return out, nil
}

// getFields is how many replies get.lua has for a task.
const getFields = 5

// selection is what a list asks the indexes for.
type selection struct {
	// low is the lowest sequence number.
	low      int64
	statuses string
	queues   []string
	types    []domain.TaskType
	// tag and reason are those of the tasks' records and errors, "" for any.
	tag    string
	reason domain.FailureReason
	// scan is how many tasks are looked at in one index for those of the queues and
	// types, or in all by their records, 0 if all tasks are wanted.
	scan int
}

// byRecord reports whether the tasks' records, or errors, are to be looked at.
func (s selection) byRecord() bool { return s.tag != "" || s.reason != "" }

// listIDs reads one stretch of the indexes from the sequence number high on,
// falling, and returns the last place of it; nil if there are no tasks behind it.
func (p *partition) listIDs(ctx context.Context, high int64, limit int, sel selection) ([]listed, *position, error) {
	if high < sel.low {
		return nil, nil, nil
	}
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		args := []any{table.epoch, high, sel.low, limit, sel.statuses, sel.scan, ports.MaxCallBytes, sel.tag, string(sel.reason)}
		for _, list := range table.selected(sel.queues, sel.types) {
			args = append(args, list)
		}
		return p.client.RunSlice(ctx, listScript, p.keys.All(table.ready), args...)
	})
	if err != nil {
		return nil, nil, err
	}
	var end *position
	if text := layout.TextAt(reply, 0); text != "" {
		seq, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("redis script %s: end of the stretch: %w", listScript.Name, err)
		}
		end = &position{seq, p.number}
	}
	out := make([]listed, 0, len(reply)/2)
	for i := 1; i+1 < len(reply); i += 2 {
		// A member that is no id becomes the nil id, which no task has: it is
		// passed over as a task that is gone.
		id, _ := uuid.FromBytes([]byte(layout.TextAt(reply, i)))
		seq, err := strconv.ParseInt(layout.TextAt(reply, i+1), 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("redis script %s: sequence number: %w", listScript.Name, err)
		}
		out = append(out, listed{id: id, at: position{seq, p.number}})
	}
	return out, end, nil
}

// stats counts the tasks by state.
func (p *partition) stats(ctx context.Context) (domain.QueueStats, error) {
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		return p.client.RunSlice(ctx, statsScript, p.keys.All(table.ready), p.client.Offset(), table.epoch)
	})
	if err != nil {
		return domain.QueueStats{}, err
	}
	n := func(i int) int64 {
		v, _ := layout.IntAt(reply, i)
		return v
	}
	return domain.QueueStats{
		Pending: n(0), Scheduled: n(1), Processing: n(2), Retrying: n(3),
		Completed: n(4), Failed: n(5), Cancelled: n(6),
		OldestPending: microDuration(n(7)),
	}, nil
}
