package portstest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// fleetSabotageEnv selects the sabotaged controller or registry in the test binary
// that TestBrokenFleetsFail runs again.
const fleetSabotageEnv = "LOGSIFT_SABOTAGE_FLEET"

// brokenController is a sound queue of which some methods are replaced.
type brokenController struct {
	portstest.ControlledQueue

	dequeue func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error)
	enqueue func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
	list    func(ctx context.Context) ([]domain.QueueInfo, error)
	pause   func(ctx context.Context, name string) error
	resume  func(ctx context.Context, name string) error
	// reopen is what another process gets; nil for a store of one process.
	reopen func() portstest.ControlledQueue
}

func (q *brokenController) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if q.dequeue != nil {
		return q.dequeue(ctx, req)
	}
	return q.ControlledQueue.Dequeue(ctx, req)
}

func (q *brokenController) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if q.enqueue != nil {
		return q.enqueue(ctx, tasks...)
	}
	return q.ControlledQueue.Enqueue(ctx, tasks...)
}

func (q *brokenController) ListQueues(ctx context.Context) ([]domain.QueueInfo, error) {
	if q.list != nil {
		return q.list(ctx)
	}
	return q.ControlledQueue.ListQueues(ctx)
}

func (q *brokenController) PauseQueue(ctx context.Context, name string) error {
	if q.pause != nil {
		return q.pause(ctx, name)
	}
	return q.ControlledQueue.PauseQueue(ctx, name)
}

func (q *brokenController) ResumeQueue(ctx context.Context, name string) error {
	if q.resume != nil {
		return q.resume(ctx, name)
	}
	return q.ControlledQueue.ResumeQueue(ctx, name)
}

// paused reports whether any queue is.
func (q *brokenController) paused(ctx context.Context) bool {
	list, _ := q.ControlledQueue.ListQueues(ctx)
	return slices.ContainsFunc(list, func(info domain.QueueInfo) bool { return info.Paused })
}

// unpaused is a handle that knows of no pauses.
func (q *brokenController) unpaused() portstest.ControlledQueue {
	return &brokenController{ControlledQueue: q.ControlledQueue, dequeue: func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
		if q.paused(ctx) {
			for _, name := range []string{domain.DefaultQueue, "other"} {
				_ = q.ControlledQueue.ResumeQueue(ctx, name)
				defer func() { _ = q.ControlledQueue.PauseQueue(context.WithoutCancel(ctx), name) }()
			}
		}
		return q.ControlledQueue.Dequeue(ctx, req)
	}}
}

// controllerSabotages break one promise each. caught is the case that must fail.
var controllerSabotages = map[string]struct {
	caught string
	breaks func(q *brokenController)
}{
	"a pause does nothing": {
		"a_paused_queue_gives_out_nothing_until_it_is_resumed", func(q *brokenController) {
			q.pause = func(context.Context, string) error { return nil }
		},
	},
	"a resume does nothing": {
		"a_task_that_became_due_in_a_pause_is_given_out_at_its_end", func(q *brokenController) {
			q.resume = func(context.Context, string) error { return nil }
		},
	},
	"a pause stops all queues": {
		"a_paused_queue_holds_no_other_queue_up", func(q *brokenController) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				if q.paused(ctx) {
					return nil, nil
				}
				return q.ControlledQueue.Dequeue(ctx, req)
			}
		},
	},
	"a paused queue takes nothing in": {
		"all_but_claims_goes_on_in_a_paused_queue", func(q *brokenController) {
			q.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
				if q.paused(ctx) {
					return nil, domain.ErrQueueFull
				}
				return q.ControlledQueue.Enqueue(ctx, tasks...)
			}
		},
	},
	"a pause forgets claims": {
		"a_repeated_claim_gives_what_it_took_before_the_pause", func(q *brokenController) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				if q.paused(ctx) {
					req.ID = uuid.New()
				}
				return q.ControlledQueue.Dequeue(ctx, req)
			}
		},
	},
	"a pause comes a moment later": {
		"no_claim_of_many_slips_through_a_pause", func(q *brokenController) {
			q.pause = func(ctx context.Context, name string) error {
				time.AfterFunc(20*time.Millisecond, func() { _ = q.ControlledQueue.PauseQueue(context.WithoutCancel(ctx), name) })
				return nil
			}
		},
	},
	"a resume wakes nobody": {
		"a_resume_wakes_a_claim_that_waits", func(q *brokenController) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				wait := req.Wait
				req.Wait = 0
				got, err := q.ControlledQueue.Dequeue(ctx, req)
				if err != nil || len(got) > 0 || wait == 0 {
					return got, err
				}
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(4 * time.Second):
				}
				return q.ControlledQueue.Dequeue(ctx, req)
			}
		},
	},
	"a pause begins anew with each call": {
		"repeats_change_nothing", func(q *brokenController) {
			q.pause = func(ctx context.Context, name string) error {
				_ = q.ControlledQueue.ResumeQueue(ctx, name)
				return q.ControlledQueue.PauseQueue(ctx, name)
			}
		},
	},
	"only queues that have a task are listed": {
		"a_queue_can_be_paused_before_it_has_a_task", func(q *brokenController) {
			q.list = func(ctx context.Context) ([]domain.QueueInfo, error) {
				list, err := q.ControlledQueue.ListQueues(ctx)
				return slices.DeleteFunc(list, func(info domain.QueueInfo) bool { return info.Ready() == 0 }), err
			}
		},
	},
	"the types of a queue are one": {
		"queues_are_described_by_what_is_ready_in_them", func(q *brokenController) {
			q.list = func(ctx context.Context) ([]domain.QueueInfo, error) {
				list, err := q.ControlledQueue.ListQueues(ctx)
				for i := range list {
					list[i].Pending = map[domain.TaskType]int64{"work": list[i].Ready()}
				}
				return list, err
			}
		},
	},
	"queues come in any order": {
		"queues_are_described_by_what_is_ready_in_them", func(q *brokenController) {
			q.list = func(ctx context.Context) ([]domain.QueueInfo, error) {
				list, err := q.ControlledQueue.ListQueues(ctx)
				slices.Reverse(list)
				return list, err
			}
		},
	},
	"a pause is of one process": {
		"every_process_knows_a_pause,_and_a_restart_does_not_end_it", func(q *brokenController) { q.reopen = q.unpaused },
	},
	"any name will do": {
		"a_bad_name_is_refused", func(q *brokenController) {
			q.pause = func(ctx context.Context, name string) error {
				if err := q.ControlledQueue.PauseQueue(ctx, name); !errors.Is(err, domain.ErrInvalid) {
					return err
				}
				return nil
			}
		},
	},
	"contexts are not looked at": {
		"a_call_ends_with_its_context", func(q *brokenController) {
			q.pause = func(ctx context.Context, name string) error {
				return q.ControlledQueue.PauseQueue(context.WithoutCancel(ctx), name)
			}
		},
	},
}

