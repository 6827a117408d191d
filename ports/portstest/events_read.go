package portstest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// eventReadCases are about how events are read.
var eventReadCases = []storeCase{
	{
		"a reader goes on after any event without loss or repeat",
		"Each step is told exactly once to a reader that goes on from Next, or from the cursor of an event",
		func(t *testing.T, e *storeTest) {
			begin := e.at
			e.addMany(t, 5)
			e.update(t, complete(e.claimOne(t), "done"), complete(e.claimOne(t), "done"))
			e.addMany(t, 2)
			all := e.newEvents(t)
			require.Len(t, all, 11)
			for i, event := range all {
				rest, _ := readOn(t, e.Events, event.Cursor, ports.MaxEvents)
				e.requireSameEvents(t, all[i+1:], rest, "after event %d", i)
			}
			for _, size := range []int{1, 2, 3, 10} {
				paged, next := readOn(t, e.Events, begin, size)
				e.requireSameEvents(t, all, paged, "in pages of %d", size)
				e.add(t)
				more, _ := readOn(t, e.Events, next, size)
				require.Len(t, more, 1)
				all = append(all, more...)
			}
		},
	},
	{
		"who begins gets nothing of the past, and at once",
		`"" begins now, with no events, at once`,
		func(t *testing.T, e *storeTest) {
			e.addMany(t, 3)
			begun := time.Now()
			page := readEvents(t, e.Events, ports.EventRequest{Max: 10, Wait: time.Minute})
			require.Less(t, time.Since(begun), soon)
			require.Empty(t, page.Events)
			task := e.add(t)
			events, _ := readOn(t, e.Events, page.Next, 10)
			require.Equal(t, []domain.TaskID{task.ID}, eventIDs(events))
		},
	},
	{
		"several readers see the same, and each step once, while many work",
		"Each step is told exactly once; the events of one task come in the order of its steps",
		func(t *testing.T, e *storeTest) {
			const workers, each = 4, 25
			const steps = 3 * workers * each
			var readers, working sync.WaitGroup
			seen := make([]map[domain.TaskID][]step, 3)
			for i := range seen {
				readers.Go(func() { seen[i] = stepsByTask(e.gatherEvents(t, e.at, steps, 7+100*i)) })
			}
			for range workers {
				working.Go(func() {
					for range each {
						if _, err := e.Queue.Enqueue(t.Context(), newTask()); err != nil {
							t.Errorf("enqueue: %v", err)
						}
						got, err := e.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
						if err != nil || len(got) != 1 {
							t.Errorf("dequeue: %d tasks, %v", len(got), err)
							return
						}
						if err := e.Queue.UpdateTask(t.Context(), complete(got[0], "done")); err != nil {
							t.Errorf("update: %v", err)
						}
					}
				})
			}
			working.Wait()
			readers.Wait()
			for _, byTask := range seen {
				require.Len(t, byTask, workers*each)
				for id, got := range byTask {
					require.Equal(t, []step{{none, pending, 0, ""}, {pending, processing, 0, ""}, {processing, completed, 1, ""}}, got, "task %s", id)
				}
			}
			require.Len(t, e.newEvents(t), steps, "a late reader sees as much")
		},
	},
	{
		"another handle sees the same events, and goes on from any cursor",
		"It tells of steps whichever process makes them; a reader may go on in another process",
		func(t *testing.T, e *storeTest) {
			other := e.other(t)
			theirs := other.enqueue(t, newTask())
			ours := e.add(t)
			want := map[domain.TaskID][]step{theirs[0].ID: {{to: pending}}, ours.ID: {{to: pending}}}
			half := readEvents(t, other.Events, ports.EventRequest{After: e.at, Max: 1})
			require.Len(t, half.Events, 1)
			rest, _ := readOn(t, e.Events, half.Next, 10)
			require.Equal(t, want, stepsByTask(append(half.Events, rest...)))
			require.Equal(t, want, stepsByTask(e.newEvents(t)))
		},
	},
	{
		"a reader that waits is woken by a step",
		"The call is woken by a step of this process",
		func(t *testing.T, e *storeTest) { e.requireWoken(t, e.Queue) },
	},
	{
		"a reader that waits is woken by a step of another handle",
		"The call is woken by a step of another process",
		func(t *testing.T, e *storeTest) { e.requireWoken(t, e.other(t).Queue) },
	},
	{
		"a reader that waits in vain has a page without events",
		"Wait is how long to wait for an event if there is none",
		func(t *testing.T, e *storeTest) {
			begun := time.Now()
			page := readEvents(t, e.Events, ports.EventRequest{After: e.at, Max: 10, Wait: 50 * time.Millisecond})
			require.Empty(t, page.Events)
			require.False(t, page.Lost)
			require.GreaterOrEqual(t, time.Since(begun), 50*time.Millisecond)
			require.Less(t, time.Since(begun), soon)
			e.at = page.Next
			task := e.add(t)
			require.Equal(t, []domain.TaskID{task.ID}, eventIDs(e.newEvents(t)))
		},
	},
	{
		"a reader that waits ends with its context",
		"When ctx ends while it waits, it returns the context's error",
		func(t *testing.T, e *storeTest) {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := e.Events.ReadTaskEvents(ctx, ports.EventRequest{After: e.at, Max: 10, Wait: time.Minute})
				ended <- err
			}()
			time.AfterFunc(20*time.Millisecond, cancel)
			select {
			case err := <-ended:
				require.ErrorIs(t, err, context.Canceled)
			case <-time.After(soon):
				t.Fatal("the reader still waits")
			}
			require.ErrorIs(t, errOf(e.Events.ReadTaskEvents(ctx, ports.EventRequest{After: e.at, Max: 10})), context.Canceled)
		},
	},
	{
		"a cursor that no page gave is refused",
		"Errors: domain.ErrInvalidCursor for an After that no page gave",
		func(t *testing.T, e *storeTest) {
			e.addMany(t, 3)
			list, err := e.Queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 1})
			require.NoError(t, err)
			for _, cursor := range []string{"x", "!", " ", "\x00", e.at[:len(e.at)-1], e.at + "A", e.at + "\n", "AAAA" + e.at, list.NextCursor} {
				_, err := e.Events.ReadTaskEvents(t.Context(), ports.EventRequest{After: cursor, Max: 1})
				if !errors.Is(err, domain.ErrInvalidCursor) {
					t.Errorf("cursor %q: %v", cursor, err)
				}
			}
			require.Len(t, e.newEvents(t), 3, "and nothing is lost by it")
		},
	},
}

