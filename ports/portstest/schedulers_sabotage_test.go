package portstest_test

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// brokenSchedulers is a sound registry of which some methods are replaced.
type brokenSchedulers struct {
	ports.SchedulerRegistry

	report func(ctx context.Context, r domain.SchedulerReport, ttl time.Duration) (time.Time, error)
	remove func(ctx context.Context, id domain.SchedulerID) error
	list   func(ctx context.Context) ([]domain.SchedulerReport, error)
	// reopen is what another process gets; nil for a store of one process.
	reopen func() ports.SchedulerRegistry
}

func newBrokenSchedulers(r ports.SchedulerRegistry) *brokenSchedulers {
	return &brokenSchedulers{
		SchedulerRegistry: r,
		report:            r.ReportScheduler, remove: r.RemoveScheduler, list: r.ListSchedulers,
	}
}

func (r *brokenSchedulers) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	return r.report(ctx, report, ttl)
}
func (r *brokenSchedulers) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	return r.remove(ctx, id)
}
func (r *brokenSchedulers) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	return r.list(ctx)
}

// changed has reports stored otherwise than they came.
func (r *brokenSchedulers) changed(change func(report *domain.SchedulerReport, ttl *time.Duration)) {
	r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
		if err := ports.ValidateReport(&report, ttl); err != nil {
			return time.Time{}, err
		}
		change(&report, &ttl)
		return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
	}
}

var schedulerSabotages = map[string]sabotage[*brokenSchedulers]{
	"a figure is forgotten": {"Schedulers/gives_back_every_field_of_a_report", func(r *brokenSchedulers) {
		r.changed(func(report *domain.SchedulerReport, _ *time.Duration) { report.Stats.LeasesLost = 0 })
	}},
	"each report is a scheduler": {"Schedulers/keeps_one_report_for_each_scheduler,_the_newest", func(r *brokenSchedulers) {
		r.changed(func(report *domain.SchedulerReport, _ *time.Duration) { report.ID = uuid.New() })
	}},
	"reports come in any order": {"Schedulers/lists_by_id", func(r *brokenSchedulers) {
		r.list = func(ctx context.Context) ([]domain.SchedulerReport, error) {
			list, err := r.SchedulerRegistry.ListSchedulers(ctx)
			slices.Reverse(list)
			return list, err
		}
	}},
	"reports stay": {"Schedulers/forgets_a_report_when_its_time_is_over", func(r *brokenSchedulers) {
		r.changed(func(_ *domain.SchedulerReport, ttl *time.Duration) { *ttl = ports.MaxReportTTL })
	}},
	"the longest time counts": {"Schedulers/counts_the_time_of_a_report_from_the_last_call", func(r *brokenSchedulers) {
		r.changed(func(_ *domain.SchedulerReport, ttl *time.Duration) { *ttl = max(*ttl, time.Minute) })
	}},
	"the caller says when it was seen": {"Schedulers/returns_when_a_report_was_stored", func(r *brokenSchedulers) {
		r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
			_, err := r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
			return report.SeenAt, err
		}
	}},
	"reports cannot be removed": {"Schedulers/removes_a_report", func(r *brokenSchedulers) {
		r.remove = func(context.Context, domain.SchedulerID) error { return nil }
	}},
	"long lists are cut": {"Schedulers/keeps_the_largest_reports", func(r *brokenSchedulers) {
		r.changed(func(report *domain.SchedulerReport, _ *time.Duration) {
			report.Running = report.Running[:min(len(report.Running), 100)]
		})
	}},
	"a list is the same memory twice": {"Schedulers/shares_no_memory_of_reports_with_its_callers", func(r *brokenSchedulers) {
		var last []domain.SchedulerReport
		r.list = func(ctx context.Context) ([]domain.SchedulerReport, error) {
			if last != nil {
				return last, nil
			}
			var err error
			last, err = r.SchedulerRegistry.ListSchedulers(ctx)
			return last, err
		}
	}},
	"every tenth report is lost": {"Schedulers/takes_reports_of_many_at_the_same_time", func(r *brokenSchedulers) {
		var calls atomic.Int64
		r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
			if calls.Add(1)%10 == 0 {
				return time.Now(), nil
			}
			return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
		}
	}},
	"each process has schedulers of its own": {"Schedulers/shows_every_process_the_same_reports,_and_keeps_them_over_a_restart", func(r *brokenSchedulers) {
		r.reopen = func() ports.SchedulerRegistry { return memstore.NewSchedulerRegistry(memstore.Config{}) }
	}},
	"contexts are not looked at": {"Schedulers/ends_a_call_whose_context_has_ended", func(r *brokenSchedulers) {
		r.remove = func(ctx context.Context, id domain.SchedulerID) error {
			return r.SchedulerRegistry.RemoveScheduler(context.WithoutCancel(ctx), id)
		}
	}},
}
