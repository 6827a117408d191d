package redisstore

import (
	"context"
	"fmt"

	"logsift/adapters/redisstore/internal/layout"
)

var readyScript = layout.LoadScript("queue/ready")

// Ready reports whether Redis takes tasks, log entries and reports now, and if not, why.
// It asks wherever a part of the queue or the logs is, by writes that are refused when
// those of new tasks are and that change nothing: a read is answered by a server that is
// full, cannot write to its disk, lacks replicas, or is one. The error wraps
// domain.ErrStoreFull, domain.ErrStoreReadOnly or domain.ErrStoreUnavailable. It has
// connections of its own, so that no other call holds it up.
func (q *TaskQueue) Ready(ctx context.Context) error {
	if _, err := fromEach(q, func(p *partition) ([]any, error) { return p.ready(ctx) }); err != nil {
		return err
	}
	ctx, cancel := q.client.Bound(ctx)
	defer cancel()
	for _, key := range []string{layout.NewLogKeys(q.client.Config.Namespace).Absent, layout.NewSchedulerKeys(q.client.Config.Namespace).Absent} {
		if err := q.client.Probes.SetXX(ctx, key, "", 0).Err(); err != nil {
			return fmt.Errorf("try to write: %w", q.client.Translate(ctx, err))
		}
	}
	return nil
}

// ready asks for one partition.
func (p *partition) ready(ctx context.Context) ([]any, error) {
	ctx, cancel := p.client.Bound(ctx)
	defer cancel()
	return p.withTable(ctx, func(table *readyTable) ([]any, error) {
		reply, err := readyScript.Run(ctx, p.client.Probes, []string{p.keys.Meta, p.keys.Absent}, table.epoch).Slice()
		if err != nil {
			return nil, fmt.Errorf("try to write: %w", p.client.Translate(ctx, err))
		}
		return reply, nil
	})
}