// brokenRegistry is a sound registry of which some methods are replaced.
type brokenRegistry struct {
	ports.SchedulerRegistry

	report func(ctx context.Context, r domain.SchedulerReport, ttl time.Duration) (time.Time, error)
	remove func(ctx context.Context, id domain.SchedulerID) error
	list   func(ctx context.Context) ([]domain.SchedulerReport, error)
	// reopen is what another process gets; nil for a store of one process.
	reopen func() ports.SchedulerRegistry
}

func (r *brokenRegistry) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	if r.report != nil {
		return r.report(ctx, report, ttl)
	}
	return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
}

func (r *brokenRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	if r.remove != nil {
		return r.remove(ctx, id)
	}
	return r.SchedulerRegistry.RemoveScheduler(ctx, id)
}

func (r *brokenRegistry) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	if r.list != nil {
		return r.list(ctx)
	}
	return r.SchedulerRegistry.ListSchedulers(ctx)
}

// changed has reports stored otherwise than they came.
func (r *brokenRegistry) changed(change func(report *domain.SchedulerReport, ttl *time.Duration)) {
	r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
		if err := ports.ValidateReport(&report, ttl); err != nil {
			return time.Time{}, err
		}
		change(&report, &ttl)
		return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
	}
}

// registrySabotages break one promise each. caught is the case that must fail.
var registrySabotages = map[string]struct {
	caught string
	breaks func(r *brokenRegistry)
}{
	"a figure is forgotten": {
		"gives_back_every_field_of_a_report", func(r *brokenRegistry) {
			r.changed(func(report *domain.SchedulerReport, _ *time.Duration) { report.Stats.LeasesLost = 0 })
		},
	},
	"each report is a scheduler": {
		"keeps_one_report_for_each_scheduler,_the_newest", func(r *brokenRegistry) {
			r.changed(func(report *domain.SchedulerReport, _ *time.Duration) { report.ID = uuid.New() })
		},
	},
	"reports come in any order": {
		"lists_by_id", func(r *brokenRegistry) {
			r.list = func(ctx context.Context) ([]domain.SchedulerReport, error) {
				list, err := r.SchedulerRegistry.ListSchedulers(ctx)
				slices.Reverse(list)
				return list, err
			}
		},
	},
	"reports stay": {
		"forgets_a_report_when_its_time_is_over", func(r *brokenRegistry) {
			r.changed(func(_ *domain.SchedulerReport, ttl *time.Duration) { *ttl = ports.MaxReportTTL })
		},
	},
	"the longest time counts": {
		"counts_the_time_of_a_report_from_the_last_call", func(r *brokenRegistry) {
			r.changed(func(_ *domain.SchedulerReport, ttl *time.Duration) { *ttl = max(*ttl, time.Minute) })
		},
	},
	"the caller says when it was seen": {
		"tells_when_a_report_was_stored", func(r *brokenRegistry) {
			r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
				_, err := r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
				return report.SeenAt, err
			}
		},
	},
	"reports cannot be removed": {
		"removes_a_report", func(r *brokenRegistry) {
			r.remove = func(context.Context, domain.SchedulerID) error { return nil }
		},
	},
	"long lists are cut": {
		"keeps_the_largest_reports", func(r *brokenRegistry) {
			r.changed(func(report *domain.SchedulerReport, _ *time.Duration) {
				report.Running = report.Running[:min(len(report.Running), 100)]
			})
		},
	},
	"limits are not checked": {
		"refuses_what_breaks_a_limit,_by_the_name_of_the_field", func(r *brokenRegistry) {
			r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
				ttl = min(max(ttl, time.Millisecond), ports.MaxReportTTL)
				return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
			}
		},
	},
	"a list is the same memory twice": {
		"shares_no_memory_of_reports_with_its_callers", func(r *brokenRegistry) {
			var last []domain.SchedulerReport
			r.list = func(ctx context.Context) ([]domain.SchedulerReport, error) {
				if last != nil {
					return last, nil
				}
				var err error
				last, err = r.SchedulerRegistry.ListSchedulers(ctx)
				return last, err
			}
		},
	},
	"every tenth report is lost": {
		"takes_reports_of_many_at_the_same_time", func(r *brokenRegistry) {
			var calls atomic.Int64
			r.report = func(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
				if calls.Add(1)%10 == 0 {
					return time.Now(), nil
				}
				return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
			}
		},
	},
	"each process has schedulers of its own": {
		"shows_every_process_the_same_reports,_and_keeps_them_over_a_restart", func(r *brokenRegistry) {
			r.reopen = func() ports.SchedulerRegistry { return memstore.NewSchedulerRegistry(memstore.Config{}) }
		},
	},
	"contexts are not looked at": {
		"ends_a_call_whose_context_has_ended", func(r *brokenRegistry) {
			r.remove = func(ctx context.Context, id domain.SchedulerID) error {
				return r.SchedulerRegistry.RemoveScheduler(context.WithoutCancel(ctx), id)
			}
		},
	},
}

