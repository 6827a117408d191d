package redisstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"logsift/domain"
	"logsift/ports"
)

// maxPauses bounds the queues of one store that are paused.
const maxPauses = 1024

var (
	queuesScript = loadScript("queues")
	pauseScript  = loadScript("pause")
)

var _ ports.QueueController = (*TaskQueue)(nil)

// ListQueues implements ports.QueueController. The counts of each partition are of
// one moment, those of several of moments close to each other.
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
	var table *laneTable
	reply, err := p.withLanes(ctx, func(t *laneTable) ([]any, error) {
		table = t
		return p.client.runSlice(ctx, queuesScript, p.keys.all(t.ready), p.client.offset(), t.generation, len(t.names))
	})
	if err != nil {
		return nil, err
	}
	out := map[string]domain.QueueInfo{}
	for name, at := range table.paused {
		out[name] = domain.QueueInfo{Name: name, Paused: true, PausedAt: microTime(at)}
	}
	for lane, name := range table.names {
		queue, typ, _ := strings.Cut(name, "|")
		info := out[queue]
		info.Name = queue
		if info.Pending == nil {
			info.Pending = map[domain.TaskType]int64{}
		}
		if n, _ := intAt(reply, 2*lane); n > 0 {
			info.Pending[domain.TaskType(typ)] = n
		}
		age, _ := intAt(reply, 2*lane+1)
		info.OldestPending = max(info.OldestPending, microDuration(age))
		out[queue] = info
	}
	return out, nil
}

// PauseQueue implements ports.QueueController. At most 1024 queues are paused at
// the same time; a further one is a *domain.ValidationError.
func (q *TaskQueue) PauseQueue(ctx context.Context, name string) error {
	return q.setPaused(ctx, name, true)
}

// ResumeQueue implements ports.QueueController.
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
// made before gives what it takes; one that comes later is refused by the generation
// of the lanes until its process knows.
func (p *partition) setPaused(ctx context.Context, name string, paused bool) error {
	step := "resume"
	if paused {
		step = "pause"
	}
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		if paused && table.generation == "" {
			return stale(), p.begin(ctx)
		}
		return p.client.runSlice(ctx, pauseScript, p.keys.forLanes(),
			p.client.offset(), table.generation, len(table.names), newGeneration(p.client.cfg.Partitions),
			p.keys.wake, maxPauses, pauseMark+name, step)
	})
	if err != nil {
		return err
	}
	if n, _ := intAt(reply, 0); n != 1 {
		return &domain.ValidationError{Field: "queue", Value: name, Rule: fmt.Sprintf("would be one of more than %d paused queues", maxPauses)}
	}
	return nil
}

// begin gives the lanes a generation where they have none: there never was a task.
func (p *partition) begin(ctx context.Context) error {
	for _, keys := range [][]string{p.first.forLanes(), p.keys.forLanes()} {
		if _, _, err := p.callLanes(ctx, keys, "begin"); err != nil {
			return err
		}
	}
	return nil
}
