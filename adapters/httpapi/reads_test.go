package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestStats(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "every count is shown under its name", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Queue.Stats = domain.QueueStats{
			Pending: 1, Scheduled: 2, Processing: 3, Retrying: 4, Completed: 5, Failed: 6, Cancelled: 7,
			OldestPending: 1500 * time.Millisecond, Warnings: []string{"no disk"},
		}
		w.Queue.Sched = domain.SchedulerStats{
			Running: true, Draining: true, WorkersCount: 1, BusyWorkers: 2, ProcessedTasks: 3, FailedTasks: 4, RetriedTasks: 5,
			RecoveredTasks: 6, PurgedTasks: 7, LeasesLost: 8, ReleasedTasks: 9, PanickedTasks: 10, TimedOutTasks: 11,
			StartedAt: apitest.Now, TaskTypes: []domain.TaskType{"echo"}, LastStoreError: "dial 10.1.2.3",
		}
		require.JSONEq(t, `{
			"total_tasks":28,"pending_tasks":1,"scheduled_tasks":2,"processing_tasks":3,"retrying_tasks":4,"completed_tasks":5,
			"failed_tasks":6,"cancelled_tasks":7,"oldest_pending_seconds":1.5,"warnings":["no disk"],
			"scheduler":{"running":true,"draining":true,"workers_count":1,"busy_workers":2,"processed_tasks":3,"failed_tasks":4,
				"retried_tasks":5,"recovered_tasks":6,"purged_tasks":7,"leases_lost":8,"released_tasks":9,"panicked_tasks":10,
				"timed_out_tasks":11,"task_types":["echo"],"started_at":"2026-11-23T12:00:00Z"}}`,
			w.Do("GET", statsPath, "").Body.String())
	})
	apitest.Run(t, "a scheduler that never started has no time, and no list is null", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Queue.Sched = domain.SchedulerStats{}
		got := apitest.Answer[wire.Stats](t, w.Do("GET", statsPath, ""), http.StatusOK)
		require.Nil(t, got.Scheduler.StartedAt)
		require.NotNil(t, got.Scheduler.TaskTypes)
		require.NotNil(t, got.Warnings)
	})
	t.Run("parameters are refused", func(t *testing.T) {
		t.Parallel()
		apitest.FieldProblem(t, apitest.New(httpapi.Config{}).Do("GET", statsPath+"?queue=x", ""), "queue")
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	want := wire.Settings{Version: "v1", Settings: []wire.Setting{{Name: "addr", Group: "api", Value: "a", Default: "b", Usage: "where"}}}
	w := apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) { deps.Settings = want })
	require.Equal(t, want, apitest.Answer[wire.Settings](t, w.Do("GET", "/api/v1/settings", ""), http.StatusOK))
	require.Contains(t, apitest.New(httpapi.Config{}).Do("GET", "/api/v1/settings", "").Body.String(), `"settings":[]`)
}

