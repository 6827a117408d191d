package portstest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

func (q *brokenQueue) SetLimit(ctx context.Context, l domain.Limit) error { return q.limit(ctx, l) }
func (q *brokenQueue) DeleteLimit(ctx context.Context, name string) error {
	return q.unlimit(ctx, name)
}
func (q *brokenQueue) ListLimits(ctx context.Context) ([]domain.LimitUse, error) { return q.uses(ctx) }
func (q *brokenQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	return q.release(ctx, leases...)
}

// limits has limits be stored otherwise than they are given.
func (q *brokenQueue) limits(change func(l *domain.Limit)) {
	q.limit = func(ctx context.Context, l domain.Limit) error {
		change(&l)
		return q.TaskQueue.SetLimit(ctx, l)
	}
}

// full reports whether a limit has no slot left.
func (q *brokenQueue) full(ctx context.Context) bool {
	list, _ := q.TaskQueue.ListLimits(ctx)
	return slices.ContainsFunc(list, func(l domain.LimitUse) bool { return l.Running >= int64(l.Concurrency) })
}

// free removes all limits, and returns what sets them again, with full buckets.
func (q *brokenQueue) free(ctx context.Context) (again func()) {
	list, _ := q.TaskQueue.ListLimits(ctx)
	for _, l := range list {
		_ = q.TaskQueue.DeleteLimit(ctx, l.Name)
	}
	return func() {
		for _, l := range list {
			_ = q.TaskQueue.SetLimit(context.WithoutCancel(ctx), l.Limit)
		}
	}
}

