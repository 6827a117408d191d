package bootstrap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap"
)

func TestWorkersOverHTTP(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		c := config(store)
		c.Workers = 0
		one, two := start(t, c), start(t, c)
		const tasksPath, workPath = "/api/v1/queue/tasks", "/api/v1/worker/tasks:"
		post := func(a *bootstrap.App, path, body string, out any) int {
			return call(t, a, http.MethodPost, path, wire.MediaJSON, body, out)
		}
		claim := func(a *bootstrap.App, rest string) []wire.Task {
			var out wire.ClaimedTasks
			require.Equal(t, http.StatusOK, post(a, workPath+"claim", `{"types":["resize"],`+rest+`}`, &out))
			return out.Tasks
		}
		report := func(a *bootstrap.App, lease, rest string) wire.LeaseResult {
			var out wire.LeaseResults
			require.Equal(t, http.StatusOK, post(a, workPath+"report", `{"reports":[{"lease":"`+lease+`",`+rest+`}]}`, &out))
			return out.Results[0]
		}
		create := func(a *bootstrap.App) (id string) {
			var out wire.Task
			require.Equal(t, http.StatusCreated, post(a, tasksPath, `{"type":"resize","max_retries":1}`, &out))
			return out.ID.String()
		}
		require.Equal(t, http.StatusBadRequest, post(two, tasksPath, `{"type":"resize"}`, nil))
		require.Empty(t, claim(one, `"max":5`))
		require.Equal(t, http.StatusCreated, call(t, one, http.MethodPut, "/api/v1/queue/schedules/s", wire.MediaJSON, `{"every_seconds":86400,"task":{"type":"swept"}}`, nil))
		require.Equal(t, http.StatusCreated, post(two, tasksPath, `{"type":"swept"}`, nil), "a schedule names its type to all processes")

		// A client that goes away while it waits takes nothing with it.
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, one.URL()+workPath+"claim", strings.NewReader(`{"types":["resize"],"wait_seconds":60}`))
			if err == nil {
				_, err = http.DefaultClient.Do(req) //nolint:bodyclose // It is to fail.
			}
			gone <- err
		}()
		time.AfterFunc(50*time.Millisecond, leave)
		require.ErrorIs(t, <-gone, context.Canceled)

		// The other process takes the type by now, and wakes a claim that waits here.
		waiting := make(chan []wire.Task, 1)
		go func() { waiting <- claim(one, `"lease_seconds":0.1,"wait_seconds":60`) }()
		id := create(two)
		first := (<-waiting)[0]
		require.Equal(t, id, first.ID.String())
		require.LessOrEqual(t, first.Deliveries, 2, "what the one that left may have got was given back")

		// The lease ends, the task is taken back, and others finish it.
		second := claim(two, `"lease_seconds":60,"wait_seconds":60`)[0]
		require.Equal(t, id, second.ID.String())
		require.Equal(t, 1, second.Recoveries)
		require.Equal(t, http.StatusConflict, report(one, first.Lease, `"outcome":"completed","result":"late"`).Status)
		require.Equal(t, "RETRYING", report(one, second.Lease, `"outcome":"retry","retry_in_seconds":0`).TaskStatus)
		progress := func(a *bootstrap.App, lease string) wire.LeaseResult {
			var out wire.LeaseResults
			require.Equal(t, http.StatusOK, post(a, workPath+"heartbeat", `{"leases":["`+lease+`"],"lease_seconds":60,"progress":{"percent":40,"note":"resizing","data":{"n":1}}}`, &out))
			return out.Results[0]
		}
		third := claim(one, `"wait_seconds":60`)[0]
		require.Equal(t, http.StatusConflict, report(two, second.Lease, `"outcome":"completed"`).Status)
		require.Equal(t, http.StatusConflict, progress(two, second.Lease).Status)
		require.True(t, *progress(two, third.Lease).Held)
		var running wire.Task
		require.Equal(t, http.StatusOK, call(t, one, http.MethodGet, tasksPath+"/"+id, "", "", &running))
		require.Equal(t, []any{40, "resizing", `{"n":1}`}, []any{running.Progress.Percent, running.Progress.Note, string(running.Progress.Data)})
		for range 2 {
			require.Equal(t, "FAILED", report(two, third.Lease, `"outcome":"retry","error":{"message":"no luck"}`).TaskStatus, "no retries are left")
		}
		var done wire.Task
		require.Equal(t, http.StatusOK, call(t, two, http.MethodGet, tasksPath+"/"+id, "", "", &done))
		require.Equal(t, []any{"FAILED", 2, "no luck"}, []any{done.Status, done.Attempt, done.LastError})
	})
}

// BenchmarkWorkersOverHTTP has workers claim and report tasks in batches of 100, by a server
// on a Redis that writes nothing to disk.
func BenchmarkWorkersOverHTTP(b *testing.B) {
	c := config(redistest.Start(b).URL())
	c.Workers, c.TaskTypes = 0, []string{"work"}
	a, err := bootstrap.New(b.Context(), c)
	require.NoError(b, err)
	require.NoError(b, a.Start(b.Context()))
	b.Cleanup(func() { _ = a.Stop(context.WithoutCancel(b.Context())) })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	post := func(path, body string, out any) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, a.URL()+path, strings.NewReader(body))
		if err == nil {
			req.Header.Set("Content-Type", wire.MediaJSON)
			var res *http.Response
			if res, err = client.Do(req); err == nil {
				var raw []byte
				raw, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err == nil && res.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s: %s", path, raw)
				}
				if err == nil && out != nil {
					err = json.Unmarshal(raw, out)
				}
			}
		}
		if err != nil {
			b.Error(err)
		}
	}
	const batch, workers = 100, 4
	for left := b.N; left > 0; left -= 10_000 {
		tasks := strings.Repeat(`,{"type":"work","payload":{"user":17,"file":"a.png"}}`, min(left, 10_000))
		post("/api/v1/queue/tasks:batch", "["+tasks[1:]+"]", nil)
	}
	var done atomic.Int64
	b.ResetTimer()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for done.Load() < int64(b.N) && !b.Failed() {
				var claimed struct{ Tasks []struct{ Lease string } }
				post("/api/v1/worker/tasks:claim", fmt.Sprintf(`{"types":["work"],"max":%d}`, batch), &claimed)
				if len(claimed.Tasks) == 0 {
					return
				}
				reports := make([]string, len(claimed.Tasks))
				for i, task := range claimed.Tasks {
					reports[i] = `{"lease":"` + task.Lease + `","outcome":"completed","result":{"ok":true}}`
				}
				var reported wire.LeaseResults
				post("/api/v1/worker/tasks:report", `{"reports":[`+strings.Join(reports, ",")+`]}`, &reported)
				for _, r := range reported.Results {
					if r.Status != http.StatusOK {
						b.Error(r.Problem)
					}
				}
				done.Add(int64(len(reported.Results)))
			}
		})
	}
	running.Wait()
	b.StopTimer()
	require.EqualValues(b, b.N, done.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}