func TestAnomalies(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "an anomaly is shown with the analysis that found it", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task, log := uuid.New(), uuid.New()
		w.Logs.Found = domain.AnomalyPage{Anomalies: []domain.FoundAnomaly{{
			TaskID: task, FoundAt: apitest.Now,
			Anomaly: domain.Anomaly{
				ID: "a1", Kind: domain.AnomalyErrorBurst, Category: domain.CategoryNetwork, Severity: domain.SeverityHigh,
				Score: 0.5, Confidence: 0.75, TemplateID: "t1", Template: "boom <*>", LogIDs: []domain.LogID{log},
				SampleLines: []string{"boom 1"}, Count: 3, Expected: 0.5, FirstSeen: apitest.Now, LastSeen: apitest.Now, Services: []string{"web"},
				Sessions: []string{"blk_1"}, Evidence: "e", Explanation: "x", SuggestedAction: "s", Cause: "c", Source: "local",
			},
		}}}
		require.JSONEq(t, `{"next_cursor":null,"anomalies":[{
			"id":"a1","task_id":"`+task.String()+`","found_at":"2026-11-23T12:00:00Z","kind":"error_burst","category":"network",
			"severity":"high","score":0.5,"confidence":0.75,"template_id":"t1","template":"boom <*>","log_ids":["`+log.String()+`"],
			"sample_lines":["boom 1"],"count":3,"expected":0.5,"first_seen":"2026-11-23T12:00:00Z","last_seen":"2026-11-23T12:00:00Z",
			"services":["web"],"sessions":["blk_1"],"evidence":"e","explanation":"x","suggested_action":"s","cause":"c","source":"local"}]}`,
			w.Do("GET", anomaliesPath, "").Body.String())
	})
	apitest.Run(t, "every parameter reaches the filter", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.Answer[wire.AnomalyList](t, w.Do("GET", anomaliesPath+"?severity=HIGH&kind=error_burst&source=web&id=a1&text=boom&from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z&limit=1&cursor=c", ""), http.StatusOK)
		require.Equal(t, domain.AnomalyFilter{
			MinSeverity: domain.SeverityHigh, Kind: domain.AnomalyErrorBurst, Source: "web", ID: "a1", Text: "boom", Limit: 1, Cursor: "c",
			From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		}, w.Logs.Anomalies)
	})
	t.Run("a wrong parameter is named", func(t *testing.T) {
		t.Parallel()
		for param, field := range map[string]string{"severity=bad": "severity", "kind=bad": "kind", "id=": "id", "text=": "text", "q=x": "q", "from=x": "from", "to=x": "to", "limit=0": "limit", "level=x": "level"} {
			apitest.FieldProblem(t, apitest.New(httpapi.Config{}).Do("GET", anomaliesPath+"?"+param, ""), field)
		}
	})
}