var limitSabotages = map[string]sabotage[*brokenQueue]{
	"limits of types are not kept": {"Slots/no_more_run_at_the_same_time_than_a_limit_says", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) {
			if l.Scope == domain.LimitType {
				l.Type = "none"
			}
		})
	}},
	"what runs beside a limit is claimed for it": {"Slots/many_that_claim_and_report_at_the_same_time_never_exceed_a_limit", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) { l.Concurrency += 3 })
	}},
	"an exception is for a type": {"Slots/each_key_of_a_queue_has_slots_of_its_own", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) {
			if l.Key != "" {
				l.Concurrency = 1
			}
		})
	}},
	"a task is under one of its limits": {"Slots/a_task_is_under_all_of_its_limits_at_once", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) {
			if l.Scope != domain.LimitKey {
				l.Concurrency = 100
			}
		})
	}},
	"a limit holds all up": {"Slots/what_is_held_back_holds_nobody_up", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			var out []*domain.Task
			for most := req.Max; len(out) < most && !q.full(ctx); req.ID = uuid.New() {
				req.Max = 1
				got, err := q.TaskQueue.Dequeue(ctx, req)
				if err != nil || len(got) == 0 {
					return out, err
				}
				out = append(out, got...)
			}
			return out, nil
		}
	}},
	"a free slot wakes nobody": {"Slots/a_claim_that_waits_is_woken_when_a_slot_becomes_free", func(q *brokenQueue) { q.dequeue = q.sleepy }},
	"a token wakes nobody":     {"Rates/a_claim_that_waits_is_woken_by_the_next_token", func(q *brokenQueue) { q.dequeue = q.sleepy }},
	"an expired lease has no slot": {"Slots/a_lease_that_has_expired_holds_its_slot_until_it_is_recovered", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			if _, err := q.TaskQueue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 3, Limit: ports.MaxClaim}); err != nil {
				return nil, err
			}
			return q.TaskQueue.Dequeue(ctx, req)
		}
	}},
	"a limit is for what comes after it": {"Slots/a_limit_is_of_the_tasks_that_were_there_before_it_too", func(q *brokenQueue) {
		q.limit = func(ctx context.Context, l domain.Limit) error {
			if stats, err := q.TaskQueue.GetQueueStats(ctx); err != nil || stats.Pending > 0 {
				return err
			}
			return q.TaskQueue.SetLimit(ctx, l)
		}
	}},
	"a task that is given back twice frees two slots": {"Slots/a_call_that_ends_a_run_twice_frees_one_slot", func(q *brokenQueue) {
		q.release = func(ctx context.Context, leases ...domain.Lease) error {
			list, _ := q.TaskQueue.ListLimits(ctx)
			for _, l := range list {
				l.Concurrency, l.Retries = 2, ""
				_ = q.TaskQueue.SetLimit(ctx, l.Limit)
			}
			return q.TaskQueue.ReleaseTask(ctx, leases...)
		}
	}},
	"a limit that is set again admits less": {"Slots/a_limit_of_many_keys_that_was_deleted_is_set_again", func(q *brokenQueue) {
		q.limit = func(ctx context.Context, l domain.Limit) error {
			_, err := q.TaskQueue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Hour})
			return errors.Join(err, q.TaskQueue.SetLimit(ctx, l))
		}
	}},
	"a limit comes later than it says": {"Slots/no_claim_of_many_slips_through_when_a_limit_is_set", func(q *brokenQueue) {
		q.limit = func(ctx context.Context, l domain.Limit) error {
			time.AfterFunc(time.Millisecond, func() { _ = q.TaskQueue.SetLimit(context.WithoutCancel(ctx), l) })
			return nil
		}
	}},
	"the tasks of a key run in any order": {"Order/the_tasks_of_a_key_run_in_order,_one_at_a_time", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) { t.Priority = domain.PriorityNormal }))
	}},
	"the order of a key is one for each type": {"Order/a_task_of_another_type_holds_up_those_of_its_key_behind_it_if_they_are_in_order,_and_else_does_not", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) { t.Key += string(t.Type) }))
	}},
	"a retry is overtaken": {"Order/a_task_that_has_begun_blocks_its_key_until_it_has_finished", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) { l.Retries = domain.RetriesOvertake })
	}},
	"a retry is never overtaken": {"Order/a_task_that_waits_to_run_again_is_overtaken_if_the_limit_says_so", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) { l.Retries = domain.RetriesBlock })
	}},
	"a rate that is set again begins anew": {"Rates/no_more_begin_in_a_time_than_a_limit_says", func(q *brokenQueue) {
		q.limit = func(ctx context.Context, l domain.Limit) error {
			_ = q.TaskQueue.DeleteLimit(ctx, l.Name)
			return q.TaskQueue.SetLimit(ctx, l)
		}
	}},
	"a bucket is never full": {"Rates/a_clock_that_is_set_back_holds_no_rate_up", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) { l.Rate.Burst = 1 })
	}},
	"all keys have one bucket": {"Rates/each_key_has_tokens_of_its_own", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) { l.Scope = domain.LimitQueue })
	}},
	"what is given back gives its token back": {"Rates/a_repeat_of_a_claim_takes_neither_slots_nor_tokens,_and_no_token_comes_back", func(q *brokenQueue) {
		q.release = func(ctx context.Context, leases ...domain.Lease) error {
			defer q.free(ctx)()
			return q.TaskQueue.ReleaseTask(ctx, leases...)
		}
	}},
	"a running task waits": {"Limits/tells_how_much_of_a_limit_is_used", func(q *brokenQueue) {
		q.uses = func(ctx context.Context) ([]domain.LimitUse, error) {
			list, err := q.TaskQueue.ListLimits(ctx)
			for i := range list {
				list[i].Waiting += list[i].Running
			}
			return list, err
		}
	}},
	"the key of an exception is lost": {"Limits/gives_back_every_field_of_a_limit", func(q *brokenQueue) {
		q.uses = func(ctx context.Context) ([]domain.LimitUse, error) {
			list, err := q.TaskQueue.ListLimits(ctx)
			for i := range list {
				list[i].Key = ""
			}
			return list, err
		}
	}},
	"two limits are of the same tasks": {"Limits/no_two_limits_are_of_the_same_tasks", func(q *brokenQueue) {
		q.limit = func(ctx context.Context, l domain.Limit) error {
			_ = q.TaskQueue.SetLimit(ctx, l)
			return nil
		}
	}},
	"a deletion is always well": {"Limits/a_limit_is_deleted_once", func(q *brokenQueue) {
		q.unlimit = func(ctx context.Context, name string) error {
			_ = q.TaskQueue.DeleteLimit(ctx, name)
			return nil
		}
	}},
	"there is always room for a limit": {"Limits/keeps_so_many_limits_and_no_more", func(q *brokenQueue) {
		var mu sync.Mutex
		q.limit = func(ctx context.Context, l domain.Limit) error {
			mu.Lock()
			defer mu.Unlock()
			err := q.TaskQueue.SetLimit(ctx, l)
			if err != nil {
				q.free(ctx)
				return q.TaskQueue.SetLimit(ctx, l)
			}
			return nil
		}
	}},
	"limits are forgotten with their process": {"Limits/keeps_limits_and_what_is_used_of_them_over_a_restart", func(q *brokenQueue) {
		q.reopen = func() *brokenQueue { return newBrokenQueue(q.TaskQueue) }
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			if stats, err := q.TaskQueue.GetQueueStats(ctx); err == nil && stats.Retrying > 0 {
				defer q.free(ctx)()
			}
			return q.TaskQueue.Dequeue(ctx, req)
		}
	}},
	"a limit is set although the call has ended": {"Limits/ends_a_call_of_limits_whose_context_has_ended", func(q *brokenQueue) {
		q.limit = func(ctx context.Context, l domain.Limit) error {
			return q.TaskQueue.SetLimit(context.WithoutCancel(ctx), l)
		}
	}},
}

