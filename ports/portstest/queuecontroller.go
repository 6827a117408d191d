package portstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// ControlledQueue is a queue that can be looked at and paused.
type ControlledQueue interface {
	ports.TaskQueue
	ports.QueueController
}

// ControllerHarness is a queue to be tested, empty and isolated from all others.
type ControllerHarness struct {
	Queue ControlledQueue
	// Advance moves the store's clock forward. It is required.
	Advance func(d time.Duration)
	// Reopen returns another handle on the same queues, as another process would
	// have. Nil if the store has no such thing.
	Reopen func(t *testing.T) ControlledQueue
	// Restart closes the store and opens it again. Nil if it is not durable.
	Restart func(t *testing.T) ControlledQueue
}

// controllerTest is what a case works with: besides the harness the helpers of the
// suite of the queue.
type controllerTest struct {
	ControllerHarness
	q *queueTest
}

func newControllerTest(h ControllerHarness) *controllerTest {
	return &controllerTest{ControllerHarness: h, q: &queueTest{QueueHarness{Queue: h.Queue, Advance: h.Advance}}}
}

// controllerCase is one promise of the contract.
type controllerCase struct {
	name string
	// promise is the sentence of the contract that is checked.
	promise string
	run     func(t *testing.T, c *controllerTest)
}

// TestQueueController checks that the queues which newHarness makes keep the
// contract of ports.QueueController. Cases run in parallel, each with a harness of
// its own.
func TestQueueController(t *testing.T, newHarness func(t *testing.T) ControllerHarness) {
	t.Helper()
	for _, c := range controllerCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the broken promise: %s", c.promise)
				}
			})
			c.run(t, newControllerTest(newHarness(t)))
		})
	}
}

func (c *controllerTest) pause(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, c.Queue.PauseQueue(t.Context(), name))
}

func (c *controllerTest) resume(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, c.Queue.ResumeQueue(t.Context(), name))
}

// queues lists the queues by name. Types that have no ready task count as absent.
func (c *controllerTest) queues(t *testing.T) map[string]domain.QueueInfo {
	t.Helper()
	list, err := c.Queue.ListQueues(t.Context())
	require.NoError(t, err)
	out := map[string]domain.QueueInfo{}
	last := ""
	for _, info := range list {
		require.Greater(t, info.Name, last, "queues come by name, each once")
		last = info.Name
		for typ, n := range info.Pending {
			if n == 0 {
				delete(info.Pending, typ)
			}
		}
		out[info.Name] = info
	}
	return out
}

const otherQueue = "other"