// TestBrokenFleetsFail proves that the suites of ports.QueueController and
// ports.SchedulerRegistry can fail.
func TestBrokenFleetsFail(t *testing.T) {
	t.Parallel()
	caught := map[string][2]string{}
	for sabotage, s := range controllerSabotages {
		caught["controller: "+sabotage] = [2]string{"TestSabotagedController", s.caught}
	}
	for sabotage, s := range registrySabotages {
		caught["registry: "+sabotage] = [2]string{"TestSabotagedRegistry", s.caught}
	}
	for sabotage, c := range caught {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			_, name, _ := strings.Cut(sabotage, ": ")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+c[0]+"$/^suite$/^"+c[1]+"$")
			cmd.Env = append(os.Environ(), fleetSabotageEnv+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite passed where %s\n%s", sabotage, out)
			require.Contains(t, string(out), "--- FAIL: "+c[0]+"/suite/"+c[1])
			require.Contains(t, string(out), "the broken promise: ")
		})
	}
}

// sabotagedClock is a clock that the suite moves.
func sabotagedClock() (now func() time.Time, advance func(time.Duration)) {
	var offset atomic.Int64
	return func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
		func(d time.Duration) { offset.Add(int64(d)) }
}

// TestSabotagedController runs the suite on a sabotaged queue when
// TestBrokenFleetsFail asks for one, and on the sound queue otherwise.
func TestSabotagedController(t *testing.T) {
	s := controllerSabotages[os.Getenv(fleetSabotageEnv)]
	t.Run("suite", func(t *testing.T) {
		portstest.TestQueueController(t, func(*testing.T) portstest.ControllerHarness {
			now, advance := sabotagedClock()
			q := &brokenController{ControlledQueue: memstore.NewTaskQueue(memstore.Config{Now: now})}
			if s.breaks != nil {
				s.breaks(q)
			}
			h := portstest.ControllerHarness{Queue: q, Advance: advance}
			if q.reopen != nil {
				h.Reopen = func(*testing.T) portstest.ControlledQueue { return q.reopen() }
				h.Restart = func(*testing.T) portstest.ControlledQueue { return q }
			}
			return h
		})
	})
}

// TestSabotagedRegistry is TestSabotagedController for registries.
func TestSabotagedRegistry(t *testing.T) {
	s := registrySabotages[os.Getenv(fleetSabotageEnv)]
	t.Run("suite", func(t *testing.T) {
		portstest.TestSchedulerRegistry(t, func(*testing.T) portstest.RegistryHarness {
			now, advance := sabotagedClock()
			r := &brokenRegistry{SchedulerRegistry: memstore.NewSchedulerRegistry(memstore.Config{Now: now})}
			if s.breaks != nil {
				s.breaks(r)
			}
			h := portstest.RegistryHarness{Registry: r, Advance: advance}
			if r.reopen != nil {
				h.Reopen = func(*testing.T) ports.SchedulerRegistry { return r.reopen() }
				h.Restart = func(*testing.T) ports.SchedulerRegistry { return r }
			}
			return h
		})
	})
}
