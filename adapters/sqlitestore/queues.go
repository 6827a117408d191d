package sqlitestore

import (
	"context"
	"maps"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.QueueController = (*TaskQueue)(nil)

// ListQueues describes all queues as of one moment. A queue that has no tasks and is
// not paused is not known.
func (q *TaskQueue) ListQueues(ctx context.Context) ([]domain.QueueInfo, error) {
	var byName map[string]*domain.QueueInfo
	err := q.db.read(ctx, "list queues", func(s *statements) error {
		byName = map[string]*domain.QueueInfo{}
		queue := func(name string) *domain.QueueInfo {
			info, ok := byName[name]
			if !ok {
				info = &domain.QueueInfo{Name: name, Pending: map[domain.TaskType]int64{}}
				byName[name] = info
			}
			return info
		}
		err := s.each(func(r *row) error {
			info := queue(r.text(0))
			info.Paused, info.PausedAt = true, timeOf(r.int(1))
			return r.err
		}, "SELECT queue, since_us FROM pause")
		if err != nil {
			return err
		}
		now := q.db.now()
		return s.each(func(r *row) error {
			info := queue(r.text(0))
			if n := r.int(2); n > 0 {
				info.Pending[domain.TaskType(r.text(1))] += n
				age := time.Duration(now-r.int(3)) * time.Microsecond
				info.OldestPending = max(info.OldestPending, age)
			}
			return r.err
		}, "SELECT queue, type, ready, CASE WHEN oldest > 0 THEN oldest ELSE head END FROM lane")
	})
	if err != nil {
		return nil, err
	}
	out := make([]domain.QueueInfo, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out, nil
}

func (q *TaskQueue) PauseQueue(ctx context.Context, name string) error {
	if err := domain.ValidateName("queue", name); err != nil {
		return err
	}
	return q.db.writer.do(ctx, "pause queue", func(tx *transaction) error {
		if _, err := tx.exec("INSERT INTO pause (queue, since_us) VALUES (?, ?) ON CONFLICT DO NOTHING", name, tx.now); err != nil {
			return err
		}
		_, err := tx.setPaused(name, true)
		return err
	})
}

func (q *TaskQueue) ResumeQueue(ctx context.Context, name string) error {
	if err := domain.ValidateName("queue", name); err != nil {
		return err
	}
	return q.db.writer.do(ctx, "resume queue", func(tx *transaction) error {
		if paused, err := tx.exec("DELETE FROM pause WHERE queue = ?", name); err != nil || paused == 0 {
			return err
		}
		lanes, err := tx.setPaused(name, false)
		for _, l := range lanes {
			tx.notify(l)
		}
		return err
	})
}

// setPaused notes in the lanes of a queue whether it is paused, and returns them.
func (tx *transaction) setPaused(queue string, paused bool) ([]*lane, error) {
	ids, err := tx.numbers("UPDATE lane SET paused = ? WHERE queue = ? RETURNING id", paused, queue)
	if err != nil {
		return nil, err
	}
	lanes, err := tx.lanesByID(ids)
	for _, l := range lanes {
		l.paused = paused
	}
	return lanes, err
}