var controllerCases = []controllerCase{
	{
		name:    "a paused queue gives out nothing until it is resumed",
		promise: "PauseQueue has the queue give out no tasks, to any process, from its return on.",
		run: func(t *testing.T, c *controllerTest) {
			task := c.q.add(t)
			c.pause(t, domain.DefaultQueue)
			require.Empty(t, c.q.claim(t, 1))
			later := c.q.add(t)
			got, err := c.Queue.Dequeue(t.Context(), ports.ClaimRequest{
				ID: uuid.New(), Max: 1, Lease: lease, Queues: []string{domain.DefaultQueue}, Types: []domain.TaskType{task.Type},
			})
			require.NoError(t, err)
			require.Empty(t, got, "not to a claim that names it either")
			c.resume(t, domain.DefaultQueue)
			require.ElementsMatch(t, []domain.TaskID{task.ID, later.ID}, idsOf(c.q.claim(t, 2)))
		},
	},
	{
		name:    "a paused queue holds no other queue up",
		promise: "PauseQueue has the queue give out no tasks: others do.",
		run: func(t *testing.T, c *controllerTest) {
			held := c.q.add(t, withPriority(domain.PriorityCritical))
			low := c.q.add(t, withQueue(otherQueue), withPriority(domain.PriorityLowest))
			c.pause(t, domain.DefaultQueue)
			require.Equal(t, []domain.TaskID{low.ID}, idsOf(c.q.claim(t, 10)))
			high := c.q.add(t, withQueue(otherQueue))
			require.Equal(t, []domain.TaskID{high.ID}, idsOf(c.q.claim(t, 10)))
			c.resume(t, domain.DefaultQueue)
			require.Equal(t, []domain.TaskID{held.ID}, idsOf(c.q.claim(t, 10)))
		},
	},
	{
		name:    "all but claims goes on in a paused queue",
		promise: "Tasks that run go on, and tasks are taken in, scheduled, promoted, recovered and changed as ever.",
		run: func(t *testing.T, c *controllerTest) {
			running, dying := c.q.in(t, domain.TaskStatusProcessing), c.q.in(t, domain.TaskStatusProcessing)
			failed := c.q.in(t, domain.TaskStatusFailed)
			c.pause(t, domain.DefaultQueue)
			_, err := c.Queue.ExtendLease(t.Context(), 2*lease, *running.Lease)
			require.NoError(t, err)
			c.q.update(t, complete(running, `{}`))
			require.Equal(t, domain.TaskStatusCompleted, c.q.get(t, running.ID).Status)

			due, far := c.q.add(t, withDelay(time.Minute)), c.q.add(t, withDelay(time.Hour))
			c.Advance(lease + time.Second)
			require.Equal(t, 1, c.q.promote(t), "the task that is due")
			require.Equal(t, 1, c.q.reap(t), "the lease that expired")
			require.NoError(t, c.Queue.RetryTask(t.Context(), failed.ID))
			require.NoError(t, c.Queue.RunTaskNow(t.Context(), far.ID))
			gone := c.q.add(t)
			require.NoError(t, c.Queue.CancelTask(t.Context(), gone.ID))
			require.NoError(t, c.Queue.DeleteTask(t.Context(), gone.ID))

			ready := []domain.TaskID{dying.ID, failed.ID, due.ID, far.ID}
			require.Equal(t, int64(len(ready)), c.q.audit(t).Pending)
			require.Empty(t, c.q.claim(t, 10), "none of them is given out")
			c.resume(t, domain.DefaultQueue)
			require.ElementsMatch(t, ready, idsOf(c.q.claim(t, 10)))
		},
	},
	{
		name:    "a repeated claim gives what it took before the pause",
		promise: "A repeat with the same id gives those of its tasks whose leases are still held by it.",
		run: func(t *testing.T, c *controllerTest) {
			c.q.addMany(t, 2)
			claim := uuid.New()
			took := idsOf(c.q.claimAs(t, claim, 1))
			require.Len(t, took, 1)
			c.pause(t, domain.DefaultQueue)
			require.Equal(t, took, idsOf(c.q.claimAs(t, claim, 1)))
		},
	},
	{
		name:    "no claim of many slips through a pause",
		promise: "PauseQueue has the queue give out no tasks, to any process, from its return on.",
		run:     testPauseUnderLoad,
	},
	{
		name:    "a resume wakes a claim that waits",
		promise: "ResumeQueue ends a pause and wakes those who wait for tasks.",
		run: func(t *testing.T, c *controllerTest) {
			handles := []ControlledQueue{c.Queue}
			if c.Reopen != nil {
				handles = append(handles, c.Reopen(t))
			}
			for _, waiting := range handles {
				c.pause(t, domain.DefaultQueue)
				c.q.add(t)
				testWake(t, c.q, waiting, func() { c.resume(t, domain.DefaultQueue) })
			}
		},
	},
	{
		name:    "a task that became due in a pause is given out at its end",
		promise: "Tasks are scheduled and promoted as ever.",
		run: func(t *testing.T, c *controllerTest) {
			task := c.q.add(t, withDelay(time.Hour))
			c.pause(t, domain.DefaultQueue)
			c.Advance(time.Hour)
			require.Empty(t, c.q.claim(t, 1))
			c.resume(t, domain.DefaultQueue)
			require.Equal(t, task.ID, c.q.claimOne(t).ID)
		},
	},
	{
		name:    "a resume lets a claim know what is due next",
		promise: "The call is woken when a scheduled task becomes due.",
		run: func(t *testing.T, c *controllerTest) {
			c.pause(t, domain.DefaultQueue)
			testWake(t, c.q, c.Queue, func() {
				c.q.add(t, withDelay(200*time.Millisecond))
				c.resume(t, domain.DefaultQueue)
			})
		},
	},
	{
		name:    "repeats change nothing",
		promise: "A queue that is paused already stays so. ResumeQueue ends a pause, if there is one.",
		run: func(t *testing.T, c *controllerTest) {
			c.resume(t, domain.DefaultQueue)
			c.pause(t, domain.DefaultQueue)
			since := c.queues(t)[domain.DefaultQueue].PausedAt
			require.False(t, since.IsZero())
			c.Advance(time.Minute)
			c.pause(t, domain.DefaultQueue)
			require.Equal(t, since, c.queues(t)[domain.DefaultQueue].PausedAt, "it is paused since the first call")
			task := c.q.add(t)
			require.Empty(t, c.q.claim(t, 1))
			c.resume(t, domain.DefaultQueue)
			c.resume(t, domain.DefaultQueue)
			require.Equal(t, task.ID, c.q.claimOne(t).ID)
			info := c.queues(t)[domain.DefaultQueue]
			require.False(t, info.Paused)
			require.Zero(t, info.PausedAt)
			c.pause(t, domain.DefaultQueue)
			require.True(t, c.queues(t)[domain.DefaultQueue].PausedAt.After(since), "a new pause has a time of its own")
		},
	},
	{
		name:    "a queue can be paused before it has a task",
		promise: "ListQueues describes the queues that hold a task in any state or are paused.",
		run: func(t *testing.T, c *controllerTest) {
			require.Empty(t, c.queues(t))
			c.pause(t, otherQueue)
			info := c.queues(t)[otherQueue]
			require.True(t, info.Paused)
			require.Empty(t, info.Pending)
			task := c.q.add(t, withQueue(otherQueue))
			require.Empty(t, c.q.claim(t, 1))
			require.Equal(t, int64(1), c.queues(t)[otherQueue].Ready())
			c.resume(t, otherQueue)
			require.Equal(t, task.ID, c.q.claimOne(t).ID)
		},
	},
	{
		name:    "queues are described by what is ready in them",
		promise: "Pending are the tasks that are ready, by type; OldestPending is the age of the ready task that waits longest.",
		run:     testListQueues,
	},
	{
		name:    "every process knows a pause, and a restart does not end it",
		promise: "The pause has no end of its own and outlives all processes.",
		run: func(t *testing.T, c *controllerTest) {
			if c.Reopen == nil || c.Restart == nil {
				t.Skip("the store belongs to one process")
			}
			other := newControllerTest(ControllerHarness{Queue: c.Reopen(t), Advance: c.Advance})
			task := other.q.add(t)
			require.Len(t, other.q.claim(t, 1), 1, "it knows the queue as it was")
			other.q.add(t)
			c.pause(t, domain.DefaultQueue)
			require.Empty(t, other.q.claim(t, 1))
			paused := c.queues(t)[domain.DefaultQueue].PausedAt
			require.Equal(t, paused, other.queues(t)[domain.DefaultQueue].PausedAt)
			again := newControllerTest(ControllerHarness{Queue: c.Restart(t), Advance: c.Advance})
			require.Equal(t, paused, again.queues(t)[domain.DefaultQueue].PausedAt)
			require.Empty(t, again.q.claim(t, 1))
			again.resume(t, domain.DefaultQueue)
			got := other.q.claimOne(t)
			require.NotEqual(t, task.ID, got.ID)
		},
	},
	{
		name:    "a bad name is refused",
		promise: "A *domain.ValidationError tells of a bad name.",
		run: func(t *testing.T, c *controllerTest) {
			for _, name := range []string{"", "a b", "a|b", "!a", "#", "-a", "{a}", "ä"} {
				requireField(t, c.Queue.PauseQueue(t.Context(), name), "queue")
				requireField(t, c.Queue.ResumeQueue(t.Context(), name), "queue")
			}
			require.Empty(t, c.queues(t))
		},
	},
	{
		name:    "a call ends with its context",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, c *controllerTest) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := c.Queue.ListQueues(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, c.Queue.PauseQueue(ctx, otherQueue), context.Canceled)
			require.ErrorIs(t, c.Queue.ResumeQueue(ctx, otherQueue), context.Canceled)
		},
	},
}

