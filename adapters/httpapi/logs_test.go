package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestReadLogs(t *testing.T) {
	t.Parallel()
	entry := domain.LogEntry{
		ID: uuid.New(), Timestamp: apitest.Now, ReceivedAt: apitest.Now.Add(time.Second), Level: domain.LogLevelError,
		Source: "web", Message: "boom", Attributes: map[string]string{"k": "v"},
	}
	apitest.Run(t, "an entry is shown", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Logs.Entries = []domain.LogEntry{entry}
		res := w.Do("GET", logsPath+"/"+entry.ID.String(), "")
		require.JSONEq(t, `{"id":"`+entry.ID.String()+`","timestamp":"2026-11-23T12:00:00Z","received_at":"2026-11-23T12:00:01Z",
			"level":"error","source":"web","message":"boom","attributes":{"k":"v"}}`, res.Body.String())
		apitest.Problem(t, w.Do("GET", logsPath+"/"+uuid.NewString(), ""), http.StatusNotFound, "log-not-found")
		apitest.FieldProblem(t, w.Do("GET", logsPath+"/x", ""), "id")
	})
	apitest.Run(t, "the log of a task goes on where it was", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		id, path := uuid.New(), tasksPath+"/"
		w.Logs.Page = domain.LogPage{Logs: []domain.LogEntry{entry}}
		got := apitest.Answer[wire.TaskLog](t, w.Do("GET", path+id.String()+"/logs", ""), http.StatusOK)
		require.Equal(t, []any{id, 0, domain.DefaultPageSize}, w.Logs.Asked)
		require.Equal(t, entry.ID, got.Logs[0].ID)
		require.True(t, got.More)
		w.Logs.Page = domain.LogPage{}
		rest := apitest.Answer[wire.TaskLog](t, w.Do("GET", path+id.String()+"/logs?limit=7&cursor="+got.NextCursor, ""), http.StatusOK)
		require.Equal(t, []any{id, 1, 7}, w.Logs.Asked)
		require.Equal(t, wire.TaskLog{Logs: []wire.LogEntry{}, NextCursor: got.NextCursor}, rest)
		apitest.Problem(t, w.Do("GET", path+id.String()+"/logs?cursor=t1.-1", ""), http.StatusBadRequest, "invalid-cursor")
		w.Logs.Err = domain.ErrTaskNotFound
		apitest.Problem(t, w.Do("GET", path+id.String()+"/logs", ""), http.StatusNotFound, "task-not-found")
	})
	apitest.Run(t, "every parameter reaches the filter", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Logs.Page = domain.LogPage{Logs: []domain.LogEntry{entry}, NextCursor: "n"}
		got := apitest.Answer[wire.LogList](t, w.Do("GET", logsPath+"?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z&level=WARN&source=web&text=a%20b&limit=200&cursor=c", ""), http.StatusOK)
		require.Equal(t, domain.LogFilter{
			From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
			MinLevel: domain.LogLevelWarn, Source: "web", Text: "a b", Limit: 200, Cursor: "c",
		}, w.Logs.Filter)
		require.Equal(t, "n", *got.NextCursor)
		require.Equal(t, entry.ID, got.Logs[0].ID)
	})
	t.Run("a wrong parameter is named", func(t *testing.T) {
		t.Parallel()
		for param, field := range map[string]string{
			"from=x": "from", "to=": "to", "level=loud": "level", "source=" + strings.Repeat("s", 257): "source",
			"text=" + strings.Repeat("s", 257): "text", "limit=x": "limit", "status=x": "status",
		} {
			apitest.FieldProblem(t, apitest.New(httpapi.Config{}).Do("GET", logsPath+"?"+param, ""), field)
		}
	})
}

func BenchmarkCreateLogs(b *testing.B) {
	const lines = 10_000
	for media, line := range map[string]string{
		plain:  "2026-11-23T10:20:30.123Z ERROR web: connection to 10.0.0.7:5432 timed out after 3000 ms\n",
		ndjson: `{"time":"2026-11-23T10:20:30.123Z","level":"error","service":"web","message":"connection to 10.0.0.7:5432 timed out","ms":3000}` + "\n",
	} {
		b.Run(media, func(b *testing.B) {
			body := strings.Repeat(line, lines)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				w := apitest.New(httpapi.Config{})
				require.Equal(b, http.StatusAccepted, w.Do("POST", logsPath, body, "Content-Type", media).Code)
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

func TestEachRouteOfABulkRequestTakesLogs(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		for path, source := range map[string]string{"/_bulk": "", "/app-logs/_bulk": "app-logs"} {
			w := apitest.New(httpapi.Config{})
			require.Equal(t, http.StatusOK, w.Do(method, path, "{\"index\":{}}\n{\"message\":\"m\"}\n", "Content-Type", ndjson).Code)
			require.Equal(t, source, w.Logs.Entries[0].Source)
		}
	}
}
