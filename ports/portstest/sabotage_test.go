package portstest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// sabotageEnv selects the sabotaged queue in the test binary that
// TestBrokenQueuesFail runs again.
const sabotageEnv = "LOGSIFT_SABOTAGE"

// brokenQueue is a sound queue of which one method is replaced.
type brokenQueue struct {
	ports.TaskQueue

	enqueue func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
	dequeue func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error)
	update  func(ctx context.Context, updates ...ports.TaskUpdate) error
	extend  func(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error)
	stats   func(ctx context.Context) (domain.QueueStats, error)
	list    func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)
	purge   func(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error)
	reap    func(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error)
	remove  func(ctx context.Context, ids ...domain.TaskID) error
}

func (q *brokenQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if q.enqueue != nil {
		return q.enqueue(ctx, tasks...)
	}
	return q.TaskQueue.Enqueue(ctx, tasks...)
}

func (q *brokenQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if q.dequeue != nil {
		return q.dequeue(ctx, req)
	}
	return q.TaskQueue.Dequeue(ctx, req)
}

func (q *brokenQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if q.update != nil {
		return q.update(ctx, updates...)
	}
	return q.TaskQueue.UpdateTask(ctx, updates...)
}

func (q *brokenQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if q.extend != nil {
		return q.extend(ctx, lease, leases...)
	}
	return q.TaskQueue.ExtendLease(ctx, lease, leases...)
}

func (q *brokenQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	if q.stats != nil {
		return q.stats(ctx)
	}
	return q.TaskQueue.GetQueueStats(ctx)
}

func (q *brokenQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if q.list != nil {
		return q.list(ctx, filter)
	}
	return q.TaskQueue.ListTasks(ctx, filter)
}

func (q *brokenQueue) PurgeFinished(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error) {
	if q.purge != nil {
		return q.purge(ctx, retention, limit)
	}
	return q.TaskQueue.PurgeFinished(ctx, retention, limit)
}

func (q *brokenQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if q.reap != nil {
		return q.reap(ctx, req)
	}
	return q.TaskQueue.ReapExpired(ctx, req)
}

func (q *brokenQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	if q.remove != nil {
		return q.remove(ctx, ids...)
	}
	return q.TaskQueue.DeleteTask(ctx, ids...)
}

