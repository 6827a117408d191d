package portstest

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// RegistryHarness is a registry to be tested, empty and isolated from all others.
type RegistryHarness struct {
	Registry ports.SchedulerRegistry
	// Advance moves the store's clock forward. It is required.
	Advance func(d time.Duration)
	// Reopen returns another handle on the same reports, as another process would
	// have. Nil if the store has no such thing.
	Reopen func(t *testing.T) ports.SchedulerRegistry
	// Restart closes the store and opens it again. Nil if it is not durable.
	Restart func(t *testing.T) ports.SchedulerRegistry
}

// registryCase is one promise of the contract.
type registryCase struct {
	name string
	// promise is the sentence of the contract that is checked.
	promise string
	run     func(t *testing.T, h RegistryHarness)
}

// TestSchedulerRegistry checks that the registries which newHarness makes keep the
// contract of ports.SchedulerRegistry. Cases run in parallel, each with a harness of
// its own.
func TestSchedulerRegistry(t *testing.T, newHarness func(t *testing.T) RegistryHarness) {
	t.Helper()
	for _, c := range registryCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the broken promise: %s", c.promise)
				}
			})
			c.run(t, newHarness(t))
		})
	}
}

// reportTTL is long enough for any case that does not move the clock.
const reportTTL = time.Minute

func newReport() domain.SchedulerReport {
	return domain.SchedulerReport{ID: uuid.New(), Host: "host", PID: 1, Version: "v1"}
}

// report stores a report and returns it as it should be listed.
func (h RegistryHarness) report(t *testing.T, r domain.SchedulerReport, ttl time.Duration) domain.SchedulerReport {
	t.Helper()
	seen, err := h.Registry.ReportScheduler(t.Context(), r, ttl)
	require.NoError(t, err)
	r.SeenAt = seen
	return r
}

func (h RegistryHarness) list(t *testing.T) []domain.SchedulerReport {
	t.Helper()
	got, err := h.Registry.ListSchedulers(t.Context())
	require.NoError(t, err)
	return got
}

func reportIDs(reports []domain.SchedulerReport) []domain.SchedulerID {
	out := make([]domain.SchedulerID, len(reports))
	for i := range reports {
		out[i] = reports[i].ID
	}
	return out
}

