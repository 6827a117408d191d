package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const (
	queuesPath  = "/api/v1/queue/queues"
	workersPath = "/api/v1/queue/workers"
	historyPath = "/api/v1/queue/history"
)

func TestQueuesAreListed(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	require.JSONEq(t, `{"queues":[]}`, w.Do("GET", queuesPath, "").Body.String(), "no queues are no null")
	w.Operations.Queues["b"] = domain.QueueInfo{Name: "b", Pending: map[domain.TaskType]int64{"y": 2, "x": 1, "none": 0}, OldestPending: 1500 * time.Millisecond}
	w.Operations.Queues["a"] = domain.QueueInfo{Name: "a", Paused: true, PausedAt: apitest.Now}
	res := w.Do("GET", queuesPath, "")
	require.Equal(t, http.StatusOK, res.Code)
	require.JSONEq(t, `{"queues":[
		{"name":"a","paused":true,"paused_at":"2026-11-23T12:00:00Z","pending_tasks":0,"oldest_pending_seconds":0,"types":[]},
		{"name":"b","paused":false,"paused_at":null,"pending_tasks":3,"oldest_pending_seconds":1.5,
			"types":[{"type":"x","pending_tasks":1},{"type":"y","pending_tasks":2}]}]}`, res.Body.String())
	apitest.FieldProblem(t, w.Do("GET", queuesPath+"?limit=1", ""), "limit")
	w.Operations.Err = fmt.Errorf("%w: gone", domain.ErrStoreUnavailable)
	apitest.Problem(t, w.Do("GET", queuesPath, ""), http.StatusServiceUnavailable, "store-unavailable")
}

func TestQueuesArePausedAndResumed(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for range 2 {
		q := apitest.Answer[wire.Queue](t, w.Do("POST", queuesPath+"/mail.out:pause", ""), http.StatusOK)
		require.Equal(t, "mail.out", q.Name)
		require.True(t, q.Paused)
		require.Equal(t, apitest.Now, *q.PausedAt)
	}
	for range 2 {
		q := apitest.Answer[wire.Queue](t, w.Do("POST", queuesPath+"/mail.out:resume", ""), http.StatusOK)
		require.False(t, q.Paused)
		require.Nil(t, q.PausedAt)
	}
	apitest.FieldProblem(t, w.Do("POST", queuesPath+"/a%20b:pause", ""), "queue")
	apitest.FieldProblem(t, w.Do("POST", queuesPath+"/-a:resume", ""), "queue")
	for _, path := range []string{queuesPath + "/mail:stop", queuesPath + "/mail", queuesPath + "/:pause", queuesPath + "/a/b:pause"} {
		apitest.Problem(t, w.Do("POST", path, ""), http.StatusNotFound, "no-such-path")
	}
	res := w.Do("GET", queuesPath+"/mail:pause", "")
	apitest.Problem(t, res, http.StatusMethodNotAllowed, "method-not-allowed")
	require.Equal(t, "POST", res.Header().Get("Allow"))
	apitest.Problem(t, w.Do("POST", queuesPath+"/mail:pause", "", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "cross-origin")
}

func TestWorkersAreListed(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	require.JSONEq(t, `{"schedulers":[]}`, w.Do("GET", workersPath, "").Body.String())
	idle, task := uuid.New(), uuid.New()
	w.Operations.Schedulers = []domain.SchedulerReport{
		{ID: idle},
		{
			ID: uuid.New(), Worker: "greeter (k1)", Host: "<h>", PID: 7, Version: "v1", Queues: []string{"mail"}, SeenAt: apitest.Now,
			Stats:   domain.SchedulerStats{Running: true, WorkersCount: 3, BusyWorkers: 1, ProcessedTasks: 9, TaskTypes: []domain.TaskType{"echo"}, StartedAt: apitest.Now},
			Running: []domain.RunningTask{{TaskID: task, Type: "echo", Queue: "mail", Attempt: 2, StartedAt: apitest.Now.Add(-time.Second)}},
		},
	}
	list := apitest.Answer[wire.WorkerList](t, w.Do("GET", workersPath, ""), http.StatusOK)
	require.Len(t, list.Schedulers, 2)
	require.Equal(t, idle, list.Schedulers[0].ID)
	require.Equal(t, []string{}, list.Schedulers[0].Queues)
	require.Equal(t, []wire.RunningTask{}, list.Schedulers[0].Running)
	busy, started := list.Schedulers[1], apitest.Now.Add(-time.Second)
	require.Equal(t, []any{"<h>", 7, "v1", []string{"mail"}, apitest.Now}, []any{busy.Host, busy.PID, busy.Version, busy.Queues, *busy.SeenAt})
	require.Equal(t, []string{"", "greeter (k1)"}, []string{list.Schedulers[0].Worker, busy.Worker})
	require.Equal(t, 3, busy.Scheduler.WorkersCount)
	require.Equal(t, int64(9), busy.Scheduler.ProcessedTasks)
	require.Equal(t, []wire.RunningTask{{TaskID: task, Type: "echo", Queue: "mail", Attempt: 2, StartedAt: &started}}, busy.Running)
}

func TestTheHistoryIsShown(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	w.Operations.History = []domain.RunHistoryPoint{
		{At: apitest.Now, Enqueued: 1, Completed: 2, Failed: 3, Retried: 4, Pending: 5, Processing: 6, Run: &domain.Percentiles{P50: time.Microsecond, P95: time.Millisecond, P99: 1500 * time.Millisecond}},
		{At: apitest.Now.Add(time.Minute)},
	}
	res := w.Do("GET", historyPath, "")
	require.Equal(t, http.StatusOK, res.Code)
	require.JSONEq(t, `{"step_seconds":60,"points":[
		{"at":"2026-11-23T12:00:00Z","enqueued":1,"completed":2,"failed":3,"retried":4,"pending":5,"processing":6,
			"wait_ms":{"p50":null,"p95":null,"p99":null},"run_ms":{"p50":0.001,"p95":1,"p99":1500}},
		{"at":"2026-11-23T12:01:00Z","enqueued":0,"completed":0,"failed":0,"retried":0,"pending":0,"processing":0,
			"wait_ms":{"p50":null,"p95":null,"p99":null},"run_ms":{"p50":null,"p95":null,"p99":null}}]}`, res.Body.String())
	require.Equal(t, httpapi.DefaultHistoryMinutes, w.Operations.Minutes)
	for _, minutes := range []int{1, httpapi.MaxHistoryMinutes} {
		apitest.Answer[wire.History](t, w.Do("GET", fmt.Sprintf("%s?minutes=%d", historyPath, minutes), ""), http.StatusOK)
		require.Equal(t, minutes, w.Operations.Minutes)
	}
	for _, bad := range []string{"0", "1441", "-1", "x", "", "1.5"} {
		apitest.FieldProblem(t, w.Do("GET", historyPath+"?minutes="+bad, ""), "minutes")
	}
}
