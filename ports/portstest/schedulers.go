package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// reportTTL is long enough for any case that does not move the clock.
const reportTTL = time.Minute

func newReport() domain.SchedulerReport {
	return domain.SchedulerReport{ID: uuid.New(), Host: "host", PID: 1, Version: "v1"}
}

// reportScheduler stores a report and returns it as it should be listed.
func (h *storeTest) reportScheduler(t *testing.T, r domain.SchedulerReport, ttl time.Duration) domain.SchedulerReport {
	t.Helper()
	seen, err := h.Schedulers.ReportScheduler(t.Context(), r, ttl)
	require.NoError(t, err)
	r.SeenAt = seen
	return r
}

func (h *storeTest) listSchedulers(t *testing.T) []domain.SchedulerReport {
	t.Helper()
	got, err := h.Schedulers.ListSchedulers(t.Context())
	require.NoError(t, err)
	return got
}

func reportIDs(reports []domain.SchedulerReport) []domain.SchedulerID {
	return each(reports, func(r *domain.SchedulerReport) domain.SchedulerID { return r.ID })
}

// largestReport is a report at its limits.
func largestReport(t *testing.T) domain.SchedulerReport {
	t.Helper()
	r := newReport()
	r.Worker, r.Host = strings.Repeat("w", domain.MaxReportText), strings.Repeat("h", domain.MaxReportText)
	for i := range domain.MaxReportList {
		name := fmt.Sprintf("%064d", i)
		r.Queues = append(r.Queues, name)
		r.Stats.TaskTypes = append(r.Stats.TaskTypes, domain.TaskType(name))
	}
	for range domain.MaxRunningReported {
		var task domain.RunningTask
		fillAll(t, reflect.ValueOf(&task).Elem(), new(int))
		r.Running = append(r.Running, task)
	}
	return r
}