// sabotages break one promise each. caught is the case that must fail.
var sabotages = map[string]struct {
	caught string
	breaks func(q *brokenQueue)
}{
	"a late report is accepted": {
		"Settle/a_lease_that_was_recovered_changes_nothing_any_more", func(q *brokenQueue) {
			q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
				for i, u := range updates {
					if t, err := q.GetTask(ctx, u.Lease.TaskID); err == nil && t.Lease != nil {
						updates[i].Lease = *t.Lease
					}
				}
				return q.TaskQueue.UpdateTask(ctx, updates...)
			}
		},
	},
	"a late report is passed over in silence": {
		"Settle/both_parts_of_the_fence_are_compared", func(q *brokenQueue) {
			q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
				_ = q.TaskQueue.UpdateTask(ctx, updates...)
				return nil
			}
		},
	},
	"a repeated claim takes more tasks": {
		"Claim/the_same_claim_id_gives_the_same_tasks_and_no_others", func(q *brokenQueue) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				if req.ID != uuid.Nil {
					req.ID = uuid.New()
				}
				return q.TaskQueue.Dequeue(ctx, req)
			}
		},
	},
	"the youngest task comes first": {
		"Claim/the_highest_priority_comes_first_and_within_one_the_oldest", func(q *brokenQueue) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				got, err := q.TaskQueue.Dequeue(ctx, req)
				slices.Reverse(got)
				return got, err
			}
		},
	},
	"delayed tasks are early": {
		"Time/a_delayed_task_is_never_early", func(q *brokenQueue) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				page, err := q.TaskQueue.ListTasks(ctx, domain.TaskFilter{Status: domain.TaskStatusPending})
				if err != nil {
					return nil, err
				}
				for _, t := range page.Tasks {
					if err := q.RunTaskNow(ctx, t.ID); err != nil {
						return nil, err
					}
				}
				return q.TaskQueue.Dequeue(ctx, req)
			}
		},
	},
	"a lost worker costs a retry": {
		"Time/an_expired_lease_is_recovered_at_no_cost_of_a_retry", func(q *brokenQueue) {
			q.reap = func(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
				page, err := q.TaskQueue.ListTasks(ctx, domain.TaskFilter{Status: domain.TaskStatusProcessing})
				if err != nil {
					return ports.Maintained{}, err
				}
				m, err := q.TaskQueue.ReapExpired(ctx, req)
				if err != nil || m.Count == 0 {
					return m, err
				}
				for range page.Tasks {
					got, err := q.TaskQueue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
					if err != nil || len(got) == 0 {
						return m, err
					}
					if err := q.TaskQueue.UpdateTask(ctx, ports.TaskUpdate{Lease: *got[0].Lease, Outcome: ports.OutcomeRetry}); err != nil {
						return m, err
					}
				}
				return m, nil
			}
		},
	},
	"poison is never recognised": {
		"Time/a_task_that_kills_its_workers_ends_as_poison", func(q *brokenQueue) {
			q.reap = func(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
				req.MaxRecoveries += 100
				return q.TaskQueue.ReapExpired(ctx, req)
			}
		},
	},
	"poison is not told of": {
		"Time/a_task_that_kills_its_workers_ends_as_poison", func(q *brokenQueue) {
			q.reap = func(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
				m, err := q.TaskQueue.ReapExpired(ctx, req)
				m.Poisoned = 0
				return m, err
			}
		},
	},
	"claimed tasks lack their errors": {
		"Time/a_claimed_task_tells_how_long_it_was_ready", func(q *brokenQueue) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				tasks, err := q.TaskQueue.Dequeue(ctx, req)
				for _, t := range tasks {
					t.Errors = nil
				}
				return tasks, err
			}
		},
	},
	"the trace is lost": {
		"Enqueue/the_trace_of_a_task_comes_with_its_claim_and_is_no_part_of_its_contents", func(q *brokenQueue) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				tasks, err := q.TaskQueue.Dequeue(ctx, req)
				for _, t := range tasks {
					t.TraceParent = ""
				}
				return tasks, err
			}
		},
	},
	"clean-up ignores the retention": {
		"Time/finished_tasks_go_after_their_retention_and_nothing_else_does", func(q *brokenQueue) {
			q.purge = func(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error) {
				return q.TaskQueue.PurgeFinished(ctx, retention/2, limit)
			}
		},
	},
	"the counts drift": {
		"List/counts_add_up_after_every_step", func(q *brokenQueue) {
			var mu sync.Mutex
			completed := int64(0)
			q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
				mu.Lock()
				defer mu.Unlock()
				for _, u := range updates {
					if u.Outcome == ports.OutcomeFailed {
						completed++
					}
				}
				return q.TaskQueue.UpdateTask(ctx, updates...)
			}
			q.stats = func(ctx context.Context) (domain.QueueStats, error) {
				s, err := q.TaskQueue.GetQueueStats(ctx)
				mu.Lock()
				defer mu.Unlock()
				s.Completed += completed
				return s, err
			}
		},
	},
	"pages repeat their last task": {
		"List/the_newest_task_comes_first_whatever_its_state", func(q *brokenQueue) {
			var last *domain.Task
			q.list = func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
				page, err := q.TaskQueue.ListTasks(ctx, filter)
				if filter.Cursor != "" && last != nil {
					page.Tasks = append([]*domain.Task{last}, page.Tasks...)
				}
				if n := len(page.Tasks); n > 0 {
					last = page.Tasks[n-1]
				}
				return page, err
			}
		},
	},
	"a repeated enqueue makes two tasks": {
		"Enqueue/a_repeat_gives_the_same_task_and_stores_nothing", func(q *brokenQueue) {
			q.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
				fresh := make([]*domain.Task, len(tasks))
				for i, t := range tasks {
					fresh[i] = t.Clone()
					fresh[i].ID = uuid.New()
				}
				return q.TaskQueue.Enqueue(ctx, fresh...)
			}
		},
	},
	"a running task can be deleted": {
		"Manage/each_step_is_allowed_from_some_states_and_refused_from_the_others", func(q *brokenQueue) {
			q.remove = func(ctx context.Context, ids ...domain.TaskID) error {
				_ = q.CancelTask(ctx, ids...)
				return q.TaskQueue.DeleteTask(ctx, ids...)
			}
		},
	},
	"a lease is extended from its end": {
		"Settle/an_extended_lease_lasts_from_now", func(q *brokenQueue) {
			q.extend = func(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
				return q.TaskQueue.ExtendLease(ctx, lease*2, leases...)
			}
		},
	},
	"waiting claims are never woken": {
		"Claim/a_claim_that_waits_is_woken_by_an_enqueue", func(q *brokenQueue) {
			q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				wait := req.Wait
				req.Wait = 0
				got, err := q.TaskQueue.Dequeue(ctx, req)
				if err != nil || len(got) > 0 || wait == 0 {
					return got, err
				}
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(min(wait, 5*time.Second)):
				}
				return q.TaskQueue.Dequeue(ctx, req)
			}
		},
	},
}

// TestBrokenQueuesFail proves that the suite can fail: a queue that breaks a
// promise fails the case of that promise.
func TestBrokenQueuesFail(t *testing.T) {
	t.Parallel()
	for sabotage, s := range sabotages {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			group, name, _ := strings.Cut(s.caught, "/")
			run := "^TestSabotagedQueue$/^suite$/^" + group + "$/^" + name + "$"
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run)
			cmd.Env = append(os.Environ(), sabotageEnv+"="+sabotage)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite passed a queue for which holds: %s\n%s", sabotage, out)
			require.Contains(t, string(out), "--- FAIL: TestSabotagedQueue/suite/"+s.caught)
			require.Contains(t, string(out), "the broken promise: ")
		})
	}
}

// TestSabotagedQueue runs the suite on a sabotaged queue when TestBrokenQueuesFail
// asks for one, and on the sound queue otherwise.
func TestSabotagedQueue(t *testing.T) {
	s := sabotages[os.Getenv(sabotageEnv)]
	t.Run("suite", func(t *testing.T) {
		portstest.TestTaskQueue(t, func(*testing.T) portstest.QueueHarness {
			var mu sync.Mutex
			var offset time.Duration
			now := func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(offset)
			}
			q := &brokenQueue{TaskQueue: memstore.NewTaskQueue(memstore.Config{Now: now})}
			if s.breaks != nil {
				s.breaks(q)
			}
			return portstest.QueueHarness{Queue: q, Advance: func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				offset += d
			}}
		})
	})
}
