package portstest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// brokenQueue is a sound queue of which some methods are replaced.
type brokenQueue struct {
	*memstore.TaskQueue

	enqueue func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error)
	dequeue func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error)
	update  func(ctx context.Context, updates ...ports.TaskUpdate) error
	extend  func(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error)
	stats   func(ctx context.Context) (domain.QueueStats, error)
	list    func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)
	purge   func(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error)
	reap    func(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error)
	remove  func(ctx context.Context, ids ...domain.TaskID) error
	queues  func(ctx context.Context) ([]domain.QueueInfo, error)
	pause   func(ctx context.Context, name string) error
	resume  func(ctx context.Context, name string) error
	limit   func(ctx context.Context, l domain.Limit) error
	unlimit func(ctx context.Context, name string) error
	uses    func(ctx context.Context) ([]domain.LimitUse, error)
	release func(ctx context.Context, leases ...domain.Lease) error
	save    func(ctx context.Context, progress ...ports.RunProgress) error
	watch   func(ctx context.Context, cancelled func([]domain.TaskID)) error
	read    func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error)
	retry   func(ctx context.Context, ids ...domain.TaskID) error

	create              func(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error)
	workflow            func(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error)
	workflows           func(ctx context.Context, req ports.WorkflowRequest) (domain.WorkflowList, error)
	cancelAll, retryAll func(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error)
	before              func(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error)
	// reopen is what another process gets; nil for a store of one process.
	reopen func() *brokenQueue
}

func newBrokenQueue(q *memstore.TaskQueue) *brokenQueue {
	return &brokenQueue{
		TaskQueue: q,
		enqueue: func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
			return q.Enqueue(ctx, tasks...)
		},
		dequeue: q.Dequeue, update: q.UpdateTask, extend: q.ExtendLease, stats: q.GetQueueStats, list: q.ListTasks,
		purge: q.PurgeFinished, reap: q.ReapExpired, remove: q.DeleteTask, queues: q.ListQueues, pause: q.PauseQueue, resume: q.ResumeQueue,
		limit: q.SetLimit, unlimit: q.DeleteLimit, uses: q.ListLimits, release: q.ReleaseTask,
		read: q.ReadTaskEvents, save: q.SaveProgress, watch: q.WatchCancelled, retry: q.RetryTask,
		create: q.CreateWorkflow, workflow: q.GetWorkflow, workflows: q.ListWorkflows, cancelAll: q.CancelWorkflow, retryAll: q.RetryWorkflow, before: q.GetPredecessors,
	}
}

func (q *brokenQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	return q.enqueue(ctx, tasks)
}
func (q *brokenQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	return q.dequeue(ctx, req)
}
func (q *brokenQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	return q.update(ctx, updates...)
}
func (q *brokenQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	return q.extend(ctx, lease, leases...)
}
func (q *brokenQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	return q.stats(ctx)
}
func (q *brokenQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	return q.list(ctx, filter)
}
func (q *brokenQueue) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	return q.purge(ctx, req)
}
func (q *brokenQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	return q.reap(ctx, req)
}
func (q *brokenQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.remove(ctx, ids...)
}
func (q *brokenQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.retry(ctx, ids...)
}
func (q *brokenQueue) ListQueues(ctx context.Context) ([]domain.QueueInfo, error) {
	return q.queues(ctx)
}
func (q *brokenQueue) PauseQueue(ctx context.Context, name string) error  { return q.pause(ctx, name) }
func (q *brokenQueue) ResumeQueue(ctx context.Context, name string) error { return q.resume(ctx, name) }
func (q *brokenQueue) SaveProgress(ctx context.Context, progress ...ports.RunProgress) error {
	return q.save(ctx, progress...)
}
func (q *brokenQueue) WatchCancelled(ctx context.Context, cancelled func([]domain.TaskID)) error {
	return q.watch(ctx, cancelled)
}
func (q *brokenQueue) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	return q.read(ctx, req)
}

