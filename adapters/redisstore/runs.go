package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var _ ports.RunTracker = (*TaskQueue)(nil)

var progressScript = layout.LoadScript("queue/progress")

func (q *TaskQueue) SaveProgress(ctx context.Context, progress ...ports.RunProgress) error {
	id := func(p ports.RunProgress) domain.TaskID { return p.Lease.TaskID }
	return spread(ctx, q, progress, id, func(p *partition, part []ports.RunProgress, _ []int) error {
		return p.saveProgress(ctx, part)
	})
}

func (p *partition) saveProgress(ctx context.Context, progress []ports.RunProgress) error {
	errs := make([]error, len(progress))
	keys, args, size := []string{p.keys.State}, []any{p.client.Offset(), ports.ProgressKept.Milliseconds()}, 0
	var places []int
	for i, one := range progress {
		if errs[i] = one.Validate(); errs[i] != nil {
			continue
		}
		body := layout.EncodeProgress(one.Progress)
		places, size = append(places, i), size+len(body)
		keys = append(keys, p.keys.Progress(one.Lease.TaskID))
		args = append(args, layout.AppendFence(nil, one.Lease), body)
	}
	if len(places) > 0 {
		reply, err := p.client.RunSliceWithin(ctx, p.client.LimitFor(size), progressScript, keys, args...)
		if err != nil {
			return err
		}
		for n, i := range places {
			if ok, _ := layout.IntAt(reply, n); ok != 1 {
				errs[i] = leaseLost(progress[i].Lease)
			}
		}
	}
	return domain.NewBatchError(errs)
}

// loadProgress fills in how far the run of a task has come.
func (p *partition) loadProgress(ctx context.Context, t *domain.Task) error {
	if t.Lease == nil {
		return nil
	}
	ctx, cancel := p.client.Bound(ctx)
	defer cancel()
	kept, err := p.client.Redis.Get(ctx, p.keys.Progress(t.ID)).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read progress: %w", p.client.Translate(ctx, err))
	}
	t.Progress = layout.DecodeProgress(*t.Lease, kept)
	return nil
}

// WatchCancelled is told by a message for each call that cancels tasks.
func (q *TaskQueue) WatchCancelled(ctx context.Context, cancelled func(ids []domain.TaskID)) error {
	if err := q.claims.watch(ctx, cancelled); err != nil {
		return fmt.Errorf("watch cancelled tasks: %w", err)
	}
	return nil
}
