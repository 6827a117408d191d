package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"logsift/domain"
)

var (
	getScript   = loadScript("get")
	listScript  = loadScript("list")
	statsScript = loadScript("stats")
)

// found is one task that was looked up: the task, or why there is none.
type found struct {
	task *domain.Task
	err  error
}

// GetTask is that of the queue, within the partition.
func (p *partition) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	got, err := p.getTasks(ctx, id)
	if err != nil {
		return nil, err
	}
	if got[0].err != nil {
		return nil, got[0].err
	}
	return got[0].task, nil
}

// getTasks reads tasks whole, aligned with the ids. A task that cannot be read
// comes with an error and as far as it could be.
func (p *partition) getTasks(ctx context.Context, ids ...domain.TaskID) ([]found, error) {
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := []any{table.generation, len(table.names)}
		for _, id := range ids {
			args = append(args, id[:])
		}
		return p.client.runSlice(ctx, getScript, p.keys.all(table.ready), args...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]found, len(ids))
	for i, id := range ids {
		s := stored{id: id, record: textAt(reply, i*5), state: textAt(reply, i*5+1), results: textAt(reply, i*5+2), errors: textAt(reply, i*5+3)}
		if s.record == "" && s.state == "" {
			out[i].err = fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
			continue
		}
		if ends := textAt(reply, i*5+4); ends != "" {
			f, err := strconv.ParseFloat(ends, 64)
			if err != nil {
				return nil, fmt.Errorf("redis script get: end of lease: %w", err)
			}
			s.leaseEnds = int64(f)
		}
		out[i].task, out[i].err = decodeTask(s)
	}
	return out, nil
}

// selection is what a list asks the indexes for.
type selection struct {
	// low is the lowest sequence number.
	low      int64
	statuses string
	queues   []string
	types    []domain.TaskType
}

// listIDs reads one stretch of the indexes from the sequence number high on,
// falling.
func (p *partition) listIDs(ctx context.Context, high int64, limit int, sel selection) ([]listed, error) {
	if high < sel.low {
		return nil, nil
	}
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := []any{table.generation, len(table.names), high, sel.low, limit, sel.statuses}
		for _, lane := range table.selected(sel.queues, sel.types) {
			args = append(args, lane)
		}
		return p.client.runSlice(ctx, listScript, p.keys.all(table.ready), args...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]listed, 0, len(reply)/2)
	for i := 0; i+1 < len(reply); i += 2 {
		// A member that is no id becomes the nil id, which no task has: it is
		// passed over as a task that is gone.
		id, _ := uuid.FromBytes([]byte(textAt(reply, i)))
		seq, err := strconv.ParseInt(textAt(reply, i+1), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("redis script list: sequence number: %w", err)
		}
		out = append(out, listed{id: id, at: position{seq, p.number}})
	}
	return out, nil
}

// stats counts the tasks by state.
func (p *partition) stats(ctx context.Context) (domain.QueueStats, error) {
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		return p.client.runSlice(ctx, statsScript, p.keys.all(table.ready), p.client.offset(), table.generation, len(table.names))
	})
	if err != nil {
		return domain.QueueStats{}, err
	}
	n := func(i int) int64 {
		v, _ := intAt(reply, i)
		return v
	}
	return domain.QueueStats{
		Pending: n(0), Scheduled: n(1), Processing: n(2), Retrying: n(3),
		Completed: n(4), Failed: n(5), Cancelled: n(6),
		OldestPending: microDuration(n(7)),
	}, nil
}
