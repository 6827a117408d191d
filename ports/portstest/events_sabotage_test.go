package portstest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

var eventSabotages = map[string]sabotage[*brokenQueue]{
	"a page begins with the last event of the one before": {"Events/a_reader_goes_on_after_any_event_without_loss_or_repeat", pages(func(last *domain.TaskEvent, page *domain.TaskEventPage) {
		if last != nil && len(page.Events) > 0 {
			page.Events = append([]domain.TaskEvent{*last}, page.Events[:len(page.Events)-1]...)
		}
	})},
	"events are left out": {"Events/a_call_about_many_tasks_makes_an_event_of_each", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		page.Events = page.Events[:len(page.Events)/2]
	})},
	"the newest event comes first": {"Events/several_readers_see_the_same,_and_each_step_once,_while_many_work", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		slices.Reverse(page.Events)
	})},
	"scheduled tasks that become ready are no event": {"Events/each_step_of_a_task_is_one_event_with_its_old_and_new_state", events(func(e domain.TaskEvent) bool { return e.From != e.To })},
	"removals are no event":                          {"Events/each_step_of_a_task_is_one_event_with_its_old_and_new_state", events(func(e domain.TaskEvent) bool { return e.To != 0 })},
	"the reason is forgotten": {"Events/a_call_about_many_tasks_makes_an_event_of_each", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		for i := range page.Events {
			page.Events[i].Reason = ""
		}
	})},
	"all are of one queue": {"Events/a_new_task_is_one_event,_ready_or_not", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		for i := range page.Events {
			page.Events[i].Queue = domain.DefaultQueue
		}
	})},
	"an event has the place of the page": {"Events/a_reader_goes_on_after_any_event_without_loss_or_repeat", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		for i := range page.Events {
			page.Events[i].Cursor = page.Next
		}
	})},
	"a repeated claim is an event": {"Events/what_is_no_step_is_no_event", func(q *brokenQueue) {
		seen := 0
		pages(func(last *domain.TaskEvent, page *domain.TaskEventPage) {
			if seen++; seen > 2 && last != nil && len(page.Events) == 0 {
				seen = 0
				page.Events = []domain.TaskEvent{*last}
			}
		})(q)
	}},
	"a loss is not reported": {"Events/a_reader_that_comes_back_late_learns_that_it_may_have_missed_something", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		page.Lost = false
	})},
	"a loss is reported for nothing": {"Events/a_reader_that_comes_back_within_the_linger_has_missed_nothing", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		if len(page.Events) > 0 {
			page.Events, page.Lost = nil, true
		}
	})},
	"few events are kept": {"Events/as_many_events_are_kept_as_are_promised,_and_not_many_more", func(q *brokenQueue) {
		n := 0
		pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			if n += len(page.Events); n > ports.EventsKept/2 {
				page.Events, page.Lost = nil, true
			}
		})(q)
	}},
	"who begins gets the past": {"Events/who_begins_gets_nothing_of_the_past,_and_at_once", func(q *brokenQueue) {
		first := ""
		q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
			if req.After == "" && first != "" {
				req.After = first
			}
			page, err := q.TaskQueue.ReadTaskEvents(ctx, req)
			if first == "" {
				first = page.Next
			}
			return page, err
		}
	}},
	"who begins waits": {"Events/who_begins_gets_nothing_of_the_past,_and_at_once", func(q *brokenQueue) {
		asks(&q.read, func(req *ports.EventRequest) {
			if req.After == "" && req.Wait > 0 {
				<-time.After(min(req.Wait, 4*time.Second))
			}
		})
	}},
	"readers are never woken": {"Events/a_reader_that_waits_is_woken_by_a_step", waits(func(ctx context.Context, wait time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(wait, 5*time.Second)):
			return nil
		}
	})},
	"readers do not wait": {"Events/a_reader_that_waits_in_vain_has_a_page_without_events", waits(func(context.Context, time.Duration) error { return nil })},
	"the context of a reader is passed over": {"Events/a_reader_that_waits_ends_with_its_context", func(q *brokenQueue) {
		asks(&q.read, func(req *ports.EventRequest) { req.Wait = min(req.Wait, 5*time.Second) })
		endures(&q.read)
	}},
	"any cursor will do": {"Events/a_cursor_that_no_page_gave_is_refused", func(q *brokenQueue) {
		q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
			page, err := q.TaskQueue.ReadTaskEvents(ctx, req)
			if errors.Is(err, domain.ErrInvalidCursor) {
				req.After = ""
				return q.TaskQueue.ReadTaskEvents(ctx, req)
			}
			return page, err
		}
	}},
}

// pages breaks each page, which is sound, by a change; last is the event before it.
func pages(change func(last *domain.TaskEvent, page *domain.TaskEventPage)) func(q *brokenQueue) {
	return func(q *brokenQueue) {
		var mu sync.Mutex
		var last *domain.TaskEvent
		answers(&q.read, func(_ ports.EventRequest, page *domain.TaskEventPage) {
			mu.Lock()
			defer mu.Unlock()
			kept := slices.Clone(page.Events)
			change(last, page)
			if len(kept) > 0 {
				last = &kept[len(kept)-1]
			}
		})
	}
}

// events leaves out events that keep does not want.
func events(keep func(domain.TaskEvent) bool) func(q *brokenQueue) {
	return pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		page.Events = slices.DeleteFunc(page.Events, func(e domain.TaskEvent) bool { return !keep(e) })
	})
}

// waits replaces the waiting.
func waits(wait func(ctx context.Context, wait time.Duration) error) func(q *brokenQueue) {
	return func(q *brokenQueue) {
		q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
			long := req.Wait
			req.Wait = 0
			page, err := q.TaskQueue.ReadTaskEvents(ctx, req)
			if err != nil || len(page.Events) > 0 || long == 0 {
				return page, err
			}
			if err := wait(ctx, long); err != nil {
				return page, err
			}
			return q.TaskQueue.ReadTaskEvents(ctx, req)
		}
	}
}