// largestReport is a report at its limits.
func largestReport(t *testing.T) domain.SchedulerReport {
	t.Helper()
	r := newReport()
	r.Host = strings.Repeat("h", domain.MaxReportText)
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

var registryCases = []registryCase{
	{
		name:    "gives back every field of a report",
		promise: "ListSchedulers returns the reports that last.",
		run: func(t *testing.T, h RegistryHarness) {
			var want domain.SchedulerReport
			fillAll(t, reflect.ValueOf(&want).Elem(), new(int))
			want.Queues = []string{"a", "b.c"}
			want = h.report(t, want, reportTTL)
			require.Equal(t, []domain.SchedulerReport{want}, h.list(t))
		},
	},
	{
		name:    "lists nothing where nobody has reported",
		promise: "ListSchedulers returns the reports that last.",
		run:     func(t *testing.T, h RegistryHarness) { require.Empty(t, h.list(t)) },
	},
	{
		name:    "keeps one report for each scheduler, the newest",
		promise: "ReportScheduler stores the report under its ID, in place of an earlier one.",
		run: func(t *testing.T, h RegistryHarness) {
			first, other := newReport(), h.report(t, newReport(), reportTTL)
			first.Running = []domain.RunningTask{{TaskID: uuid.New(), Type: "work", Queue: "q", Attempt: 1}}
			first = h.report(t, first, reportTTL)
			require.Contains(t, h.list(t), first)
			first.Running, first.Stats.ProcessedTasks = nil, 7
			first = h.report(t, first, reportTTL)
			require.ElementsMatch(t, []domain.SchedulerReport{first, other}, h.list(t))
		},
	},
	{
		name:    "lists by id",
		promise: "ListSchedulers returns the reports that last, by ID.",
		run: func(t *testing.T, h RegistryHarness) {
			var want []domain.SchedulerID
			for range 50 {
				want = append(want, h.report(t, newReport(), reportTTL).ID)
			}
			slices.SortFunc(want, func(a, b domain.SchedulerID) int { return bytes.Compare(a[:], b[:]) })
			require.Equal(t, want, reportIDs(h.list(t)))
		},
	},
	{
		name:    "forgets a report when its time is over",
		promise: "It forgets the report after ttl, by the store's clock.",
		run: func(t *testing.T, h RegistryHarness) {
			short, long := h.report(t, newReport(), time.Minute), h.report(t, newReport(), time.Hour)
			h.Advance(50 * time.Second)
			require.ElementsMatch(t, []domain.SchedulerReport{short, long}, h.list(t))
			h.Advance(11 * time.Second)
			require.Equal(t, []domain.SchedulerReport{long}, h.list(t))
			later := h.report(t, newReport(), time.Minute)
			require.ElementsMatch(t, []domain.SchedulerReport{long, later}, h.list(t))
		},
	},
	{
		name:    "counts the time of a report from the last call",
		promise: "It stores the report in place of an earlier one, and forgets it after ttl.",
		run: func(t *testing.T, h RegistryHarness) {
			r := newReport()
			h.report(t, r, time.Minute)
			h.Advance(40 * time.Second)
			h.report(t, r, time.Minute)
			h.Advance(40 * time.Second)
			require.Len(t, h.list(t), 1)
			h.report(t, r, time.Second)
			h.Advance(2 * time.Second)
			require.Empty(t, h.list(t), "a shorter time counts too")
		},
	},
	{
		name:    "tells when a report was stored",
		promise: "SeenAt is not read but set, and returned: when the report was stored, by the store's clock.",
		run: func(t *testing.T, h RegistryHarness) {
			r := newReport()
			r.SeenAt = logTime
			first := h.report(t, r, time.Hour)
			h.Advance(time.Minute)
			second := h.report(t, r, time.Hour)
			require.Equal(t, second.SeenAt, h.list(t)[0].SeenAt)
			require.InDelta(t, time.Minute.Seconds(), second.SeenAt.Sub(first.SeenAt).Seconds(), 10)
			require.Equal(t, time.UTC, second.SeenAt.Location())
		},
	},
	{
		name:    "removes a report",
		promise: "RemoveScheduler forgets the report, if there is one.",
		run: func(t *testing.T, h RegistryHarness) {
			r, other := h.report(t, newReport(), reportTTL), h.report(t, newReport(), reportTTL)
			for range 2 {
				require.NoError(t, h.Registry.RemoveScheduler(t.Context(), r.ID))
				require.Equal(t, []domain.SchedulerReport{other}, h.list(t))
			}
			require.NoError(t, h.Registry.RemoveScheduler(t.Context(), uuid.New()))
		},
	},
	{
		name:    "keeps the largest reports",
		promise: "Errors: domain.ErrInvalid.",
		run: func(t *testing.T, h RegistryHarness) {
			want := make([]domain.SchedulerReport, 3)
			for i := range want {
				want[i] = h.report(t, largestReport(t), ports.MaxReportTTL)
			}
			require.ElementsMatch(t, want, h.list(t))
		},
	},
	{
		name:    "refuses what breaks a limit, by the name of the field",
		promise: "Errors: domain.ErrInvalid.",
		run: func(t *testing.T, h RegistryHarness) {
			for field, change := range map[string]func(r *domain.SchedulerReport){
				"id":               func(r *domain.SchedulerReport) { r.ID = uuid.Nil },
				"host":             func(r *domain.SchedulerReport) { r.Host += "h" },
				"version":          func(r *domain.SchedulerReport) { r.Version = "\xff" },
				"queues":           func(r *domain.SchedulerReport) { r.Queues = append(r.Queues, "a") },
				"stats.task_types": func(r *domain.SchedulerReport) { r.Stats.TaskTypes = append(r.Stats.TaskTypes, "a") },
				"running":          func(r *domain.SchedulerReport) { r.Running = append(r.Running, domain.RunningTask{}) },
			} {
				r := largestReport(t)
				change(&r)
				_, err := h.Registry.ReportScheduler(t.Context(), r, reportTTL)
				requireField(t, err, field)
			}
			for _, ttl := range []time.Duration{-1, 0, time.Millisecond - 1, ports.MaxReportTTL + 1} {
				_, err := h.Registry.ReportScheduler(t.Context(), newReport(), ttl)
				requireField(t, err, "ttl")
			}
			require.Empty(t, h.list(t))
		},
	},
	{
		name:    "shares no memory of reports with its callers",
		promise: "What goes in and comes out are copies; neither side keeps them.",
		run: func(t *testing.T, h RegistryHarness) {
			r := newReport()
			r.Queues = []string{"a"}
			r.Running = []domain.RunningTask{{Queue: "a"}}
			r.Stats.TaskTypes = []domain.TaskType{"a"}
			h.report(t, r, reportTTL)
			spoil := func(r *domain.SchedulerReport) { r.Queues[0], r.Running[0].Queue, r.Stats.TaskTypes[0] = "b", "b", "b" }
			spoil(&r)
			for range 2 {
				got := h.list(t)[0]
				require.Equal(t, []string{"a", "a", "a"}, []string{got.Queues[0], got.Running[0].Queue, string(got.Stats.TaskTypes[0])})
				spoil(&got)
			}
		},
	},
	{
		name:    "takes reports of many at the same time",
		promise: "All methods may be called at the same time, by any number of goroutines and processes.",
		run: func(t *testing.T, h RegistryHarness) {
			const schedulers = 40
			registries := []ports.SchedulerRegistry{h.Registry}
			if h.Reopen != nil {
				registries = append(registries, h.Reopen(t))
			}
			var wg sync.WaitGroup
			for i := range schedulers {
				wg.Go(func() {
					r, registry := newReport(), registries[i%len(registries)]
					for n := range 3 {
						r.Stats.ProcessedTasks = int64(n)
						_, err := registry.ReportScheduler(t.Context(), r, reportTTL)
						if err == nil && i%4 == 0 {
							err = registry.RemoveScheduler(t.Context(), r.ID)
						}
						if err == nil {
							_, err = registry.ListSchedulers(t.Context())
						}
						if err != nil {
							t.Errorf("scheduler %d: %v", i, err)
							return
						}
					}
				})
			}
			wg.Wait()
			got := h.list(t)
			require.Len(t, got, schedulers*3/4)
			for _, r := range got {
				require.Equal(t, int64(2), r.Stats.ProcessedTasks, "the newest report of each")
			}
		},
	},
	{
		name:    "shows every process the same reports, and keeps them over a restart",
		promise: "SchedulerRegistry lets processes know of one another's schedulers.",
		run: func(t *testing.T, h RegistryHarness) {
			if h.Reopen == nil || h.Restart == nil {
				t.Skip("the store belongs to one process")
			}
			r := h.report(t, newReport(), reportTTL)
			other := RegistryHarness{Registry: h.Reopen(t)}
			require.Equal(t, []domain.SchedulerReport{r}, other.list(t))
			second := other.report(t, newReport(), reportTTL)
			want := []domain.SchedulerReport{r, second}
			require.ElementsMatch(t, want, h.list(t))
			again := RegistryHarness{Registry: h.Restart(t)}
			require.ElementsMatch(t, want, again.list(t))
		},
	},
	{
		name:    "ends a call whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, h RegistryHarness) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r := newReport()
			_, err := h.Registry.ReportScheduler(ctx, r, reportTTL)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, h.Registry.RemoveScheduler(ctx, r.ID), context.Canceled)
			_, err = h.Registry.ListSchedulers(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.Empty(t, h.list(t))
		},
	},
}
