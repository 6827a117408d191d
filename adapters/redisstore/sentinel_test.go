package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

func TestASentinelGroup(t *testing.T) {
	t.Parallel()
	group := redistest.StartSentinel(t)
	group.Patience(t, time.Minute) // Nothing is to be lost in the tests of the contracts.
	newWorld := worlds(group.URL(), 1)
	queue := func(t *testing.T) {
		t.Helper()
		portstest.TestTaskQueue(t, func(t *testing.T) portstest.QueueHarness {
			t.Helper()
			return newWorld().harness(t)
		})
	}
	logs := func(t *testing.T) {
		t.Helper()
		portstest.TestLogRepository(t, func(t *testing.T) portstest.LogHarness {
			t.Helper()
			return newWorld().logHarness(t)
		})
	}
	t.Run("keeps the contract of the queue", queue)
	t.Run("goes on after its master has died", func(t *testing.T) { testFailover(t, group) })
	t.Run("keeps the contract of the queue after a fail-over", queue)
	t.Run("keeps the contract of the logs after a fail-over", logs)
	t.Run("may have a password that its sentinels have not", func(t *testing.T) {
		for _, s := range group.Sentinels {
			require.NoError(t, raw(t, s).Do(t.Context(), "SENTINEL", "SET", "logsift", "auth-pass", "secret").Err())
		}
		for _, s := range group.Servers {
			rdb := redis.NewClient(&redis.Options{Addr: s.Addr()})
			require.NoError(t, rdb.ConfigSet(t.Context(), "masterauth", "secret").Err())
			require.NoError(t, rdb.ConfigSet(t.Context(), "requirepass", "secret").Err())
			require.NoError(t, rdb.Close())
		}
		w := newWorld()
		w.url = strings.Replace(w.url, "://", "://:secret@", 1)
		_, err := w.queue(t).Enqueue(t.Context(), newTask(`{}`))
		require.NoError(t, err)
		_, err = redisstore.Open(t.Context(), redisstore.Config{URL: group.URL()})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})
}

// failover is a queue in use while its master dies, and what came of it.
type failover struct {
	queue ports.TaskQueue

	mu sync.Mutex // guards the fields below
	// acknowledged are the tasks whose enqueue returned, and when.
	acknowledged map[domain.TaskID]time.Time
	// accepted counts the reports that were taken, by task; late those that were
	// refused.
	accepted map[domain.TaskID]int
	late     int
}

// produce enqueues one task after another until ctx ends. A task whose enqueue
// failed is enqueued again: nobody knows whether it is stored.
func (f *failover) produce(ctx context.Context) {
	for task := newTask(`{}`); ctx.Err() == nil; {
		if _, err := f.queue.Enqueue(ctx, task); err != nil {
			pause(ctx)
			continue
		}
		f.mu.Lock()
		f.acknowledged[task.ID] = time.Now()
		f.mu.Unlock()
		task = newTask(`{}`)
	}
}

// work claims and completes tasks until ctx ends. What failed is repeated.
func (f *failover) work(ctx context.Context) {
	req := ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute, Wait: 50 * time.Millisecond}
	for ctx.Err() == nil {
		tasks, err := f.queue.Dequeue(ctx, req)
		if err != nil {
			pause(ctx)
			continue
		}
		req.ID = uuid.New()
		for _, task := range tasks {
			f.report(ctx, *task.Lease)
		}
	}
}

func (f *failover) report(ctx context.Context, lease domain.Lease) {
	for {
		err := f.queue.UpdateTask(ctx, ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeCompleted})
		f.mu.Lock()
		switch {
		case err == nil:
			f.accepted[lease.TaskID]++
		case errors.Is(err, domain.ErrLeaseLost):
			f.late++
		}
		f.mu.Unlock()
		if err == nil || errors.Is(err, domain.ErrLeaseLost) || ctx.Err() != nil {
			return
		}
		pause(ctx)
	}
}

