package bootstrap_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap"
)

const (
	someLines = "2026-05-01 08:00:00 INFO started\n2026-05-01 08:00:01 ERROR cannot open /etc/app.conf: permission denied\n"
	// patience is how long a test waits for what happens soon.
	patience = 20 * time.Second
)

// config is that of a system on a free port with a log of its own problems only.
func config(store string) bootstrap.Config {
	c := bootstrap.DefaultConfig()
	c.Store, c.Addr, c.LogLevel, c.BatchAge = store, "127.0.0.1:0", "error", 20*time.Millisecond
	return c
}

// start runs a system until the test ends, unless that stops it before.
func start(t *testing.T, c bootstrap.Config) *bootstrap.App {
	t.Helper()
	a, err := bootstrap.New(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	// A test that cuts a drain short has looked at the error of its own Stop.
	t.Cleanup(func() { _ = a.Stop(context.WithoutCancel(t.Context())) })
	return a
}

// call sends a request over the network and decodes the answer into out, if it
// is not nil.
func call(t *testing.T, a *bootstrap.App, method, path, contentType, body string, out any) int {
	t.Helper()
	var headers []string
	if contentType != "" {
		headers = []string{"Content-Type", contentType}
	}
	status, _, raw := roundTrip(t, openapitest.API().Transport, method, a.URL()+path, body, headers...)
	if out != nil {
		require.NoError(t, json.Unmarshal([]byte(raw), out), raw)
	}
	return status
}

// roundTrip sends a request over a connection of its own, and returns the answer. Headers are pairs; Host is the name that is asked for. checked, if it is not nil,
// looks at both.
func roundTrip(t *testing.T, checked func(http.RoundTripper) http.RoundTripper, method, url, body string, headers ...string) (status int, header http.Header, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.Host = req.Header.Get("Host")
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	if checked != nil {
		client.Transport = checked(transport)
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(raw)
}

// sendLogs stores lines and returns the id of the task that analyses them.
func sendLogs(t *testing.T, a *bootstrap.App, lines string) string {
	t.Helper()
	var receipt wire.LogReceipt
	require.Equal(t, http.StatusAccepted, call(t, a, http.MethodPost, "/api/v1/logs?source=app", "text/plain", lines, &receipt))
	require.Len(t, receipt.TaskIDs, 1)
	return receipt.TaskIDs[0].String()
}

// awaitStatus waits for a task to reach a status and returns the task.
func awaitStatus(t *testing.T, a *bootstrap.App, id, status string) wire.Task {
	t.Helper()
	var task wire.Task
	require.Eventually(t, func() bool {
		task = wire.Task{}
		return call(t, a, http.MethodGet, "/api/v1/queue/tasks/"+id, "", "", &task) == http.StatusOK && task.Status == status
	}, patience, 10*time.Millisecond, "task %s should become %s", id, status)
	return task
}

// aiService is an AI service whose answers wait until release is closed.
func aiService(t *testing.T, answer http.HandlerFunc) (url string, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The end of a request is seen only once its body was read.
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
			answer(w, r)
		case <-ended:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(ended) })
	return server.URL, release
}

// withAI sets the AI service.
func withAI(c bootstrap.Config, url string) bootstrap.Config {
	c.Analyzer, c.AIBaseURL, c.AIModel = bootstrap.AnalyzerOpenAI, url+"/v1", "model"
	return c
}

