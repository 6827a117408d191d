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

func (c *storeTest) pause(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, c.Queues.PauseQueue(t.Context(), name))
}

func (c *storeTest) resume(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, c.Queues.ResumeQueue(t.Context(), name))
}

// queues lists the queues by name. Types that have no ready task count as absent.
func (c *storeTest) queues(t *testing.T) map[string]domain.QueueInfo {
	t.Helper()
	list, err := c.Queues.ListQueues(t.Context())
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

var queuesCases = []storeCase{
	{
		name:    "a paused queue gives out nothing until it is resumed",
		promise: "PauseQueue has the queue give out no tasks, to any process, from its return on.",
		run: func(t *testing.T, c *storeTest) {
			task := c.add(t)
			c.pause(t, domain.DefaultQueue)
			require.Empty(t, c.claim(t, 1))
			later := c.add(t)
			got, err := c.Queue.Dequeue(t.Context(), ports.ClaimRequest{
				ID: uuid.New(), Max: 1, Lease: lease, Queues: []string{domain.DefaultQueue}, Types: []domain.TaskType{task.Type},
			})
			require.NoError(t, err)
			require.Empty(t, got, "not to a claim that names it either")
			c.resume(t, domain.DefaultQueue)
			require.ElementsMatch(t, []domain.TaskID{task.ID, later.ID}, idsOf(c.claim(t, 2)))
		},
	},
	{
		name:    "a paused queue holds no other queue up",
		promise: "PauseQueue has the queue give out no tasks: others do.",
		run: func(t *testing.T, c *storeTest) {
			held := c.add(t, withPriority(domain.PriorityCritical))
			low := c.add(t, withQueue(otherQueue), withPriority(domain.PriorityLowest))
			c.pause(t, domain.DefaultQueue)
			require.Equal(t, []domain.TaskID{low.ID}, idsOf(c.claim(t, 10)))
			high := c.add(t, withQueue(otherQueue))
			require.Equal(t, []domain.TaskID{high.ID}, idsOf(c.claim(t, 10)))
			c.resume(t, domain.DefaultQueue)
			require.Equal(t, []domain.TaskID{held.ID}, idsOf(c.claim(t, 10)))
		},
	},
	{
		name:    "all but claims goes on in a paused queue",
		promise: "Tasks that run go on, and tasks are taken in, scheduled, promoted, recovered and changed as ever.",
		run: func(t *testing.T, c *storeTest) {
			running, dying := c.in(t, domain.TaskStatusProcessing), c.in(t, domain.TaskStatusProcessing)
			failed := c.in(t, domain.TaskStatusFailed)
			c.pause(t, domain.DefaultQueue)
			require.NoError(t, errOf(c.Queue.ExtendLease(t.Context(), 2*lease, *running.Lease)))
			c.update(t, complete(running, `{}`))
			require.Equal(t, domain.TaskStatusCompleted, c.get(t, running.ID).Status)

			due, far := c.add(t, withDelay(time.Minute)), c.add(t, withDelay(time.Hour))
			c.Advance(lease + time.Second)
			require.Equal(t, 1, c.promote(t), "the task that is due")
			require.Equal(t, 1, c.reap(t), "the lease that expired")
			require.NoError(t, c.Queue.RetryTask(t.Context(), failed.ID))
			require.NoError(t, c.Queue.RunTaskNow(t.Context(), far.ID))
			gone := c.add(t)
			require.NoError(t, c.Queue.CancelTask(t.Context(), gone.ID))
			require.NoError(t, c.Queue.DeleteTask(t.Context(), gone.ID))

			ready := []domain.TaskID{dying.ID, failed.ID, due.ID, far.ID}
			require.Equal(t, int64(len(ready)), c.audit(t).Pending)
			require.Empty(t, c.claim(t, 10), "none of them is given out")
			c.resume(t, domain.DefaultQueue)
			require.ElementsMatch(t, ready, idsOf(c.claim(t, 10)))
		},
	},
	{
		name:    "a repeated claim gives what it took before the pause",
		promise: "A repeat with the same id gives those of its tasks whose leases are still held by it.",
		run: func(t *testing.T, c *storeTest) {
			c.addMany(t, 2)
			claim := uuid.New()
			took := idsOf(c.claimAs(t, claim, 1))
			require.Len(t, took, 1)
			c.pause(t, domain.DefaultQueue)
			require.Equal(t, took, idsOf(c.claimAs(t, claim, 1)))
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
		run: func(t *testing.T, c *storeTest) {
			for _, waiting := range c.handles(t, 1) {
				c.pause(t, domain.DefaultQueue)
				c.add(t)
				testWake(t, c, waiting.Queue, func() { c.resume(t, domain.DefaultQueue) })
			}
		},
	},
	{
		name:    "a task that became due in a pause is given out at its end",
		promise: "Tasks are scheduled and promoted as ever.",
		run: func(t *testing.T, c *storeTest) {
			task := c.add(t, withDelay(time.Hour))
			c.pause(t, domain.DefaultQueue)
			c.Advance(time.Hour)
			require.Empty(t, c.claim(t, 1))
			c.resume(t, domain.DefaultQueue)
			require.Equal(t, task.ID, c.claimOne(t).ID)
		},
	},
	{
		name:    "a resume lets a claim know what is due next",
		promise: "The call is woken when a scheduled task becomes due.",
		run: func(t *testing.T, c *storeTest) {
			c.pause(t, domain.DefaultQueue)
			testWake(t, c, c.Queue, func() {
				c.add(t, withDelay(200*time.Millisecond))
				c.resume(t, domain.DefaultQueue)
			})
		},
	},
	{
		name:    "repeats change nothing",
		promise: "A queue that is paused already stays so. ResumeQueue ends a pause, if there is one.",
		run: func(t *testing.T, c *storeTest) {
			c.resume(t, domain.DefaultQueue)
			c.pause(t, domain.DefaultQueue)
			since := c.queues(t)[domain.DefaultQueue].PausedAt
			require.False(t, since.IsZero())
			c.Advance(time.Minute)
			c.pause(t, domain.DefaultQueue)
			require.Equal(t, since, c.queues(t)[domain.DefaultQueue].PausedAt, "it is paused since the first call")
			task := c.add(t)
			require.Empty(t, c.claim(t, 1))
			c.resume(t, domain.DefaultQueue)
			c.resume(t, domain.DefaultQueue)
			require.Equal(t, task.ID, c.claimOne(t).ID)
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
		run: func(t *testing.T, c *storeTest) {
			require.Empty(t, c.queues(t))
			c.pause(t, otherQueue)
			info := c.queues(t)[otherQueue]
			require.True(t, info.Paused)
			require.Empty(t, info.Pending)
			task := c.add(t, withQueue(otherQueue))
			require.Empty(t, c.claim(t, 1))
			require.Equal(t, int64(1), c.queues(t)[otherQueue].Ready())
			c.resume(t, otherQueue)
			require.Equal(t, task.ID, c.claimOne(t).ID)
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
		run: func(t *testing.T, c *storeTest) {
			other := c.other(t)
			task := other.add(t)
			require.Len(t, other.claim(t, 1), 1, "it knows the queue as it was")
			other.add(t)
			c.pause(t, domain.DefaultQueue)
			require.Empty(t, other.claim(t, 1))
			paused := c.queues(t)[domain.DefaultQueue].PausedAt
			require.Equal(t, paused, other.queues(t)[domain.DefaultQueue].PausedAt)
			again := c.restarted(t)
			require.Equal(t, paused, again.queues(t)[domain.DefaultQueue].PausedAt)
			require.Empty(t, again.claim(t, 1))
			again.resume(t, domain.DefaultQueue)
			got := other.claimOne(t)
			require.NotEqual(t, task.ID, got.ID)
		},
	},
	{
		name:    "a call ends with its context",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, c *storeTest) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, errOf(c.Queues.ListQueues(ctx)), context.Canceled)
			require.ErrorIs(t, c.Queues.PauseQueue(ctx, otherQueue), context.Canceled)
			require.ErrorIs(t, c.Queues.ResumeQueue(ctx, otherQueue), context.Canceled)
		},
	},
}

// testListQueues compares the description of queues with what was enqueued.
func testListQueues(t *testing.T, c *storeTest) {
	c.add(t, withType("b"))
	c.add(t, withType("b"), withPriority(domain.PriorityCritical))
	c.add(t, withQueue(otherQueue))
	c.add(t, withQueue("later"), withDelay(time.Hour))
	c.Advance(time.Minute)
	c.add(t, withType("a"), withPriority(domain.PriorityLowest))
	queues := c.queues(t)
	require.Len(t, queues, 3)
	require.Equal(t, map[domain.TaskType]int64{"a": 1, "b": 2}, queues[domain.DefaultQueue].Pending)
	require.Equal(t, int64(3), queues[domain.DefaultQueue].Ready())
	require.InDelta(t, time.Minute.Seconds(), queues[domain.DefaultQueue].OldestPending.Seconds(), 10)
	require.Equal(t, map[domain.TaskType]int64{"work": 1}, queues[otherQueue].Pending)
	again := c.add(t, withQueue(otherQueue))
	require.NoError(t, c.Queue.CancelTask(t.Context(), again.ID))
	require.NoError(t, c.Queue.RetryTask(t.Context(), again.ID))
	require.Equal(t, map[domain.TaskType]int64{"work": 2}, c.queues(t)[otherQueue].Pending, "a task that runs again counts once")
	require.Empty(t, queues["later"].Pending, "a task whose time has not come is not ready")
	require.Zero(t, queues["later"].OldestPending)
	for _, info := range queues {
		require.False(t, info.Paused)
		require.Zero(t, info.PausedAt)
	}
	got := c.claim(t, 10)
	require.Len(t, got, 5)
	queues = c.queues(t)
	require.Empty(t, queues[domain.DefaultQueue].Pending, "what runs is not ready")
	require.Zero(t, queues[domain.DefaultQueue].OldestPending)
}

// testPauseUnderLoad pauses a queue while many claim from it, by several handles:
// what was given out when PauseQueue returns is all that is given out.
func testPauseUnderLoad(t *testing.T, c *storeTest) {
	const tasks, claimers, rounds = 3000, 8, 3
	handles := c.handles(t, 2)
	for range tasks / 500 {
		c.addMany(t, 500)
	}
	ctx, stop := context.WithCancel(soonContext(t))
	defer stop()
	var working sync.WaitGroup
	claimed := make(chan int, claimers)
	for i := range claimers {
		working.Go(func() {
			for ctx.Err() == nil {
				got, err := handles[i%len(handles)].Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease})
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
		require.NoError(t, handles[round%len(handles)].Queues.PauseQueue(ctx, domain.DefaultQueue))
		given := c.stats(t).Processing
		next(50)
		require.Equal(t, given, c.stats(t).Processing, "a task was given out after the pause")
		require.NoError(t, handles[(round+1)%len(handles)].Queues.ResumeQueue(ctx, domain.DefaultQueue))
		next(10)
		require.Greater(t, c.stats(t).Processing, given, "the tasks are given out again")
	}
	require.Positive(t, c.stats(t).Pending, "the claims ran out of tasks, so that nothing was seen")
	stop()
	working.Wait()
	c.audit(t)
}
