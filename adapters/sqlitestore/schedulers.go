package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// SchedulerRegistry is the [ports.SchedulerRegistry] of a [DB]. All registries of one
// file, in any process, are the same. It is safe for concurrent use.
type SchedulerRegistry struct{ db *DB }

var _ ports.SchedulerRegistry = (*SchedulerRegistry)(nil)

// ReportScheduler also removes the reports that have ended.
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

func (r *SchedulerRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	return r.db.writer.do(ctx, "remove scheduler", func(tx *transaction) error {
		_, err := tx.exec("DELETE FROM scheduler WHERE id = ?", id[:])
		return err
	})
}

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
