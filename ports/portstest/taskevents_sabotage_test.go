package portstest_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// eventSabotageEnv selects the sabotaged reader in the test binary that
// TestBrokenEventsFail runs again.
const eventSabotageEnv = "LOGSIFT_EVENT_SABOTAGE"

// brokenEvents is a sound queue whose reading is replaced.
type brokenEvents struct {
	*memstore.TaskQueue

	read func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error)
}

func (q *brokenEvents) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	return q.read(ctx, req)
}

// eventSabotages break one promise each. caught is the case that must fail.
var eventSabotages = map[string]struct {
	caught string
	breaks func(q *brokenEvents)
}{
	"a page begins with the last event of the one before": {
		"a_reader_goes_on_after_any_event_without_loss_or_repeat", pages(func(last *domain.TaskEvent, page *domain.TaskEventPage) {
			if last != nil && len(page.Events) > 0 {
				page.Events = append([]domain.TaskEvent{*last}, page.Events[:len(page.Events)-1]...)
			}
		}),
	},
	"events are left out": {
		"a_call_about_many_tasks_tells_of_each", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			page.Events = page.Events[:len(page.Events)/2]
		}),
	},
	"the newest event comes first": {
		"several_readers_see_the_same,_and_each_step_once,_while_many_work", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			slices.Reverse(page.Events)
		}),
	},
	"scheduled tasks that become ready are no event": {
		"each_step_of_a_task_is_one_event_that_tells_from_where_to_where", events(func(e domain.TaskEvent) bool { return e.From != e.To }),
	},
	"removals are no event": {
		"each_step_of_a_task_is_one_event_that_tells_from_where_to_where", events(func(e domain.TaskEvent) bool { return e.To != 0 }),
	},
	"the reason is forgotten": {
		"a_call_about_many_tasks_tells_of_each", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			for i := range page.Events {
				page.Events[i].Reason = ""
			}
		}),
	},
	"all are of one queue": {
		"a_new_task_is_one_event,_ready_or_not", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			for i := range page.Events {
				page.Events[i].Queue = domain.DefaultQueue
			}
		}),
	},
	"an event has the place of the page": {
		"a_reader_goes_on_after_any_event_without_loss_or_repeat", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			for i := range page.Events {
				page.Events[i].Cursor = page.Next
			}
		}),
	},
	"a repeated claim is an event": {
		"what_is_no_step_is_no_event", func(q *brokenEvents) {
			seen := 0
			pages(func(last *domain.TaskEvent, page *domain.TaskEventPage) {
				if seen++; seen > 2 && last != nil && len(page.Events) == 0 {
					seen = 0
					page.Events = []domain.TaskEvent{*last}
				}
			})(q)
		},
	},
	"a loss is not told": {
		"a_reader_that_comes_back_late_is_told_that_it_may_have_missed_something", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			page.Lost = false
		}),
	},
	"a loss is told for nothing": {
		"a_reader_that_comes_back_within_the_linger_has_missed_nothing", pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
			if len(page.Events) > 0 {
				page.Events, page.Lost = nil, true
			}
		}),
	},
	"few events are kept": {
		"as_many_events_are_kept_as_are_promised,_and_not_many_more", func(q *brokenEvents) {
			n := 0
			pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
				if n += len(page.Events); n > ports.EventsKept/2 {
					page.Events, page.Lost = nil, true
				}
			})(q)
		},
	},
	"who begins is told of the past": {
		"who_begins_is_told_nothing_of_the_past,_and_at_once", func(q *brokenEvents) {
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
		},
	},
	"who begins waits": {
		"who_begins_is_told_nothing_of_the_past,_and_at_once", func(q *brokenEvents) {
			q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
				if req.After == "" && req.Wait > 0 {
					<-time.After(min(req.Wait, 4*time.Second))
				}
				return q.TaskQueue.ReadTaskEvents(ctx, req)
			}
		},
	},
	"readers are never woken": {
		"a_reader_that_waits_is_woken_by_a_step", waits(func(ctx context.Context, wait time.Duration) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(min(wait, 5*time.Second)):
				return nil
			}
		}),
	},
	"readers do not wait": {
		"a_reader_that_waits_in_vain_has_a_page_without_events", waits(func(context.Context, time.Duration) error { return nil }),
	},
	"the context of a reader is passed over": {
		"a_reader_that_waits_ends_with_its_context", func(q *brokenEvents) {
			q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
				return q.TaskQueue.ReadTaskEvents(context.WithoutCancel(ctx), ports.EventRequest{After: req.After, Max: req.Max, Wait: min(req.Wait, 5*time.Second)})
			}
		},
	},
	"any cursor will do": {
		"a_request_that_cannot_be_is_refused", func(q *brokenEvents) {
			q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
				page, err := q.TaskQueue.ReadTaskEvents(ctx, req)
				if errors.Is(err, domain.ErrInvalidCursor) {
					req.After = ""
					return q.TaskQueue.ReadTaskEvents(ctx, req)
				}
				return page, err
			}
		},
	},
}