var schedulerCases = []storeCase{
	{
		name:    "gives back every field of a report",
		promise: "ListSchedulers returns the reports that last.",
		run: func(t *testing.T, h *storeTest) {
			var want domain.SchedulerReport
			fillAll(t, reflect.ValueOf(&want).Elem(), new(int))
			want.Queues = []string{"a", "b.c"}
			want = h.reportScheduler(t, want, reportTTL)
			require.Equal(t, []domain.SchedulerReport{want}, h.listSchedulers(t))
		},
	},
	{
		name:    "lists nothing where nobody has reported",
		promise: "ListSchedulers returns the reports that last.",
		run:     func(t *testing.T, h *storeTest) { require.Empty(t, h.listSchedulers(t)) },
	},
	{
		name:    "keeps one report for each scheduler, the newest",
		promise: "ReportScheduler stores the report under its ID, in place of an earlier one.",
		run: func(t *testing.T, h *storeTest) {
			first, other := newReport(), h.reportScheduler(t, newReport(), reportTTL)
			first.Running = []domain.RunningTask{{TaskID: uuid.New(), Type: "work", Queue: "q", Attempt: 1}}
			first = h.reportScheduler(t, first, reportTTL)
			require.Contains(t, h.listSchedulers(t), first)
			first.Running, first.Stats.ProcessedTasks = nil, 7
			first = h.reportScheduler(t, first, reportTTL)
			require.ElementsMatch(t, []domain.SchedulerReport{first, other}, h.listSchedulers(t))
		},
	},
	{
		name:    "lists by id",
		promise: "ListSchedulers returns the reports that last, by ID.",
		run: func(t *testing.T, h *storeTest) {
			var want []domain.SchedulerID
			for range 50 {
				want = append(want, h.reportScheduler(t, newReport(), reportTTL).ID)
			}
			slices.SortFunc(want, func(a, b domain.SchedulerID) int { return bytes.Compare(a[:], b[:]) })
			require.Equal(t, want, reportIDs(h.listSchedulers(t)))
		},
	},
	{
		name:    "forgets a report when its time is over",
		promise: "It forgets the report after ttl, by the store's clock.",
		run: func(t *testing.T, h *storeTest) {
			short, long := h.reportScheduler(t, newReport(), time.Minute), h.reportScheduler(t, newReport(), time.Hour)
			h.Advance(50 * time.Second)
			require.ElementsMatch(t, []domain.SchedulerReport{short, long}, h.listSchedulers(t))
			h.Advance(11 * time.Second)
			require.Equal(t, []domain.SchedulerReport{long}, h.listSchedulers(t))
			later := h.reportScheduler(t, newReport(), time.Minute)
			require.ElementsMatch(t, []domain.SchedulerReport{long, later}, h.listSchedulers(t))
		},
	},
	{
		name:    "counts the time of a report from the last call",
		promise: "It stores the report in place of an earlier one, and forgets it after ttl.",
		run: func(t *testing.T, h *storeTest) {
			r := newReport()
			h.reportScheduler(t, r, time.Minute)
			h.Advance(40 * time.Second)
			h.reportScheduler(t, r, time.Minute)
			h.Advance(40 * time.Second)
			require.Len(t, h.listSchedulers(t), 1)
			h.reportScheduler(t, r, time.Second)
			h.Advance(2 * time.Second)
			require.Empty(t, h.listSchedulers(t), "a shorter time counts too")
		},
	},
	{
		name:    "returns when a report was stored",
		promise: "SeenAt is not read but set, and returned: when the report was stored, by the store's clock.",
		run: func(t *testing.T, h *storeTest) {
			r := newReport()
			r.SeenAt = logTime
			first := h.reportScheduler(t, r, time.Hour)
			h.Advance(time.Minute)
			second := h.reportScheduler(t, r, time.Hour)
			require.Equal(t, second.SeenAt, h.listSchedulers(t)[0].SeenAt)
			require.InDelta(t, time.Minute.Seconds(), second.SeenAt.Sub(first.SeenAt).Seconds(), 10)
			require.Equal(t, time.UTC, second.SeenAt.Location())
		},
	},
	{
		name:    "removes a report",
		promise: "RemoveScheduler forgets the report, if there is one.",
		run: func(t *testing.T, h *storeTest) {
			r, other := h.reportScheduler(t, newReport(), reportTTL), h.reportScheduler(t, newReport(), reportTTL)
			for range 2 {
				require.NoError(t, h.Schedulers.RemoveScheduler(t.Context(), r.ID))
				require.Equal(t, []domain.SchedulerReport{other}, h.listSchedulers(t))
			}
			require.NoError(t, h.Schedulers.RemoveScheduler(t.Context(), uuid.New()))
		},
	},
	{
		name:    "keeps the largest reports",
		promise: "Errors: domain.ErrInvalid.",
		run: func(t *testing.T, h *storeTest) {
			want := make([]domain.SchedulerReport, 3)
			for i := range want {
				want[i] = h.reportScheduler(t, largestReport(t), ports.MaxReportTTL)
			}
			require.ElementsMatch(t, want, h.listSchedulers(t))
		},
	},
	{
		name:    "shares no memory of reports with its callers",
		promise: "What goes in and comes out are copies; neither side keeps them.",
		run: func(t *testing.T, h *storeTest) {
			r := newReport()
			r.Queues = []string{"a"}
			r.Running = []domain.RunningTask{{Queue: "a"}}
			r.Stats.TaskTypes = []domain.TaskType{"a"}
			h.reportScheduler(t, r, reportTTL)
			spoil := func(r *domain.SchedulerReport) { r.Queues[0], r.Running[0].Queue, r.Stats.TaskTypes[0] = "b", "b", "b" }
			spoil(&r)
			for range 2 {
				got := h.listSchedulers(t)[0]
				require.Equal(t, []string{"a", "a", "a"}, []string{got.Queues[0], got.Running[0].Queue, string(got.Stats.TaskTypes[0])})
				spoil(&got)
			}
		},
	},
	{
		name:    "takes reports of many at the same time",
		promise: "All methods may be called at the same time, by any number of goroutines and processes.",
		run: func(t *testing.T, h *storeTest) {
			const schedulers = 40
			handles := h.handles(t, 1)
			require.NoError(t, errors.Join(atOnce(schedulers, func(i int) (err error) {
				r, registry := newReport(), handles[i%len(handles)].Schedulers
				for n := range 3 {
					r.Stats.ProcessedTasks = int64(n)
					if err = errors.Join(err, errOf(registry.ReportScheduler(t.Context(), r, reportTTL))); err != nil {
						return err
					}
					if i%4 == 0 {
						err = errors.Join(err, registry.RemoveScheduler(t.Context(), r.ID))
					}
					err = errors.Join(err, errOf(registry.ListSchedulers(t.Context())))
				}
				return err
			})...))
			got := h.listSchedulers(t)
			require.Len(t, got, schedulers*3/4)
			for _, r := range got {
				require.Equal(t, int64(2), r.Stats.ProcessedTasks, "the newest report of each")
			}
		},
	},
	{
		name:    "shows every process the same reports, and keeps them over a restart",
		promise: "SchedulerRegistry lets processes know of one another's schedulers.",
		run: func(t *testing.T, h *storeTest) {
			other := h.other(t)
			r := h.reportScheduler(t, newReport(), reportTTL)
			require.Equal(t, []domain.SchedulerReport{r}, other.listSchedulers(t))
			second := other.reportScheduler(t, newReport(), reportTTL)
			want := []domain.SchedulerReport{r, second}
			require.ElementsMatch(t, want, h.listSchedulers(t))
			again := h.restarted(t)
			require.ElementsMatch(t, want, again.listSchedulers(t))
		},
	},
	{
		name:    "ends a call whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, h *storeTest) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r := newReport()
			require.ErrorIs(t, errOf(h.Schedulers.ReportScheduler(ctx, r, reportTTL)), context.Canceled)
			require.ErrorIs(t, h.Schedulers.RemoveScheduler(ctx, r.ID), context.Canceled)
			require.ErrorIs(t, errOf(h.Schedulers.ListSchedulers(ctx)), context.Canceled)
			require.Empty(t, h.listSchedulers(t))
		},
	},
}