// aged has the oldest task come first whatever its key is.
func (q *brokenQueue) aged() {
	asks(&q.enqueue, everyTask(func(t *domain.Task) { t.Key += "#" + t.ID.String() }))
	answers(&q.dequeue, func(_ ports.ClaimRequest, tasks *[]*domain.Task) {
		for _, t := range *tasks {
			t.Key, _, _ = strings.Cut(t.Key, "#")
		}
	})
}

// passOver has tasks of some keys not be claimed while there are others.
func (q *brokenQueue) passOver(of func(key string) bool) {
	q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
		for {
			got, err := q.TaskQueue.Dequeue(ctx, req)
			if err != nil || len(got) == 0 || !of(got[0].Key) {
				return got, err
			}
			defer func() { _ = q.TaskQueue.ReleaseTask(ctx, *got[0].Lease) }()
			req.ID = uuid.New()
		}
	}
}

var turnSabotages = map[string]sabotage[*brokenQueue]{
	"the oldest comes first":     {"Turns/the_keys_of_a_queue_and_type_take_turns", (*brokenQueue).aged},
	"who has no key comes first": {"Turns/turns_begin_with_the_first_task_that_has_a_key", (*brokenQueue).aged},
	"who is gone has a turn":     {"Turns/tasks_that_are_gone_take_no_turns", (*brokenQueue).aged},
	"who comes late waits":       {"Turns/a_key_that_comes_late_takes_its_turn_at_once,_and_has_no_other_advantage", (*brokenQueue).aged},
	"who was held back catches up": {"Turns/a_key_that_may_not_begin_misses_its_turns", func(q *brokenQueue) {
		var free atomic.Bool
		q.unlimit = func(ctx context.Context, name string) error {
			free.Store(true)
			return q.TaskQueue.DeleteLimit(ctx, name)
		}
		q.passOver(func(key string) bool { return free.Load() && key != "a" })
	}},
	"who comes late comes first": {"Turns/keys_that_come_do_not_overtake_those_that_wait", func(q *brokenQueue) {
		q.passOver(func(key string) bool { return strings.HasPrefix(key, "z") })
	}},
	"turns are above priorities": {"Turns/keys_take_turns_within_their_priority,_and_a_key's_own_tasks_keep_their_order", func(q *brokenQueue) {
		asks(&q.enqueue, everyTask(func(t *domain.Task) { t.Priority = domain.PriorityNormal }))
	}},
}