// noAnomalies is the answer of an AI that finds nothing.
func noAnomalies(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","model":"model","choices":[{"index":0,"finish_reason":"stop",`+
		`"message":{"role":"assistant","content":"{\"summary\":\"\",\"findings\":[]}"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
}

// onEachStore runs f, as a parallel subtest, on each store that outlives a system.
func onEachStore(t *testing.T, f func(t *testing.T, store string)) {
	t.Helper()
	for name, store := range map[string]string{
		"redis":  redistest.Start(t).URL(),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "logsift.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, store)
		})
	}
}

// The whole product, the same for each store: only the one setting differs.
func TestLogsGoInAndAnomaliesComeOut(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		c := config(store)
		// A batch that is older than that before its entries are stored ends empty, and a
		// second task analyses them.
		c.BatchAge = time.Second
		a := start(t, c)
		require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/healthz", "", "", nil))
		task := awaitStatus(t, a, sendLogs(t, a, someLines), "COMPLETED")
		require.Equal(t, 1, task.Attempt)
		require.Contains(t, string(task.Result), "permission denied")

		var found wire.AnomalyList
		require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/anomalies?severity=low&source=app", "", "", &found))
		require.NotEmpty(t, found.Anomalies)
		require.Contains(t, fmt.Sprint(found.Anomalies), "permission denied")

		var logs wire.LogList
		require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/logs?level=error", "", "", &logs))
		require.Len(t, logs.Logs, 1)

		body := fmt.Sprintf(`{"type":"log_analysis","payload":{"log_ids":[%q]},"priority":8}`, logs.Logs[0].ID)
		var created wire.Task
		require.Equal(t, http.StatusCreated, call(t, a, http.MethodPost, "/api/v1/queue/tasks", "application/json", body, &created))
		awaitStatus(t, a, created.ID.String(), "COMPLETED")

		var stats wire.Stats
		require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/queue/stats", "", "", &stats))
		require.Equal(t, [2]int64{2, 2}, [2]int64{stats.TotalTasks, stats.CompletedTasks})
		require.Equal(t, int64(2), stats.Scheduler.ProcessedTasks)

		// What was kept is there for the next system.
		require.NoError(t, a.Stop(t.Context()))
		again := start(t, config(store))
		require.Equal(t, "COMPLETED", awaitStatus(t, again, created.ID.String(), "COMPLETED").Status)
		require.Equal(t, http.StatusOK, call(t, again, http.MethodGet, "/api/v1/anomalies", "", "", &found))
		require.NotEmpty(t, found.Anomalies)
	})
}

// clients lists the connections to a Redis.
func clients(t *testing.T, server *redistest.Server) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "CLIENT LIST\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	head, err := r.ReadString('\n')
	require.NoError(t, err)
	var size int
	_, err = fmt.Sscanf(head, "$%d", &size)
	require.NoError(t, err, head)
	raw := make([]byte, size)
	_, err = io.ReadFull(r, raw)
	require.NoError(t, err)
	return string(raw)
}

func TestATakenPortIsToldAndLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	server := redistest.Start(t)
	c := config(server.URL())
	c.Addr = taken.Addr().String()

	t.Run("by Start", func(t *testing.T) {
		a, err := bootstrap.New(t.Context(), c)
		require.NoError(t, err)
		require.Contains(t, clients(t, server), "name=logsift")
		err = a.Start(t.Context())
		require.ErrorContains(t, err, taken.Addr().String())
		require.ErrorContains(t, err, "address already in use")
		require.Empty(t, a.Addr())
		// The server takes a moment to see that a connection was closed.
		require.Eventually(t, func() bool { return !strings.Contains(clients(t, server), "name=logsift") }, patience, 10*time.Millisecond)
		require.NoError(t, a.Stop(t.Context()), "nothing is left to stop")
	})
	t.Run("by Run", func(t *testing.T) {
		a, err := bootstrap.New(t.Context(), c)
		require.NoError(t, err)
		err = a.Run(t.Context(), nil, func(string) { require.Fail(t, "it is not ready") })
		require.ErrorContains(t, err, "address already in use")
		require.Equal(t, 1, strings.Count(err.Error(), "already in use"), "told once")
		require.Eventually(t, func() bool { return !strings.Contains(clients(t, server), "name=logsift") }, patience, 10*time.Millisecond)
	})
}

func TestASecondSystemTakesTheWorkOfOneThatStops(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		ai, _ := aiService(t, noAnomalies)
		c := withAI(config(store), ai)
		c.DrainTimeout = 50 * time.Millisecond
		first := start(t, c)
		id := sendLogs(t, first, someLines)
		awaitStatus(t, first, id, "PROCESSING")
		second := start(t, config(store))
		require.Equal(t, http.StatusConflict, call(t, second, http.MethodDelete, "/api/v1/queue/tasks/"+id, "", "", nil), "it is processing")

		require.ErrorContains(t, first.Stop(t.Context()), "1 runs were cut short and given back")
		task := awaitStatus(t, second, id, "COMPLETED")
		require.Equal(t, [3]int{1, 2, 0}, [3]int{task.Attempt, task.Deliveries, task.Recoveries}, "a release counts as nothing")
		require.Contains(t, string(task.Result), "permission denied")
	})
}

func TestRunEndsCleanlyWhenItsContextDoes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		a, err := bootstrap.New(t.Context(), config(store))
		require.NoError(t, err)
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		require.NoError(t, a.Run(ctx, nil, func(addr string) {
			require.Equal(t, "http://"+addr, a.URL())
			interrupt()
		}))
	})
}
