package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
)

func watchOf(stats ...wire.Stats) *statsWatch {
	w := &statsWatch{out: &bytes.Buffer{}, every: 2 * time.Second}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, s := range stats {
		w.add(statsSample{at: at, stats: s})
		at = at.Add(w.every)
	}
	return w
}

func TestTheViewOfTheStatistics(t *testing.T) {
	t.Parallel()
	w := watchOf(
		wire.Stats{TotalTasks: 100, PendingTasks: 90, CompletedTasks: 10},
		wire.Stats{TotalTasks: 140, PendingTasks: 120, CompletedTasks: 20},
		wire.Stats{TotalTasks: 140, PendingTasks: 70, CompletedTasks: 69, FailedTasks: 1, OldestPendingSeconds: 3.25, Warnings: []string{"append-only file is off\x1b[2J"}},
	)
	require.Equal(t, `logsift tasks  12:00:04 UTC, every 2s; Ctrl-C ends

pending              70 ███████
scheduled             0 
processing            0 
retrying              0 
completed            69 ██████
failed                1 █
cancelled             0 
total               140 

new/s               0.0 █▁
done/s             25.0 ▂█
failed/s            0.5 ▁█
oldest             3.2s

warning: append-only file is off�[2J
`, w.view(false, 40))

	w.failure = "the store is away"
	require.Contains(t, w.view(false, 80), "not up to date: the store is away")
	require.Contains(t, w.view(true, 80), red+"         1"+colorEnd, "failed tasks stand out")
}

func TestTheRatesOfTheStatistics(t *testing.T) {
	t.Parallel()
	w := watchOf(wire.Stats{CompletedTasks: 10}, wire.Stats{CompletedTasks: 5, FailedTasks: 1}, wire.Stats{CompletedTasks: 25, FailedTasks: 1})
	require.Equal(t, []float64{0, 10}, w.rates(finished), "removed tasks are no negative rate")
	for range 100 {
		w.add(statsSample{at: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)})
	}
	require.Len(t, w.samples, watchedSamples+1)
	require.Less(t, len(w.rates(finished)), 2, "samples of one moment give no rate")
}

func TestWatchedStatisticsElsewhereThanOnATerminal(t *testing.T) {
	t.Parallel()
	for _, format := range []string{formatTable, formatJSON} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				switch asked {
				case 2:
					http.Error(w, `{"status":503,"detail":"the store is away"}`, http.StatusServiceUnavailable)
					return
				case 4:
					cancel()
				}
				_ = json.NewEncoder(w).Encode(wire.Stats{TotalTasks: int64(asked)})
			}))
			defer server.Close()
			var out, errs bytes.Buffer
			e := &environment{stdout: &out, stderr: &errs, output: format}
			require.NoError(t, e.watchStats(ctx, &client{http: server.Client(), base: server.URL}, time.Millisecond))
			require.Contains(t, errs.String(), "the store is away (HTTP 503)", "a failure is told and bridged")
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if format == formatTable {
				require.Len(t, lines, 3, "a heading and two rows: %s", out.String())
				require.Contains(t, lines[0], "PENDING")
				return
			}
			require.Len(t, lines, 2)
			var s wire.Stats
			require.NoError(t, json.Unmarshal([]byte(lines[1]), &s))
			require.EqualValues(t, 3, s.TotalTasks)
		})
	}
}

func TestWatchedStatisticsNeedAFirstAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	e := &environment{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	require.ErrorContains(t, e.watchStats(t.Context(), &client{http: server.Client(), base: server.URL}, time.Millisecond), "is "+server.URL+" a logsift server?")
}