var queueSabotages = map[string]sabotage[*brokenQueue]{
	"a cancelled run lets go of its unique key": {"Unique/a_cancelled_task_keeps_its_key_until_its_run_has_stopped", func(q *brokenQueue) {
		var leases []domain.Lease
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			tasks, err := q.TaskQueue.Dequeue(ctx, req)
			for _, task := range tasks {
				leases = append(leases, *task.Lease)
			}
			return tasks, err
		}
		q.enqueue = func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
			for _, l := range leases {
				if task, err := q.GetTask(ctx, l.TaskID); err == nil && task.Stopping {
					_ = q.ReleaseTask(ctx, l)
				}
			}
			return q.TaskQueue.Enqueue(ctx, tasks...)
		}
	}},
	"a unique key is kept for a run that has stopped": {"Unique/a_cancelled_task_keeps_its_key_until_its_run_has_stopped", func(q *brokenQueue) {
		q.release = func(_ context.Context, leases ...domain.Lease) error {
			return domain.NewBatchError(slices.Repeat([]error{domain.ErrLeaseLost}, len(leases)))
		}
	}},
	"low priorities starve": {"Ageing/a_waiting_task_gains_a_level_in_each_time_of_ageing", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			req.Ageing = 0
			return q.TaskQueue.Dequeue(ctx, req)
		}
	}},
	"a queue counts for ever": {"Enqueue/queues_that_have_no_tasks_any_more_make_room_for_others", func(q *brokenQueue) {
		var mu sync.Mutex
		known := map[string]bool{}
		q.enqueue = func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
			mu.Lock()
			defer mu.Unlock()
			for _, task := range tasks {
				if known[task.Queue] = true; len(known) > 1024 {
					return nil, domain.ErrQueueFull
				}
			}
			return q.TaskQueue.Enqueue(ctx, tasks...)
		}
	}},
	"a call that fails on the way does not return what it stored": {"Enqueue/a_call_that_fails_on_the_way_returns_what_it_stored", func(q *brokenQueue) {
		q.enqueue = func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
			var out []*domain.Task
			for part := range slices.Chunk(tasks, ports.MaxEnqueue) {
				stored, err := q.TaskQueue.Enqueue(ctx, part...)
				if err != nil {
					return nil, err
				}
				out = append(out, stored...)
			}
			return out, nil
		}
	}},
	"a page of large tasks is as long as any": {"List/a_page_of_large_tasks_ends_early", func(q *brokenQueue) {
		q.list = func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
			size := filter.PageSize()
			var all domain.TaskPage
			for {
				page, err := q.TaskQueue.ListTasks(ctx, filter)
				all.Tasks, all.NextCursor = append(all.Tasks, page.Tasks...), page.NextCursor
				if err != nil || page.NextCursor == "" || len(all.Tasks) == size {
					return all, err
				}
				filter.Cursor, filter.Limit = page.NextCursor, size-len(all.Tasks)
			}
		}
	}},
	"a list by queue looks at the newest tasks only": {"List/tasks_are_found_by_type_and_queue_behind_many_others", func(q *brokenQueue) {
		q.list = func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
			page, err := q.TaskQueue.ListTasks(ctx, domain.TaskFilter{Status: filter.Status, Limit: filter.Limit, Cursor: filter.Cursor})
			page.Tasks = slices.DeleteFunc(page.Tasks, func(t *domain.Task) bool { return !filter.Matches(t) })
			return page, err
		}
	}},
	"a list by tag takes part of a tag for it": {"List/each_filter_selects_what_it_says", func(q *brokenQueue) {
		q.list = func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
			if filter.Tag == "re" {
				filter.Tag = "red"
			}
			return q.TaskQueue.ListTasks(ctx, filter)
		}
	}},
	"a late report is accepted": {"Settle/a_lease_that_was_recovered_changes_nothing_any_more", func(q *brokenQueue) {
		q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
			for i, u := range updates {
				if t, err := q.GetTask(ctx, u.Lease.TaskID); err == nil && t.Lease != nil {
					updates[i].Lease = *t.Lease
				}
			}
			return q.TaskQueue.UpdateTask(ctx, updates...)
		}
	}},
	"progress of a lost lease is kept": {"Runs/the_newest_progress_of_a_run_is_shown_until_the_run_ends", func(q *brokenQueue) {
		q.save = func(ctx context.Context, progress ...ports.RunProgress) error {
			for i, p := range progress {
				if t, err := q.GetTask(ctx, p.Lease.TaskID); err == nil && t.Lease != nil {
					progress[i].Lease = *t.Lease
				}
			}
			return q.TaskQueue.SaveProgress(ctx, progress...)
		}
	}},
	"a run that has stopped is stopping still": {"Runs/a_cancelled_run_is_stopping_until_it_is_released_or_its_lease_has_ended", func(q *brokenQueue) {
		q.release = func(_ context.Context, leases ...domain.Lease) error {
			return domain.NewBatchError(slices.Repeat([]error{domain.ErrLeaseLost}, len(leases)))
		}
	}},
	"progress extends the lease": {"Runs/progress_extends_no_lease_and_is_no_event", func(q *brokenQueue) {
		q.save = func(ctx context.Context, progress ...ports.RunProgress) error {
			for _, p := range progress {
				_, _ = q.TaskQueue.ExtendLease(ctx, time.Minute, p.Lease)
			}
			return q.TaskQueue.SaveProgress(ctx, progress...)
		}
	}},
	"a cancelled run is told to nobody": {"Runs/who_watches_is_told_of_a_cancelled_run_within_a_second,_in_any_process", func(q *brokenQueue) {
		q.watch = func(ctx context.Context, cancelled func([]domain.TaskID)) error {
			cancelled(nil)
			<-ctx.Done()
			return ctx.Err()
		}
	}},
	"a watch returns while it calls": {"Runs/a_watch_that_has_ended_calls_nobody", func(q *brokenQueue) {
		q.watch = func(ctx context.Context, cancelled func([]domain.TaskID)) error {
			go func() { _ = q.TaskQueue.WatchCancelled(ctx, cancelled) }()
			<-ctx.Done()
			return ctx.Err()
		}
	}},
	"a snooze counts as a retry": {"Settle/a_snoozed_task_waits_for_its_time_and_nothing_is_counted", func(q *brokenQueue) {
		q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
			for i := range updates {
				if updates[i].Outcome == ports.OutcomeSnooze {
					updates[i].Outcome = ports.OutcomeRetry
				}
			}
			return q.TaskQueue.UpdateTask(ctx, updates...)
		}
	}},
	"a late report is passed over in silence": {"Settle/both_parts_of_the_fence_are_compared", func(q *brokenQueue) {
		q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
			_ = q.TaskQueue.UpdateTask(ctx, updates...)
			return nil
		}
	}},
	"a repeated claim takes more tasks": {"Claim/the_same_claim_id_gives_the_same_tasks_and_no_others", func(q *brokenQueue) {
		asks(&q.dequeue, func(req *ports.ClaimRequest) {
			if req.ID != uuid.Nil {
				req.ID = uuid.New()
			}
		})
	}},
	"a claim takes what is ready at any size": {"Claim/a_claim_is_bounded_in_bytes", func(q *brokenQueue) {
		asks(&q.dequeue, func(req *ports.ClaimRequest) { req.MaxBytes = 0 })
	}},
	"a repeat keeps what it does not give": {"Claim/a_repeat_that_asks_for_less_gives_the_rest_back", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			most := req.Room()
			req.MaxBytes = 0
			got, err := q.TaskQueue.Dequeue(ctx, req)
			for i, t := range got {
				if most -= len(t.Payload); most < 0 && i > 0 {
					return got[:i], err
				}
			}
			return got, err
		}
	}},
	"a repeat leaves its leases as they are": {"Claim/a_repeat_makes_its_leases_last_anew", func(q *brokenQueue) {
		var mu sync.Mutex
		given := map[domain.ClaimID][]*domain.Task{}
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			mu.Lock()
			defer mu.Unlock()
			if tasks, ok := given[req.ID]; ok {
				return tasks, nil
			}
			got, err := q.TaskQueue.Dequeue(ctx, req)
			given[req.ID] = got
			return got, err
		}
	}},
	"the youngest task comes first": {"Claim/the_highest_priority_comes_first_and_within_one_the_oldest", func(q *brokenQueue) {
		answers(&q.dequeue, func(_ ports.ClaimRequest, got *[]*domain.Task) { slices.Reverse(*got) })
	}},
	"delayed tasks are early": {"Time/a_delayed_task_is_never_early", func(q *brokenQueue) {
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
	}},
	"a lost worker costs a retry": {"Time/an_expired_lease_is_recovered_at_no_cost_of_a_retry", func(q *brokenQueue) {
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
	}},
	"leases that ended while the store was away are recovered": {"Time/expired_leases_are_renewed_when_the_store_was_away", func(q *brokenQueue) {
		asks(&q.reap, func(req *ports.ReapRequest) { req.Renew = 0 })
	}},
	"poison is never recognised": {"Time/a_task_that_kills_its_workers_ends_as_poison", func(q *brokenQueue) {
		asks(&q.reap, func(req *ports.ReapRequest) { req.MaxRecoveries += 100 })
	}},
	"poison is not counted": {"Time/a_task_that_kills_its_workers_ends_as_poison", func(q *brokenQueue) {
		answers(&q.reap, func(_ ports.ReapRequest, m *ports.Maintained) { m.Poisoned = 0 })
	}},
	"claimed tasks lack their errors": {"Time/a_claimed_task_has_the_times_that_its_wait_is_counted_from", func(q *brokenQueue) {
		answers(&q.dequeue, func(_ ports.ClaimRequest, tasks *[]*domain.Task) {
			for _, t := range *tasks {
				t.Errors = nil
			}
		})
	}},
	"the trace is lost": {"Enqueue/the_trace_of_a_task_comes_with_its_claim_and_is_no_part_of_its_contents", func(q *brokenQueue) {
		answers(&q.dequeue, func(_ ports.ClaimRequest, tasks *[]*domain.Task) {
			for _, t := range *tasks {
				t.TraceParent = ""
			}
		})
	}},
	"tasks do not expire": {"Time/a_task_that_has_not_begun_in_time_ends_and_never_runs", func(q *brokenQueue) {
		asksEnqueue(q, func(t *domain.Task) { t.ExpiresIn = 0 })
	}},
	"an expired task runs": {"Time/expired_tasks_hold_nobody_up", func(q *brokenQueue) {
		asksEnqueue(q, func(t *domain.Task) { t.ExpiresIn *= 100 })
	}},
	"expired tasks come again to be claimed": {"Time/a_task_that_has_begun_does_not_expire", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			got, err := q.TaskQueue.Dequeue(ctx, req)
			return slices.DeleteFunc(got, func(t *domain.Task) bool { return t.Deliveries > 1 && t.Expiry(t.CreatedAt).Before(t.StartedAt) }), err
		}
	}},
	"a retry of an expired task expires anew": {"Time/a_person's_retry_of_an_expired_task_does_not_expire_anew", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			got, err := q.TaskQueue.Dequeue(ctx, req)
			return slices.DeleteFunc(got, func(t *domain.Task) bool { return !t.Expiry(t.CreatedAt).After(t.StartedAt) }), err
		}
	}},
	"FAILED tasks go with the others": {"Time/failed_tasks_and_those_with_a_retention_of_their_own_are_kept_for_another_time", func(q *brokenQueue) {
		q.purge = func(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
			req.FailedRetention = 0
			return q.TaskQueue.PurgeFinished(ctx, req)
		}
	}},
	"the retention of a task is ignored": {"Time/failed_tasks_and_those_with_a_retention_of_their_own_are_kept_for_another_time", func(q *brokenQueue) {
		asksEnqueue(q, func(t *domain.Task) { t.Retention = 0 })
	}},
	"clean-up ignores the retention": {"Time/finished_tasks_go_after_their_retention_and_nothing_else_does", func(q *brokenQueue) {
		q.purge = func(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
			req.Retention /= 2
			return q.TaskQueue.PurgeFinished(ctx, req)
		}
	}},
	"the counts drift": {"List/counts_add_up_after_every_step", func(q *brokenQueue) {
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
	}},
	"pages repeat their last task": {"List/the_newest_task_comes_first_whatever_its_state", func(q *brokenQueue) {
		var last *domain.Task
		answers(&q.list, func(filter domain.TaskFilter, page *domain.TaskPage) {
			if filter.Cursor != "" && last != nil {
				page.Tasks = append([]*domain.Task{last}, page.Tasks...)
			}
			if n := len(page.Tasks); n > 0 {
				last = page.Tasks[n-1]
			}
		})
	}},
	"a repeated enqueue makes two tasks": {"Enqueue/a_repeat_gives_the_same_task_and_stores_nothing", func(q *brokenQueue) {
		asks(&q.enqueue, func(tasks *[]*domain.Task) {
			*tasks = slices.Clone(*tasks)
			for i, t := range *tasks {
				(*tasks)[i] = t.Clone()
				(*tasks)[i].ID = uuid.New()
			}
		})
	}},
	"a key that is held while its task waits is held until the end": {"Unique/a_key_that_is_held_while_its_task_waits_is_free_from_the_claim_on", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) { t.UniqueWhile = domain.UniqueWhileUnfinished }))
	}},
	"a key is held for half its time": {"Unique/a_key_that_is_held_for_a_time_is_free_after_it_and_not_before", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) { t.UniqueFor /= 2 }))
	}},
	"a holder is given as it was": {"Unique/an_enqueue_that_keeps_the_holder_gives_it_as_it_is", func(q *brokenQueue) {
		answers(&q.enqueue, func(_ []*domain.Task, got *[]*domain.Task) {
			for _, t := range *got {
				t.Status = domain.TaskStatusPending
			}
		})
	}},
	"a replacement keeps the priority": {"Unique/a_waiting_task_is_replaced_as_often_as_is_asked_for", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) {
			if t.OnConflict == domain.ConflictReplace {
				t.Priority = domain.PriorityNormal
			}
		}))
	}},
	"a replacement keeps the time": {"Unique/a_replaced_task_is_claimed_when_its_new_time_has_come", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) {
			if t.OnConflict == domain.ConflictReplace {
				t.OnConflict = domain.ConflictKeep
			}
		}))
	}},
	"a running task can be deleted": {"Manage/each_step_is_allowed_from_some_states_and_refused_from_the_others", func(q *brokenQueue) {
		q.remove = func(ctx context.Context, ids ...domain.TaskID) error {
			_ = q.CancelTask(ctx, ids...)
			return q.TaskQueue.DeleteTask(ctx, ids...)
		}
	}},
	"a lease is extended from its end": {"Settle/an_extended_lease_lasts_from_now", func(q *brokenQueue) {
		q.extend = func(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
			return q.TaskQueue.ExtendLease(ctx, lease*2, leases...)
		}
	}},
	"waiting claims are never woken": {"Claim/a_claim_that_waits_is_woken_by_an_enqueue", func(q *brokenQueue) {
		q.dequeue = q.sleepy
	}},
}

// everyTask changes copies of the tasks.
func everyTask(change func(*domain.Task)) func(tasks *[]*domain.Task) {
	return func(tasks *[]*domain.Task) {
		*tasks = slices.Clone(*tasks)
		for i, t := range *tasks {
			if t != nil {
				t = t.Clone()
				change(t)
				(*tasks)[i] = t
			}
		}
	}
}

// sleepy is a claim that sleeps instead of waiting for a task.
func (q *brokenQueue) sleepy(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	wait := req.Wait
	req.Wait = 0
	got, err := q.TaskQueue.Dequeue(ctx, req)
	if err != nil || len(got) > 0 || wait == 0 {
		return got, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(min(wait, 4*time.Second)):
	}
	return q.TaskQueue.Dequeue(ctx, req)
}

// asksEnqueue changes the tasks that are enqueued.
func asksEnqueue(q *brokenQueue, change func(t *domain.Task)) {
	q.enqueue = func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
		changed := make([]*domain.Task, len(tasks))
		for i, t := range tasks {
			changed[i] = t.Clone()
			change(changed[i])
		}
		return q.TaskQueue.Enqueue(ctx, changed...)
	}
}