// pause waits a moment before a call is repeated.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

// since counts the tasks that were acknowledged after a moment, and returns when
// the first of them was.
func (f *failover) since(moment time.Time) (n int, first time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range f.acknowledged {
		if !at.After(moment) {
			continue
		}
		if n++; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return n, first
}

// testFailover kills the master under load. Redis replicates without waiting, so
// that the last acknowledged writes may be lost: the test counts and tells them. It
// requires that the queue goes on soon and that all that is left is sound.
func testFailover(t *testing.T, group *redistest.Sentinel) {
	t.Helper()
	w := worlds(group.URL(), 1)()
	w.namespace = "failover"
	f := &failover{queue: w.queue(t), acknowledged: map[domain.TaskID]time.Time{}, accepted: map[domain.TaskID]int{}}
	producing, stop := context.WithCancel(t.Context())
	working, rest := context.WithCancel(t.Context())
	var producers, workers sync.WaitGroup
	t.Cleanup(func() {
		stop()
		rest()
		producers.Wait()
		workers.Wait()
	})
	for range 4 {
		producers.Go(func() { f.produce(producing) })
		workers.Go(func() { f.work(working) })
	}
	acknowledge := func(count int, moment time.Time) {
		require.Eventually(t, func() bool {
			n, _ := f.since(moment)
			return n >= count
		}, 20*time.Second, time.Millisecond)
	}
	acknowledge(300, time.Time{})
	// Cut the replica off for the last moments, so that there is something to lose:
	// stopped, it does not connect again, and what is on its way to it it will read.
	master := group.Master(t)
	replica := group.Servers[0]
	if replica == master {
		replica = group.Servers[1]
	}
	replica.Pause(t)
	require.NoError(t, raw(t, master).ClientKillByFilter(t.Context(), "TYPE", "replica").Err())
	acknowledge(30, time.Now())
	group.Patience(t, 500*time.Millisecond)
	master.Kill(t)
	killed := time.Now()
	replica.Resume(t)
	group.AwaitFailover(t, master)
	group.Patience(t, time.Minute)
	acknowledge(300, killed)
	_, resumed := f.since(killed.Add(100 * time.Millisecond)) // what was on its way is no sign of life
	require.Less(t, resumed.Sub(killed), 10*time.Second, "the service goes on within ten seconds")
	master.Restart(t)

	stop()
	producers.Wait()
	// A report that was lost leaves its task under a lease that nobody holds.
	w.advance(2 * time.Minute)
	require.Eventually(t, func() bool {
		_, err := f.queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 100, Limit: ports.MaxClaim})
		if err != nil {
			return false
		}
		stats, err := f.queue.GetQueueStats(t.Context())
		return err == nil && stats.Pending+stats.Processing == 0
	}, 20*time.Second, 20*time.Millisecond, "all that is left is worked")
	rest()
	workers.Wait()

	lost, twice := 0, 0
	for id := range f.acknowledged {
		task, err := f.queue.GetTask(t.Context(), id)
		if errors.Is(err, domain.ErrTaskNotFound) {
			lost++
			continue
		}
		require.NoError(t, err)
		require.Equal(t, domain.TaskStatusCompleted, task.Status)
		if f.accepted[id] > 1 {
			twice++
		}
	}
	t.Logf("fail-over: service resumed after %v; of %d acknowledged tasks %d are lost, %d were completed twice, %d reports came late",
		resumed.Sub(killed).Round(time.Millisecond), len(f.acknowledged), lost, twice, f.late)
	require.Positive(t, lost, "a loss that was brought about is counted")
	findings := 0
	_, err := redisstore.NewVerifier(w.open(t)).Verify(t.Context(), ports.VerifyRequest{Report: func(finding domain.Finding) {
		findings++
		t.Errorf("after the fail-over: %+v", finding)
	}})
	require.NoError(t, err)
	require.Zero(t, findings, "what a fail-over loses leaves the rest sound")
}
