package portstest_test

import (
	"context"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// twice has a claim take what two would.
func (q *brokenQueue) twice() {
	q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
		got, err := q.TaskQueue.Dequeue(ctx, req)
		if err != nil || len(got) == 0 || got[0].Group == "" {
			return got, err
		}
		req.ID = uuid.New()
		more, err := q.TaskQueue.Dequeue(ctx, req)
		return append(got, more...), err
	}
}

// grouped changes the tasks of groups as they are enqueued.
func (q *brokenQueue) grouped(change func(t *domain.Task)) {
	asksEnqueue(q, func(t *domain.Task) {
		if t.Group != "" {
			change(t)
		}
	})
}

var groupSabotages = map[string]sabotage[*brokenQueue]{
	"the age of a group is another": {"Groups/the_fields_of_a_group_survive_a_round_trip,_with_their_defaults", func(q *brokenQueue) {
		q.grouped(func(t *domain.Task) {
			if t.GroupAge == 0 {
				t.GroupAge = time.Minute
			}
		})
	}},
	"a full group waits": {"Groups/a_full_group_is_one_run_at_once,_the_oldest_first", func(q *brokenQueue) {
		q.grouped(func(t *domain.Task) { t.GroupSize++ })
	}},
	"a group never becomes old": {"Groups/a_group_that_is_old_enough_is_one_run_of_who_is_there", func(q *brokenQueue) {
		q.grouped(func(t *domain.Task) { t.GroupAge = time.Hour })
	}},
	"a run takes all members": {"Groups/a_run_has_no_more_than_its_size,_and_what_is_left_goes_on", (*brokenQueue).twice},
	"a run is of any bytes": {"Groups/a_run_is_as_large_as_there_is_room_for", func(q *brokenQueue) {
		asks(&q.dequeue, func(req *ports.ClaimRequest) { req.MaxBytes = 0 })
	}},
	"who is taken along has no slot": {"Groups/each_member_has_a_slot_of_its_limits", func(q *brokenQueue) {
		q.limits(func(l *domain.Limit) { l.Concurrency += 2 })
	}},
	"a retry does not wait": {"Groups/what_waits_for_its_next_run_is_taken_along_by_nobody,_and_begins_a_run", func(q *brokenQueue) {
		q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
			for i := range updates {
				updates[i].RetryIn = 0
			}
			return q.TaskQueue.UpdateTask(ctx, updates...)
		}
	}},
	"what is given back waits": {"Groups/what_comes_back_begins_a_run_at_once", func(q *brokenQueue) {
		q.release = func(ctx context.Context, leases ...domain.Lease) error {
			for _, l := range leases {
				_ = q.TaskQueue.UpdateTask(ctx, ports.TaskUpdate{Lease: l, Outcome: ports.OutcomeSnooze, RetryIn: time.Minute})
			}
			return nil
		}
	}},
	"who was deleted is counted": {"Groups/who_has_left_is_not_counted", func(q *brokenQueue) {
		q.remove = func(context.Context, ...domain.TaskID) error { return nil }
	}},
	"a group has one lease": {"Groups/each_member_has_a_lease_of_its_own", func(q *brokenQueue) {
		q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
			for i := range updates {
				updates[i].Outcome = updates[0].Outcome
			}
			return q.TaskQueue.UpdateTask(ctx, updates...)
		}
	}},
	"a repeat takes along others": {"Groups/a_repeat_of_a_claim_gives_all_members_again", func(q *brokenQueue) {
		asks(&q.dequeue, func(req *ports.ClaimRequest) { req.ID = uuid.New() })
	}},
	"a group runs while its queue is paused": {"Groups/a_paused_queue_gives_out_no_group", func(q *brokenQueue) {
		q.pause = func(context.Context, string) error { return nil }
	}},
	"a full group wakes nobody": {"Groups/a_claim_that_waits_is_woken_by_a_group_that_is_full", func(q *brokenQueue) { q.dequeue = q.sleepy }},
	"a task of another group replaces": {"Groups/a_member_is_replaced_by_one_of_its_group_only", func(q *brokenQueue) {
		asksEnqueue(q, func(t *domain.Task) { t.Group, t.GroupSize, t.GroupAge = "a", 3, 10*time.Second })
	}},
	"a replacement has the age of before": {"Groups/a_member_is_replaced_by_one_of_its_group_only", func(q *brokenQueue) {
		q.grouped(func(t *domain.Task) { t.GroupAge = 10 * time.Second })
	}},
	"a restart forgets who has gathered": {"Groups/groups_outlast_a_restart", func(q *brokenQueue) {
		q.reopen = func() *brokenQueue { return newBrokenQueue(q.TaskQueue) }
		q.enqueue = func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
			if stats, err := q.TaskQueue.GetQueueStats(ctx); err == nil && stats.Scheduled > 0 {
				everyTask(func(t *domain.Task) { t.Group += "2" })(&tasks)
			}
			return q.TaskQueue.Enqueue(ctx, tasks...)
		}
	}},
	"claims at the same time are one run": {"Groups/many_that_enqueue,_claim_and_report_at_the_same_time_run_each_task_once,_in_runs_of_one_group", (*brokenQueue).twice},
}
