package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
)

// slowAI is an AI service whose answers, which find nothing, wait until release is
// closed.
func slowAI(t *testing.T) (url string, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // The end of a request is seen only once its body was read.
		select {
		case <-release:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop",`+
				`"message":{"role":"assistant","content":"{\"summary\":\"\",\"findings\":[]}"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
		case <-ended:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(ended) })
	return server.URL, release
}

// begin has a served logsift work on as many tasks as it has workers, and leaves one
// more waiting.
func begin(t *testing.T, a api) (running []string, waiting string) {
	t.Helper()
	for range busyWorkers {
		id := a.sendLogs(t, someLines)
		a.awaitStatus(t, id, "PROCESSING")
		running = append(running, id)
	}
	return running, a.sendLogs(t, someLines)
}

const busyWorkers = 3

// serveBusy serves a store with an AI.
func serveBusy(t *testing.T, store, ai string, more ...string) (*process, api) {
	t.Helper()
	return serve(t, append([]string{
		"--store", store, "--workers", strconv.Itoa(busyWorkers), "--batch-age", "20ms",
		"--analyzer", "openai", "--ai-model", "m", "--ai-base-url", ai,
	}, more...)...)
}

// serveAfter serves what another process has left, and does not work on it.
func serveAfter(t *testing.T, store string) api {
	t.Helper()
	_, a := serve(t, "--store", store, "--workers", "0")
	return a
}

// The scenarios of bootstrap/systemtest/fault that are about the signals and the exit status
// of the program.
func TestSignals(t *testing.T) {
	t.Parallel()
	t.Run("at SIGTERM the running tasks finish, nothing more is claimed, and the status is 0", func(t *testing.T) {
		t.Parallel()
		onEachStore(t, func(t *testing.T, store string) {
			ai, release := slowAI(t)
			p, a := serveBusy(t, store, ai)
			running, waiting := begin(t, a)
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			require.Eventually(t, func() bool {
				status, raw := a.call(t, http.MethodGet, "/readyz", "", "")
				var ready wire.Readiness
				return status == http.StatusServiceUnavailable && json.Unmarshal(raw, &ready) == nil && !ready.Components["scheduler"].Ready
			}, atOnce, time.Millisecond, "it is not ready at once")
			status, _ := a.call(t, http.MethodGet, "/healthz", "", "")
			require.Equal(t, http.StatusOK, status, "it is alive")
			close(release)
			require.Zero(t, p.awaitExit(t))
			a = serveAfter(t, store)
			for _, id := range running {
				task := a.task(t, id)
				require.Equal(t, "COMPLETED", task.Status)
				require.Equal(t, [3]int{1, 1, 0}, [3]int{task.Attempt, task.Deliveries, task.Recoveries})
			}
			task := a.task(t, waiting)
			require.Equal(t, "PENDING", task.Status)
			require.Zero(t, task.Deliveries, "nothing is claimed after the signal")
		})
	})
	t.Run("at the end of the drain time the running tasks are given back, and the status is 1", func(t *testing.T) {
		t.Parallel()
		onEachStore(t, func(t *testing.T, store string) {
			ai, _ := slowAI(t)
			p, a := serveBusy(t, store, ai, "--drain-timeout", "1s")
			running, _ := begin(t, a)
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			signalled := time.Now()
			require.Equal(t, exitFailed, p.awaitExit(t))
			require.GreaterOrEqual(t, time.Since(signalled), time.Second)
			require.Less(t, time.Since(signalled), time.Second+atOnce)
			requireGivenBack(t, serveAfter(t, store), running)
		})
	})
	t.Run("a second signal ends the work within a second, with the status 1", func(t *testing.T) {
		t.Parallel()
		onEachStore(t, func(t *testing.T, store string) {
			ai, _ := slowAI(t)
			p, a := serveBusy(t, store, ai, "--drain-timeout", "1h")
			running, _ := begin(t, a)
			require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
			require.Eventually(t, func() bool {
				status, _ := a.call(t, http.MethodGet, "/readyz", "", "")
				return status == http.StatusServiceUnavailable
			}, atOnce, time.Millisecond)
			require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
			signalled := time.Now()
			require.Equal(t, exitFailed, p.awaitExit(t))
			require.Less(t, time.Since(signalled), atOnce)
			requireGivenBack(t, serveAfter(t, store), running)
		})
	})
}

// requireGivenBack requires that tasks are as if they had never run.
func requireGivenBack(t *testing.T, a api, ids []string) {
	t.Helper()
	for _, id := range ids {
		task := a.task(t, id)
		require.Equal(t, "PENDING", task.Status)
		require.Equal(t, [3]int{0, 1, 0}, [3]int{task.Attempt, task.Deliveries, task.Recoveries}, "a release counts as nothing")
		require.Empty(t, task.Errors)
	}
	status, raw := a.call(t, http.MethodGet, "/api/v1/queue/stats", "", "")
	require.Equal(t, http.StatusOK, status)
	var stats wire.Stats
	require.NoError(t, json.Unmarshal(raw, &stats))
	require.GreaterOrEqual(t, stats.PendingTasks, int64(len(ids)), "ready at once")
	require.Zero(t, stats.ProcessingTasks+stats.RetryingTasks)
}