// pages breaks each page, which is sound, by a change; last is the event before it.
func pages(change func(last *domain.TaskEvent, page *domain.TaskEventPage)) func(q *brokenEvents) {
	return func(q *brokenEvents) {
		var mu sync.Mutex
		var last *domain.TaskEvent
		q.read = func(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
			page, err := q.TaskQueue.ReadTaskEvents(ctx, req)
			mu.Lock()
			defer mu.Unlock()
			kept := slices.Clone(page.Events)
			change(last, &page)
			if len(kept) > 0 {
				last = &kept[len(kept)-1]
			}
			return page, err
		}
	}
}

// events leaves out events that keep does not want.
func events(keep func(domain.TaskEvent) bool) func(q *brokenEvents) {
	return pages(func(_ *domain.TaskEvent, page *domain.TaskEventPage) {
		page.Events = slices.DeleteFunc(page.Events, func(e domain.TaskEvent) bool { return !keep(e) })
	})
}

// waits replaces the waiting.
func waits(wait func(ctx context.Context, wait time.Duration) error) func(q *brokenEvents) {
	return func(q *brokenEvents) {
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

// TestBrokenEventsFail proves that the suite can fail: a reader that breaks a
// promise fails the case of that promise.
func TestBrokenEventsFail(t *testing.T) {
	t.Parallel()
	for _, sabotage := range slices.Sorted(maps.Keys(eventSabotages)) {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			caught := eventSabotages[sabotage].caught
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSabotagedEvents$/^suite$/^"+caught+"$")
			cmd.Env = append(os.Environ(), eventSabotageEnv+"="+sabotage)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite passed a reader for which holds: %s\n%s", sabotage, out)
			require.Contains(t, string(out), "--- FAIL: TestSabotagedEvents/suite/"+caught)
			require.Contains(t, string(out), "the broken promise: ")
		})
	}
}

// TestSabotagedEvents runs the suite on a sabotaged reader when TestBrokenEventsFail
// asks for one, and on the sound one otherwise.
func TestSabotagedEvents(t *testing.T) {
	s := eventSabotages[os.Getenv(eventSabotageEnv)]
	t.Run("suite", func(t *testing.T) {
		portstest.TestTaskEvents(t, func(*testing.T) portstest.EventHarness {
			var mu sync.Mutex
			var offset time.Duration
			queue := memstore.NewTaskQueue(memstore.Config{Now: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(offset)
			}})
			q := &brokenEvents{TaskQueue: queue, read: queue.ReadTaskEvents}
			if s.breaks != nil {
				s.breaks(q)
			}
			return portstest.EventHarness{Queue: q, Advance: func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				offset += d
			}}
		})
	})
}

var _ portstest.EventQueue = (*brokenEvents)(nil)
