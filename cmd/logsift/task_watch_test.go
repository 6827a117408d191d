package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
)

const watchedID = "0198c5a2-0000-7000-8000-000000000001"

// watchServer answers each stream by the next of these texts, and then with 503; the
// task is in these states, one for each look.
func watchServer(t *testing.T, streams, states []string) (url string, resumed func() []string) {
	t.Helper()
	var mu sync.Mutex
	var after []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/api/v1/queue/tasks/") {
			state := states[0]
			if len(states) > 1 {
				states = states[1:]
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"id": watchedID, "type": "mail", "queue": "default", "status": state})
			return
		}
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(w, `{"status":401,"title":"Unauthorized"}`)
			return
		}
		after = append(after, r.Header.Get("Last-Event-ID"))
		n := len(after) - 1
		if n >= len(streams) || streams[n] == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprint(w, `{"status":503,"title":"Store unavailable"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, streams[n])
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return after
	}
}

func taskStep(id, from, to string) string {
	return fmt.Sprintf("id: %s\nevent: task\ndata: {\"task_id\":%q,\"type\":\"mail\",\"queue\":\"default\",\"from\":%s,\"to\":%s,\"attempt\":1,\"reason\":\"\",\"at\":\"2026-11-24T12:00:00Z\"}\n\n", id, watchedID, from, to)
}

func TestWatchComesBackWhereItWas(t *testing.T) {
	t.Parallel()
	begin := "retry: 1\n:\nid: begin\n\n"
	cases := map[string]struct {
		streams, states []string
		status          int
		steps           string
		resumed         []string
	}{
		"over streams that end, and a store that is away": {
			[]string{begin + taskStep("a", `"PENDING"`, `"PROCESSING"`), "", taskStep("b", `"PROCESSING"`, `"COMPLETED"`)},
			[]string{"PENDING"}, 0, "PROCESSING COMPLETED", []string{"", "a", "a"},
		},
		"and is told of a loss": {
			[]string{begin, "id: c\nevent: reset\ndata: {}\n\n"}, []string{"PENDING", "FAILED"}, 1, "FAILED", []string{"", "begin"},
		},
		"until the task is removed": {
			[]string{begin + taskStep("a", `"COMPLETED"`, `null`)}, []string{"PENDING"}, 1, "-", []string{""},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, resumed := watchServer(t, c.streams, c.states)
			var stdout, stderr bytes.Buffer
			e := &environment{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(name string) string {
				return map[string]string{apiKeyEnvVar: "key"}[name]
			}}
			require.Equal(t, c.status, e.execute(t.Context(), []string{"task", "watch", watchedID, "--server", url, "-o", "json"}), "%s", &stderr)
			var steps []string
			for line := range strings.Lines(stdout.String()) {
				var step wire.TaskEvent
				require.NoError(t, json.Unmarshal([]byte(line), &step))
				if step.To == nil {
					steps = append(steps, "-")
				} else {
					steps = append(steps, *step.To)
				}
			}
			require.Equal(t, c.steps, strings.Join(steps, " "))
			require.Equal(t, c.resumed, resumed())
		})
	}
}

func TestWatchGivesUpAServerThatIsNone(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	for _, url := range []string{server.URL, "http://127.0.0.1:1"} {
		var stdout, stderr bytes.Buffer
		e := &environment{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
		require.Equal(t, 1, e.execute(t.Context(), []string{"task", "watch", "--server", url}))
		require.NotEmpty(t, stderr.String())
	}
}