func TestOneAnomaly(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "it is shown with the analyses that found it", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := uuid.New()
		w.Logs.History = domain.AnomalyHistory{
			FoundAnomaly: domain.FoundAnomaly{TaskID: task, FoundAt: apitest.Now, Anomaly: domain.Anomaly{ID: "a1", Kind: domain.AnomalyErrorBurst, Category: domain.CategoryData, Severity: domain.SeverityHigh, Count: 7, Source: "local"}},
			TaskIDs:      []domain.TaskID{task, apitest.AnalysisTask}, Truncated: true,
		}
		require.JSONEq(t, `{
			"id":"a1","task_id":"`+task.String()+`","found_at":"2026-11-23T12:00:00Z","kind":"error_burst","category":"data","severity":"high",
			"score":0,"confidence":0,"template_id":"","template":"","log_ids":[],"sample_lines":[],"count":7,"expected":0,
			"first_seen":null,"last_seen":null,"services":[],"sessions":[],"evidence":"","explanation":"","suggested_action":"","cause":"","source":"local",
			"analyses":2,"task_ids":["`+task.String()+`","`+apitest.AnalysisTask.String()+`"],"truncated":true}`,
			w.Do("GET", anomaliesPath+"/a1", "").Body.String())
		require.Equal(t, []any{"a1"}, w.Logs.Asked)
	})
	apitest.Run(t, "its log entries are listed", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Logs.Behind = domain.AnomalyLogs{Logs: []domain.LogEntry{{Message: "boom"}}, Missing: 2, NextCursor: "next"}
		got := apitest.Answer[wire.AnomalyLogs](t, w.Do("GET", anomaliesPath+"/a%20b/logs?limit=5&cursor=c", ""), http.StatusOK)
		require.Equal(t, []any{"a b", 5, "c"}, w.Logs.Asked)
		require.Equal(t, "boom", got.Logs[0].Message)
		require.Equal(t, 2, got.Missing)
		require.Equal(t, "next", *got.NextCursor)
	})
	apitest.Run(t, "no list is null", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		require.JSONEq(t, `{"logs":[],"missing":0,"next_cursor":null}`, w.Do("GET", anomaliesPath+"/a1/logs", "").Body.String())
	})
	t.Run("one that was never found is told", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/a1", "/a1/logs"} {
			w := apitest.New(httpapi.Config{})
			w.Logs.Err = fmt.Errorf("%w: a1", domain.ErrAnomalyNotFound)
			apitest.Problem(t, w.Do("GET", anomaliesPath+path, ""), http.StatusNotFound, "anomaly-not-found")
		}
	})
	t.Run("a wrong parameter is named", func(t *testing.T) {
		t.Parallel()
		for target, field := range map[string]string{"/a1?limit=1": "limit", "/a1/logs?limit=0": "limit", "/a1/logs?level=error": "level"} {
			apitest.FieldProblem(t, apitest.New(httpapi.Config{}).Do("GET", anomaliesPath+target, ""), field)
		}
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "a server that serves is healthy, whatever its store does", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Queue.Err = domain.ErrStoreUnavailable
		w.Ready = map[string]error{"store": domain.ErrStoreUnavailable}
		require.Equal(t, wire.Health{Status: "ok"}, apitest.Answer[wire.Health](t, w.Do("GET", "/healthz?from=probe", ""), http.StatusOK))
	})
	apitest.Run(t, "it is ready when every component is", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Ready = map[string]error{"store": nil, "scheduler": nil}
		got := apitest.Answer[wire.Readiness](t, w.Do("GET", "/readyz", ""), http.StatusOK)
		require.Equal(t, wire.Readiness{Status: "ready", Components: map[string]wire.Component{"store": {Ready: true}, "scheduler": {Ready: true}}}, got)
	})
	t.Run("each component that is not says why, with addresses only to those who may read", func(t *testing.T) {
		t.Parallel()
		w, ring := apitest.Guarded(httpapi.Config{})
		w.Ready = map[string]error{
			"store":     fmt.Errorf("dial 10.1.2.3: %w", domain.ErrStoreUnavailable),
			"scheduler": &httpapi.ComponentError{Reason: "draining"},
			"other":     errors.New("open /secret"), "good": nil,
		}
		for name := range ring.Text {
			want := map[string]wire.Component{
				"store": {Reason: "store unavailable"}, "scheduler": {Reason: "draining"}, "good": {Ready: true},
				"other": {Reason: "not ready; the reason is shown to callers with a key"},
			}
			if role, _ := apikey.ParseRole(name); role.Includes(apikey.Read) {
				want["store"], want["other"] = wire.Component{Reason: "dial 10.1.2.3: store unavailable"}, wire.Component{Reason: "open /secret"}
			}
			got := apitest.Answer[wire.Readiness](t, w.Do("GET", "/readyz", "", ring.Bearer(name)...), http.StatusServiceUnavailable)
			require.Equal(t, wire.Readiness{Status: "not ready", Components: want}, got, name)
		}
	})
	t.Run("one that does less than it was set up to is ready", func(t *testing.T) {
		t.Parallel()
		w, ring := apitest.Guarded(httpapi.Config{})
		w.Ready = map[string]error{"store": nil, "analyzer": fmt.Errorf("probe: %w", &httpapi.ComponentError{Degraded: true, Reason: "no AI", Detail: "10.1.2.3 refuses the key"})}
		for name, want := range map[string]string{"none": "no AI", "read": "probe: 10.1.2.3 refuses the key"} {
			got := apitest.Answer[wire.Readiness](t, w.Do("GET", "/readyz", "", ring.Bearer(name)...), http.StatusOK)
			require.Equal(t, wire.Readiness{Status: "ready", Components: map[string]wire.Component{
				"store": {Ready: true}, "analyzer": {Ready: true, Degraded: true, Reason: want},
			}}, got)
		}
	})
	t.Run("a check has a bound", func(t *testing.T) {
		t.Parallel()
		api := httpapi.New(httpapi.Deps{
			Queue: &apitest.QueueStub{}, Logs: &apitest.LogsStub{},
			Readiness: apitest.ProbeFunc(func(ctx context.Context) map[string]error {
				<-ctx.Done()
				return map[string]error{"store": ctx.Err()}
			}),
		}, httpapi.Config{ReadyTimeout: time.Millisecond})
		w := &apitest.World{API: api}
		got := apitest.Answer[wire.Readiness](t, w.Do("GET", "/readyz", ""), http.StatusServiceUnavailable)
		require.False(t, got.Components["store"].Ready)
	})
}
