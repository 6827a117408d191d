package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.QueueController = (*TaskQueue)(nil)

func (q *TaskQueue) ListQueues(ctx context.Context) ([]domain.QueueInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.now()
	byName := map[string]*domain.QueueInfo{}
	queue := func(name string) *domain.QueueInfo {
		info, ok := byName[name]
		if !ok {
			info = &domain.QueueInfo{Name: name, Pending: map[domain.TaskType]int64{}}
			byName[name] = info
		}
		return info
	}
	for name, at := range q.paused {
		info := queue(name)
		info.Paused, info.PausedAt = true, at
	}
	for l, r := range q.ready {
		info := queue(l.queue)
		for t := range r.all() {
			info.Pending[l.typ]++
			info.OldestPending = max(info.OldestPending, now.Sub(t.CreatedAt))
		}
	}
	out := make([]domain.QueueInfo, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out, nil
}

func (q *TaskQueue) PauseQueue(ctx context.Context, name string) error {
	if err := checkQueue(ctx, "pause queue", name); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, paused := q.paused[name]; !paused {
		q.paused[name] = q.cfg.now()
	}
	return nil
}

func (q *TaskQueue) ResumeQueue(ctx context.Context, name string) error {
	if err := checkQueue(ctx, "resume queue", name); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, paused := q.paused[name]; paused {
		delete(q.paused, name)
		q.notify(name)
	}
	return nil
}

func checkQueue(ctx context.Context, what, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return domain.ValidateName("queue", name)
}
