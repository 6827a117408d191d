package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

// maxPlaced is how many tasks a process remembers at least that are in the partition of
// their key, of those that it enqueued or claimed last; it remembers twice as many at most.
const maxPlaced = 1 << 16

// placement remembers the partitions of tasks that are not where their ids say. It is safe
// for concurrent use; the zero value is ready for use.
type placement struct {
	mu          sync.Mutex // guards the fields below
	now, before map[domain.TaskID]int
}

func (p *placement) remember(id domain.TaskID, partition int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || len(p.now) >= maxPlaced {
		p.before, p.now = p.now, map[domain.TaskID]int{}
	}
	p.now[id] = partition
}

func (p *placement) of(id domain.TaskID) (partition int, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if partition, known = p.now[id]; !known {
		partition, known = p.before[id]
	}
	return partition, known
}

// partitionFor is where a task is to be stored: in the partition of its key, its group or its
// unique key, if it has one.
func (q *TaskQueue) partitionFor(t *domain.Task) int {
	switch n := len(q.parts); {
	case t == nil:
		return 0
	case t.Key != "":
		return layout.PartitionOf([]byte(t.Key), n)
	case t.Group != "":
		return layout.PartitionOf(layout.GroupName(t), n)
	case t.UniqueKey != "":
		return layout.PartitionOf([]byte(t.UniqueKey), n)
	default:
		return layout.PartitionOf(t.ID[:], n)
	}
}

// partitionOf is where a task is looked for first.
func (q *TaskQueue) partitionOf(id domain.TaskID) int {
	if n, known := q.placed.of(id); known {
		return n
	}
	return layout.PartitionOf(id[:], len(q.parts))
}

// place notes where tasks are, if their ids do not say it.
func (q *TaskQueue) place(p *partition, tasks []*domain.Task) {
	for _, t := range tasks {
		if t != nil && (t.Key != "" || t.Group != "" || t.UniqueKey != "" || t.Workflow != nil) && layout.PartitionOf(t.ID[:], len(q.parts)) != p.number {
			q.placed.remember(t.ID, p.number)
		}
	}
}

// isMissing reports whether an error may mean that a task is in another partition.
func isMissing(err error) bool {
	return errors.Is(err, domain.ErrTaskNotFound) || errors.Is(err, domain.ErrLeaseLost)
}

// find looks for tasks in all partitions, in one round trip. A task that is in none keeps
// the number of its first partition; its error is not nil if one did not answer.
func (q *TaskQueue) find(ctx context.Context, ids []domain.TaskID) ([]int, []error) {
	ctx, cancel := q.client.Bound(ctx)
	defer cancel()
	found := make([][]*redis.BoolCmd, len(ids))
	// Each command has its own error.
	_, _ = q.client.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			found[i] = make([]*redis.BoolCmd, len(q.parts))
			for n, p := range q.parts {
				found[i][n] = pipe.HExists(ctx, p.keys.Tasks, string(id[:]))
			}
		}
		return nil
	})
	at, errs := make([]int, len(ids)), make([]error, len(ids))
	for i, id := range ids {
		at[i] = q.partitionOf(id)
		for n, cmd := range found[i] {
			if cmd.Val() {
				if errs[i] = nil; n != at[i] {
					at[i] = n
					q.placed.remember(id, n)
				}
				break
			}
			if err := cmd.Err(); err != nil {
				errs[i] = fmt.Errorf("look for task %s: %w", id, q.client.Translate(ctx, err))
			}
		}
	}
	return at, errs
}
