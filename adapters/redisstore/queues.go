package redisstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

// maxPauses bounds the queues of one store that are paused.
const maxPauses = 1024

var (
	queuesScript = layout.LoadScript("queue/queues")
	pauseScript  = layout.LoadScript("queue/pause")
)

var _ ports.QueueController = (*TaskQueue)(nil)

// ListQueues counts each partition at one moment, several at moments close to each other.
func (q *TaskQueue) ListQueues(ctx context.Context) ([]domain.QueueInfo, error) {
	parts, err := fromEach(q, func(p *partition) (map[string]domain.QueueInfo, error) { return p.queues(ctx) })
	if err != nil {
		return nil, err
	}
	all := map[string]domain.QueueInfo{}
	for number, queues := range parts {
		for name, part := range queues {
			sum, ok := all[name]
			if !ok {
				sum = domain.QueueInfo{Name: name, Pending: map[domain.TaskType]int64{}}
			}
			for typ, n := range part.Pending {
				sum.Pending[typ] += n
			}
			sum.OldestPending = max(sum.OldestPending, part.OldestPending)
			// The first partition learns of a change last.
			if number == 0 {
				sum.Paused, sum.PausedAt = part.Paused, part.PausedAt
			}
			all[name] = sum
		}
	}
	out := make([]domain.QueueInfo, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out, nil
}

// queues describes the queues of the partition, by name.
func (p *partition) queues(ctx context.Context) (map[string]domain.QueueInfo, error) {
	var table *readyTable
	reply, err := p.withTable(ctx, func(t *readyTable) ([]any, error) {
		table = t
		return p.client.RunSlice(ctx, queuesScript, p.keys.All(t.ready), p.client.Offset(), t.epoch)
	})
	if err != nil {
		return nil, err
	}
	out := map[string]domain.QueueInfo{}
	for name, at := range table.paused {
		out[name] = domain.QueueInfo{Name: name, Paused: true, PausedAt: layout.MicroTime(at)}
	}
	for list, name := range table.names {
		if name == "" {
			continue
		}
		queue, typ, _ := strings.Cut(name, "|")
		info := out[queue]
		info.Name = queue
		if info.Pending == nil {
			info.Pending = map[domain.TaskType]int64{}
		}
		if n, _ := layout.IntAt(reply, 2*list); n > 0 {
			info.Pending[domain.TaskType(typ)] = n
		}
		age, _ := layout.IntAt(reply, 2*list+1)
		info.OldestPending = max(info.OldestPending, microDuration(age))
		out[queue] = info
	}
	return out, nil
}

// PauseQueue refuses a queue with a *domain.ValidationError if maxPauses are paused.
func (q *TaskQueue) PauseQueue(ctx context.Context, name string) error {
	return q.setPaused(ctx, name, true)
}

func (q *TaskQueue) ResumeQueue(ctx context.Context, name string) error {
	return q.setPaused(ctx, name, false)
}

// setPaused tells the partitions, the first of them when all others know.
func (q *TaskQueue) setPaused(ctx context.Context, name string, paused bool) error {
	if err := domain.ValidateName("queue", name); err != nil {
		return err
	}
	others := q.parts[1:]
	errs := make([]error, len(others))
	atOnce(len(others), func(i int) { errs[i] = others[i].setPaused(ctx, name, paused) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return q.parts[0].setPaused(ctx, name, paused)
}

// setPaused pauses a queue in the partition, or ends its pause. A claim that was
// made before gives what it takes; one that comes later is refused by the epoch
// of the ready lists until its process knows.
func (p *partition) setPaused(ctx context.Context, name string, paused bool) error {
	step := "resume"
	if paused {
		step = "pause"
	}
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		if paused && table.epoch == "" {
			return layout.Stale(), p.begin(ctx)
		}
		fields := 1 + table.lists // what is no pause
		return p.client.RunSlice(ctx, pauseScript, p.keys.ForTable(),
			p.client.Offset(), table.epoch, layout.NewEpoch(p.client.Config.Partitions), p.keys.Wake, layout.PauseMark+name, step, fields+maxPauses)
	})
	if err != nil {
		return err
	}
	if n, _ := layout.IntAt(reply, 0); n != 1 {
		return &domain.ValidationError{Field: "queue", Value: name, Rule: fmt.Sprintf("would be one of more than %d paused queues", maxPauses)}
	}
	return nil
}

// begin gives the ready lists an epoch where they have none: there never was a task.
func (p *partition) begin(ctx context.Context) error {
	for _, keys := range []*layout.QueueKeys{&p.first, &p.keys} {
		if _, _, err := p.client.CallTable(ctx, keys, "begin"); err != nil {
			return err
		}
	}
	return nil
}
