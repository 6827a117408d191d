package memstore

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// SchedulerRegistry is a ports.SchedulerRegistry in memory. It is safe for
// concurrent use.
type SchedulerRegistry struct {
	cfg Config

	mu      sync.Mutex // guards reports; without it a list could see half of a map's change
	reports map[domain.SchedulerID]lasting
}

// lasting is a report and when it ends.
type lasting struct {
	report domain.SchedulerReport
	until  time.Time
}

var _ ports.SchedulerRegistry = (*SchedulerRegistry)(nil)

// NewSchedulerRegistry returns an empty registry.
func NewSchedulerRegistry(cfg Config) *SchedulerRegistry {
	return &SchedulerRegistry{cfg: cfg, reports: map[domain.SchedulerID]lasting{}}
}

func (r *SchedulerRegistry) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, fmt.Errorf("report scheduler: %w", err)
	}
	if err := ports.ValidateReport(&report, ttl); err != nil {
		return time.Time{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.forget()
	report = report.Clone()
	report.SeenAt = now
	r.reports[report.ID] = lasting{report, now.Add(ttl)}
	return now, nil
}

// forget drops the reports that have ended, and returns the time. Callers hold mu.
func (r *SchedulerRegistry) forget() time.Time {
	now := r.cfg.now()
	maps.DeleteFunc(r.reports, func(_ domain.SchedulerID, l lasting) bool { return !l.until.After(now) })
	return now
}

func (r *SchedulerRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("remove scheduler: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reports, id)
	return nil
}

func (r *SchedulerRegistry) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list schedulers: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	out := make([]domain.SchedulerReport, 0, len(r.reports))
	for _, l := range r.reports {
		out = append(out, l.report.Clone())
	}
	slices.SortFunc(out, func(a, b domain.SchedulerReport) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}
