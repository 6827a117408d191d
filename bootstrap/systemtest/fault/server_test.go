package fault_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
)

func TestServerFaults(t *testing.T) {
	t.Parallel()
	t.Run("a Redis that runs a slow script of another client is waited for, but not for long", busyRedis)
	t.Run("a Redis that loads its data is waited for", loadingRedis)
	t.Run("connections that are killed again and again are not noticed", killedConnections)
	t.Run("a Redis that pauses its clients is waited for, but not for long", pausedClients)
	t.Run("an emptied Redis has its workers stop, and leaves no half tasks", emptiedRedis)
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

func killedConnections(t *testing.T) {
	t.Parallel()
	const rounds, size = 20, 100
	w := newWorld(t, "--appendonly", "yes")
	_, a := app(t, w.config())
	l := newLoad(t, a)
	for range rounds {
		l.awaitMore(t, 5)
		pause(t, 100*time.Millisecond)
		require.NoError(t, w.raw.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err())
		got := a.call(t, http.MethodPost, tasksPath+":batch", "application/x-ndjson", strings.Repeat(analysisTask+"\n", size))
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Equal(t, http.StatusOK, a.get(t, statsPath).status)
	}
	acked, other := l.end()
	require.Empty(t, other)
	w.awaitStats(t, "all tasks complete, once", func(s domain.QueueStats) bool {
		return s.Completed == s.Total() && s.Total() == int64(rounds*size+len(acked))
	})
	w.audit(t)
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
	w.server.Flush(t)
	for range 2 {
		require.ErrorContains(t, receive(t, ended), "lease lost")
	}
	require.EqualValues(t, 2, s.GetSchedulerStats().LeasesLost)
	pause(t, lease)
	require.Zero(t, w.audit(t).Total(), "nothing comes back by halves")
	w.add(t, tasks(1, doHold, 0)...)
	receive(t, began)
	w.audit(t)
}
