//go:build unix

package faulttest_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/application"
	"logsift/domain"
)

func TestServerFaults(t *testing.T) {
	t.Parallel()
	t.Run("R14 a Redis that forgets its scripts all the time is not noticed", forgottenScripts)
	t.Run("R14 a Redis that restarts under load loses nothing", restarts)
	t.Run("R15 a Redis that runs a slow script of another client is waited for, but not for long", busyRedis)
	t.Run("R15 a Redis that loads its data is waited for", loadingRedis)
	t.Run("R15 connections that are killed all the time are not noticed", killedConnections)
	t.Run("R15 a Redis that pauses its clients is waited for, but not for long", pausedClients)
	t.Run("R15 an emptied Redis has its workers stop, and leaves no half tasks", emptiedRedis)
}

// every calls do again and again until the test or the returned function ends it.
func every(t *testing.T, d time.Duration, do func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := do(ctx); err != nil && ctx.Err() == nil {
					done <- err
					return
				}
			case <-ctx.Done():
				done <- nil
				return
			}
		}
	}()
	return func() {
		cancel()
		require.NoError(t, receive(t, done))
	}
}

// batch schedules n analyses by one request, all of which have to be accepted.
func (a api) batch(t *testing.T, n int) []domain.TaskID {
	t.Helper()
	got := a.call(t, http.MethodPost, tasksPath+":batch", "application/x-ndjson", strings.Repeat(analysisTask+"\n", n))
	require.Less(t, got.status, http.StatusMultipleChoices, "%s", got.body)
	var ids []domain.TaskID
	for _, r := range decode[wire.BatchResults](t, got).Results {
		require.Equal(t, http.StatusCreated, r.Status)
		ids = append(ids, r.Task.ID)
	}
	require.Len(t, ids, n)
	return ids
}

// unnoticed disturbs Redis under load, and requires that nobody sees it.
func unnoticed(t *testing.T, interval time.Duration, disturb func(w *world) func(context.Context) error) {
	t.Helper()
	w := newWorld(t, "--appendonly", "yes")
	_, a := app(t, w.config())
	stop := every(t, interval, disturb(w))
	l := newLoad(t, a)
	var ids []domain.TaskID
	for range 10 {
		ids = append(ids, a.batch(t, 100)...)
		require.Equal(t, http.StatusOK, a.get(t, statsPath).status)
		l.awaitMore(t, 5)
	}
	acked, other := l.end()
	require.Empty(t, other)
	w.awaitStats(t, "all tasks complete", func(s domain.QueueStats) bool { return s.Completed == s.Total() })
	stop()
	w.allComplete(t, append(ids, acked...))
}

func forgottenScripts(t *testing.T) {
	t.Parallel()
	unnoticed(t, 20*time.Millisecond, func(w *world) func(context.Context) error {
		return func(ctx context.Context) error { return w.raw.ScriptFlush(ctx).Err() }
	})
}

func killedConnections(t *testing.T) {
	t.Parallel()
	unnoticed(t, 300*time.Millisecond, func(w *world) func(context.Context) error {
		return func(ctx context.Context) error {
			return w.raw.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err()
		}
	})
}

func restarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes", "--appendfsync", "always")
	_, a := app(t, w.config())
	l := newLoad(t, a)
	for range 3 {
		l.awaitMore(t, 10)
		w.server.Restart(t)
		pause(t, 300*time.Millisecond)
	}
	l.awaitMore(t, 10)
	acked, other := l.end()
	for status := range maps.Keys(other) {
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
	w.allComplete(t, acked)
}

// awaitWork requires that a product does its work again soon.
func awaitWork(t *testing.T, a api) {
	t.Helper()
	require.Eventually(t, func() bool { return a.post(t).status == http.StatusCreated }, 5*time.Second, 50*time.Millisecond)
	a.awaitTask(t, a.posted(t), domain.TaskStatusCompleted)
}

func busyRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes", "--lua-time-limit", "50")
	c := w.config()
	c.Lease = shortLease
	_, a := app(t, c)
	first := a.posted(t)
	a.awaitTask(t, first, domain.TaskStatusCompleted)
	const spin = `local s = redis.call('TIME') local e = s[1] * 1000 + s[2] / 1000 + 3000
		repeat local t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > e return 1`
	busy := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		slow := w.raw.WithTimeout(patience)
		busy <- slow.Eval(ctx, spin, nil).Err()
	}()
	var got answer
	require.Eventually(t, func() bool {
		got = a.post(t)
		return got.status != http.StatusCreated
	}, patience, time.Millisecond)
	refused(t, got, http.StatusServiceUnavailable, "store-unavailable")
	require.Less(t, got.took, callLimit)
	refused(t, a.get(t, statsPath), http.StatusServiceUnavailable, "store-unavailable")
	require.NoError(t, receive(t, busy))
	awaitWork(t, a)
	w.audit(t)
}

func loadingRedis(t *testing.T) {
	t.Parallel()
	// Loading a key takes a millisecond, and others are answered all the while.
	w := newWorld(t, "--save", "3600 1", "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
	_, a := app(t, w.config())
	first := a.posted(t)
	a.awaitTask(t, first, domain.TaskStatusCompleted)
	const keys = 2500
	pipe := w.raw.Pipeline()
	for i := range keys {
		pipe.Set(t.Context(), "ballast:"+newTask(doNothing, 0).ID.String(), i, 0)
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	back := make(chan struct{})
	go func() {
		defer close(back)
		w.server.Restart(t)
	}()
	require.Eventually(t, func() bool {
		return strings.HasPrefix(errorText(w.raw.Ping(t.Context()).Err()), "LOADING")
	}, patience, time.Millisecond)
	refused(t, a.post(t), http.StatusServiceUnavailable, "store-unavailable")
	receive(t, back)
	awaitWork(t, a)
	a.awaitTask(t, first, domain.TaskStatusCompleted)
	w.audit(t)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func pausedClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes")
	c := w.config()
	c.Lease = shortLease
	_, a := app(t, c)
	a.awaitTask(t, a.posted(t), domain.TaskStatusCompleted)
	require.NoError(t, w.raw.Do(t.Context(), "CLIENT", "PAUSE", 400, "WRITE").Err())
	got := a.post(t)
	require.Equal(t, http.StatusCreated, got.status, "a short pause is waited for")
	require.Greater(t, got.took, 200*time.Millisecond)
	require.NoError(t, w.raw.Do(t.Context(), "CLIENT", "PAUSE", 3000, "ALL").Err())
	got = a.post(t)
	refused(t, got, http.StatusServiceUnavailable, "store-unavailable")
	require.Less(t, got.took, callLimit)
	a.awaitOK(t, statsPath, patience)
	awaitWork(t, a)
	w.audit(t)
}

func emptiedRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes")
	_, a := app(t, w.config())
	began, ended := make(chan struct{}, 10), make(chan error, 10)
	s := w.scheduler(t, application.SchedulerConfig{Workers: 2, PrefetchWindow: -1}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	})
	w.add(t, tasks(5, doHold, 0)...)
	receive(t, began)
	receive(t, began)
	l := newLoad(t, a)
	l.awaitMore(t, 10)
	l.end()
	w.awaitStats(t, "the analyses complete", func(st domain.QueueStats) bool { return st.Completed >= 10 })
	w.server.Flush(t)
	for range 2 {
		require.ErrorContains(t, receive(t, ended), "lease lost")
	}
	require.EqualValues(t, 2, s.GetSchedulerStats().LeasesLost)
	w.awaitStats(t, "nothing is left", func(st domain.QueueStats) bool { return st.Total() == 0 })
	require.Zero(t, decode[wire.Stats](t, a.get(t, statsPath)).TotalTasks)
	pause(t, lease)
	require.Zero(t, w.audit(t).Total(), "nothing comes back by halves")
	awaitWork(t, a)
	w.audit(t)
}