// testListQueues compares the description of queues with what was enqueued.
func testListQueues(t *testing.T, c *controllerTest) {
	c.q.add(t, withType("b"))
	c.q.add(t, withType("b"), withPriority(domain.PriorityCritical))
	c.q.add(t, withQueue(otherQueue))
	c.q.add(t, withQueue("later"), withDelay(time.Hour))
	c.Advance(time.Minute)
	c.q.add(t, withType("a"), withPriority(domain.PriorityLowest))
	queues := c.queues(t)
	require.Len(t, queues, 3)
	require.Equal(t, map[domain.TaskType]int64{"a": 1, "b": 2}, queues[domain.DefaultQueue].Pending)
	require.Equal(t, int64(3), queues[domain.DefaultQueue].Ready())
	require.InDelta(t, time.Minute.Seconds(), queues[domain.DefaultQueue].OldestPending.Seconds(), 10)
	require.Equal(t, map[domain.TaskType]int64{"work": 1}, queues[otherQueue].Pending)
	require.Empty(t, queues["later"].Pending, "a task whose time has not come is not ready")
	require.Zero(t, queues["later"].OldestPending)
	for _, info := range queues {
		require.False(t, info.Paused)
		require.Zero(t, info.PausedAt)
	}
	got := c.q.claim(t, 10)
	require.Len(t, got, 4)
	queues = c.queues(t)
	require.Empty(t, queues[domain.DefaultQueue].Pending, "what runs is not ready")
	require.Zero(t, queues[domain.DefaultQueue].OldestPending)
}