// requireSameEvents requires that these are the events, in this order as far as
// order holds among them.
func (e *storeTest) requireSameEvents(t *testing.T, want, got []domain.TaskEvent, format string, args ...any) {
	t.Helper()
	e.requireOrder(t, eventIDs(want), eventIDs(got), append([]any{format}, args...)...)
	require.Equal(t, stepsByTask(want), stepsByTask(got), append([]any{format}, args...)...)
}

// gatherEvents reads until it has so many events, in pages of a size.
func (e *storeTest) gatherEvents(t *testing.T, after string, n, size int) []domain.TaskEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out []domain.TaskEvent
	for len(out) < n {
		page, err := e.Events.ReadTaskEvents(ctx, ports.EventRequest{After: after, Max: size, Wait: time.Minute})
		if err != nil || page.Lost {
			t.Errorf("read: lost %v, %v", page.Lost, err)
			return out
		}
		out, after = append(out, page.Events...), page.Next
	}
	return out
}

// requireWoken requires that the reader is woken by a step through another handle.
func (e *storeTest) requireWoken(t *testing.T, by ports.TaskQueue) {
	t.Helper()
	// Once to have what listens begin, and again, when it is sure to wait.
	for range 2 {
		type outcome struct {
			page domain.TaskEventPage
			err  error
		}
		woken := make(chan outcome, 1) // read here only: the reader may outlive a test that has failed
		go func() {
			page, err := e.Events.ReadTaskEvents(t.Context(), ports.EventRequest{After: e.at, Max: 10, Wait: time.Minute})
			woken <- outcome{page, err}
		}()
		select {
		case got := <-woken:
			t.Fatalf("it must wait, and gives %v", got)
		case <-time.After(100 * time.Millisecond):
		}
		tasks, err := by.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
		select {
		case got := <-woken:
			require.NoError(t, got.err)
			require.Equal(t, []domain.TaskID{tasks[0].ID}, eventIDs(got.page.Events))
			e.at = got.page.Next
		case <-time.After(soon):
			t.Fatal("the reader still waits")
		}
	}
}

// eventLossCases are about what is not kept.
var eventLossCases = []storeCase{
	{
		"a reader that comes back within the linger has missed nothing",
		"A store goes on keeping events for EventLinger after the last call that read them",
		func(t *testing.T, e *storeTest) {
			for range 3 {
				e.Advance(ports.EventLinger / 2)
				task := e.add(t)
				e.Advance(ports.EventLinger/2 - time.Second)
				require.Equal(t, []domain.TaskID{task.ID}, eventIDs(e.newEvents(t)))
			}
		},
	},
	{
		"a reader that comes back late learns that it may have missed something",
		"unless a page has Lost set: then some after After are not kept any more",
		func(t *testing.T, e *storeTest) {
			e.add(t)
			e.newEvents(t)
			e.Advance(10 * ports.EventLinger)
			e.add(t)
			e.requireLost(t)
			task := e.add(t)
			require.Equal(t, []domain.TaskID{task.ID}, eventIDs(e.newEvents(t)), "and then goes on")
			e.Advance(10 * ports.EventLinger)
			e.requireLost(t)
		},
	},
	{
		"as many events are kept as are promised, and not many more",
		"EventsKept is how many events a store keeps at least; each of its partitions keeps twice as many at most",
		func(t *testing.T, e *storeTest) {
			const n = ports.MaxClaim
			e.addMany(t, n)
			// Two steps for each task.
			around := func() {
				leases := make([]domain.Lease, 0, n)
				for _, task := range e.claim(t, n) {
					leases = append(leases, *task.Lease)
				}
				require.NoError(t, e.Queue.ReleaseTask(t.Context(), leases...))
			}
			for range ports.EventsKept/n/2 - 1 {
				around()
			}
			e.claim(t, n)
			events, _ := readOn(t, e.Events, e.at, ports.MaxEvents)
			require.Len(t, events, ports.EventsKept)
			if e.Partition != nil {
				return // How many are in each is left to chance.
			}
			e.Advance(2 * lease) // The stream goes on, since the reader comes back.
			e.beginEvents(t)
			e.reap(t)
			for range ports.EventsKept / n {
				around()
			}
			e.requireLost(t)
		},
	},
}
