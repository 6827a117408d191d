package portstest_test

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// paused reports whether any queue is.
func (q *brokenQueue) paused(ctx context.Context) bool {
	list, _ := q.TaskQueue.ListQueues(ctx)
	return slices.ContainsFunc(list, func(info domain.QueueInfo) bool { return info.Paused })
}

// unpaused is a handle that knows of no pauses.
func (q *brokenQueue) unpaused() *brokenQueue {
	other := newBrokenQueue(q.TaskQueue)
	other.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
		if q.paused(ctx) {
			for _, name := range []string{domain.DefaultQueue, "other"} {
				_ = q.TaskQueue.ResumeQueue(ctx, name)
				defer func() { _ = q.TaskQueue.PauseQueue(context.WithoutCancel(ctx), name) }()
			}
		}
		return q.TaskQueue.Dequeue(ctx, req)
	}
	return other
}

var queuesSabotages = map[string]sabotage[*brokenQueue]{
	"a pause does nothing": {"Queues/a_paused_queue_gives_out_nothing_until_it_is_resumed", func(q *brokenQueue) {
		q.pause = func(context.Context, string) error { return nil }
	}},
	"a resume does nothing": {"Queues/a_task_that_became_due_in_a_pause_is_given_out_at_its_end", func(q *brokenQueue) {
		q.resume = func(context.Context, string) error { return nil }
	}},
	"a pause stops all queues": {"Queues/a_paused_queue_holds_no_other_queue_up", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			if q.paused(ctx) {
				return nil, nil
			}
			return q.TaskQueue.Dequeue(ctx, req)
		}
	}},
	"a paused queue takes nothing in": {"Queues/all_but_claims_goes_on_in_a_paused_queue", func(q *brokenQueue) {
		q.enqueue = func(ctx context.Context, tasks []*domain.Task) ([]*domain.Task, error) {
			if q.paused(ctx) {
				return nil, domain.ErrQueueFull
			}
			return q.TaskQueue.Enqueue(ctx, tasks...)
		}
	}},
	"a pause forgets claims": {"Queues/a_repeated_claim_gives_what_it_took_before_the_pause", func(q *brokenQueue) {
		q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
			if q.paused(ctx) {
				req.ID = uuid.New()
			}
			return q.TaskQueue.Dequeue(ctx, req)
		}
	}},
	"a pause comes a moment later": {"Queues/no_claim_of_many_slips_through_a_pause", func(q *brokenQueue) {
		q.pause = func(ctx context.Context, name string) error {
			time.AfterFunc(20*time.Millisecond, func() { _ = q.TaskQueue.PauseQueue(context.WithoutCancel(ctx), name) })
			return nil
		}
	}},
	"a resume wakes nobody": {"Queues/a_resume_wakes_a_claim_that_waits", func(q *brokenQueue) {
		q.dequeue = q.sleepy
	}},
	"a pause begins anew with each call": {"Queues/repeats_change_nothing", func(q *brokenQueue) {
		q.pause = func(ctx context.Context, name string) error {
			_ = q.TaskQueue.ResumeQueue(ctx, name)
			return q.TaskQueue.PauseQueue(ctx, name)
		}
	}},
	"only queues that have a task are listed": {"Queues/a_queue_can_be_paused_before_it_has_a_task", func(q *brokenQueue) {
		q.queues = func(ctx context.Context) ([]domain.QueueInfo, error) {
			list, err := q.TaskQueue.ListQueues(ctx)
			return slices.DeleteFunc(list, func(info domain.QueueInfo) bool { return info.Ready() == 0 }), err
		}
	}},
	"the types of a queue are one": {"Queues/queues_are_described_by_what_is_ready_in_them", func(q *brokenQueue) {
		q.queues = func(ctx context.Context) ([]domain.QueueInfo, error) {
			list, err := q.TaskQueue.ListQueues(ctx)
			for i := range list {
				list[i].Pending = map[domain.TaskType]int64{"work": list[i].Ready()}
			}
			return list, err
		}
	}},
	"queues come in any order": {"Queues/queues_are_described_by_what_is_ready_in_them", func(q *brokenQueue) {
		q.queues = func(ctx context.Context) ([]domain.QueueInfo, error) {
			list, err := q.TaskQueue.ListQueues(ctx)
			slices.Reverse(list)
			return list, err
		}
	}},
	"a pause is of one process": {"Queues/every_process_knows_a_pause,_and_a_restart_does_not_end_it", func(q *brokenQueue) { q.reopen = q.unpaused }},
	"contexts are not looked at": {"Queues/a_call_ends_with_its_context", func(q *brokenQueue) {
		q.pause = func(ctx context.Context, name string) error {
			return q.TaskQueue.PauseQueue(context.WithoutCancel(ctx), name)
		}
	}},
}
