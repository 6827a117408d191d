package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.QueueController = (*TaskQueue)(nil)

// ListQueues describes the queues as [ports.QueueController] says, all of one
// moment. A queue that has no tasks and is not paused is not known.
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
		}, `SELECT queue, type, ready, ifnull((SELECT seq FROM task INDEXED BY task_lane
			WHERE state = 1 AND state <> 3 AND lane = l.id ORDER BY seq LIMIT 1), 0) FROM lane l`)
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

// PauseQueue pauses a queue as [ports.QueueController] says.
func (q *TaskQueue) PauseQueue(ctx context.Context, name string) error {
	if err := domain.ValidateName("queue", name); err != nil {
		return err
	}
	return q.db.writer.do(ctx, "pause queue", func(tx *transaction) error {
		_, err := tx.exec("INSERT INTO pause (queue, since_us) VALUES (?, ?) ON CONFLICT DO NOTHING", name, tx.now)
		tx.paused[name] = true
		return err
	})
}

// ResumeQueue ends the pause of a queue as [ports.QueueController] says.
func (q *TaskQueue) ResumeQueue(ctx context.Context, name string) error {
	if err := domain.ValidateName("queue", name); err != nil {
		return err
	}
	return q.db.writer.do(ctx, "resume queue", func(tx *transaction) error {
		if !tx.paused[name] {
			return nil
		}
		_, err := tx.exec("DELETE FROM pause WHERE queue = ?", name)
		delete(tx.paused, name)
		for _, l := range tx.lanes {
			if l.queue == name {
				tx.stir(l)
			}
		}
		return err
	})
}

// SchedulerRegistry is a [ports.SchedulerRegistry] in a [DB]. It is safe for
// concurrent use.
type SchedulerRegistry struct{ db *DB }

var _ ports.SchedulerRegistry = (*SchedulerRegistry)(nil)

// NewSchedulerRegistry returns the registry of the store. All registries of one
// file, in any process, are the same.
func NewSchedulerRegistry(db *DB) *SchedulerRegistry { return &SchedulerRegistry{db: db} }

// ReportScheduler stores a report as [ports.SchedulerRegistry] says, and removes
// those that have ended.
func (r *SchedulerRegistry) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	if err := ports.ValidateReport(&report, ttl); err != nil {
		return time.Time{}, err
	}
	body, err := json.Marshal(report)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode the report of a scheduler: %w", err)
	}
	id := report.ID
	var seen int64
	err = r.db.writer.do(ctx, "report scheduler", func(tx *transaction) error {
		seen = tx.now
		if _, err := tx.exec("DELETE FROM scheduler WHERE until_us <= ?", tx.now); err != nil {
			return err
		}
		until := tx.now + int64((ttl+time.Microsecond-1)/time.Microsecond)
		_, err := tx.exec("INSERT OR REPLACE INTO scheduler (id, seen_us, until_us, report) VALUES (?, ?, ?, ?)", id[:], seen, until, body)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	return timeOf(seen), nil
}

// RemoveScheduler forgets a report as [ports.SchedulerRegistry] says.
func (r *SchedulerRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	return r.db.writer.do(ctx, "remove scheduler", func(tx *transaction) error {
		_, err := tx.exec("DELETE FROM scheduler WHERE id = ?", id[:])
		return err
	})
}

// ListSchedulers returns the reports as [ports.SchedulerRegistry] says.
func (r *SchedulerRegistry) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	var out []domain.SchedulerReport
	err := r.db.read(ctx, "list schedulers", func(s *statements) error {
		out = []domain.SchedulerReport{}
		return s.each(func(r *row) error {
			var report domain.SchedulerReport
			id, err := r.uuid(0), json.Unmarshal(r.blob(2), &report)
			if report.SeenAt = timeOf(r.int(1)); err == nil && report.ID == id && report.Validate() == nil {
				out = append(out, report)
			}
			return r.err
		}, "SELECT id, seen_us, report FROM scheduler WHERE until_us > ? ORDER BY id", r.db.now())
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