// testPauseUnderLoad pauses a queue while many claim from it, by several handles:
// what was given out when PauseQueue returns is all that is given out.
func testPauseUnderLoad(t *testing.T, c *controllerTest) {
	const tasks, claimers, rounds = 3000, 8, 3
	handles := []ControlledQueue{c.Queue}
	if c.Reopen != nil {
		handles = append(handles, c.Reopen(t), c.Reopen(t))
	}
	for range tasks / 500 {
		c.q.addMany(t, 500)
	}
	ctx, stop := context.WithCancel(soonContext(t))
	defer stop()
	var working sync.WaitGroup
	claimed := make(chan int, claimers)
	for i := range claimers {
		working.Go(func() {
			for ctx.Err() == nil {
				got, err := handles[i%len(handles)].Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease})
				if err != nil && ctx.Err() == nil {
					t.Errorf("claim: %v", err)
					return
				}
				select {
				case claimed <- len(got):
				case <-ctx.Done():
				}
			}
		})
	}
	// next waits for so many claims that are made from now on to be answered.
	next := func(n int) {
		for range n + claimers {
			select {
			case <-claimed:
			case <-ctx.Done():
				require.FailNow(t, "the claims do not go on")
			}
		}
	}
	for round := range rounds {
		next(10)
		require.NoError(t, handles[round%len(handles)].PauseQueue(ctx, domain.DefaultQueue))
		given := c.q.stats(t).Processing
		next(50)
		require.Equal(t, given, c.q.stats(t).Processing, "a task was given out after the pause")
		require.NoError(t, handles[(round+1)%len(handles)].ResumeQueue(ctx, domain.DefaultQueue))
		next(10)
		require.Greater(t, c.q.stats(t).Processing, given, "the tasks are given out again")
	}
	require.Positive(t, c.q.stats(t).Pending, "the claims ran out of tasks, so that nothing was seen")
	stop()
	working.Wait()
	c.q.audit(t)
}
