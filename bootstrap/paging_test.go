package bootstrap_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
)

// paged is a list of the API with the means to change what it holds.
type paged struct {
	path string
	// add puts an item in, at so many ticks, and returns its id. Items of equal ticks
	// have equal times.
	add    func(ctx context.Context, tick int) string
	remove func(ctx context.Context, id string)
	// read returns the ids of a page and the cursor of the next.
	read func(t *testing.T, body []byte) (ids []string, next *string)
}

func TestCursorsStayStableWhileItemsComeAndGo(t *testing.T) {
	t.Parallel()
	const (
		items = 60
		limit = 7
		ticks = 20 // so that three items share each time
	)
	for name, newList := range map[string]func(*testing.T) (http.Handler, paged){
		"tasks": pagedTasks, "logs": pagedLogs, "anomalies": pagedAnomalies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, list := newList(t)
			ctx := t.Context()
			var stays []string
			for i := range items {
				stays = append(stays, list.add(ctx, i*ticks/items))
			}
			seen, gone := map[string]int{}, map[string]bool{}
			cursor := ""
			for page := range items { // far more than there are pages
				ids, next := list.read(t, getPage(t, api, list.path, limit, cursor))
				require.LessOrEqual(t, len(ids), limit)
				for _, id := range ids {
					seen[id]++
					require.False(t, gone[id], "%s was removed before this page", id)
				}
				if next == nil {
					break
				}
				cursor = *next
				// The last item of the page is where the cursor points; it and one that
				// comes later go, and items come at every time, that of the cursor too.
				for _, id := range []string{ids[len(ids)-1], stays[page]} {
					if !gone[id] {
						list.remove(ctx, id)
						gone[id] = true
					}
				}
				for tick := range ticks + 2 {
					list.add(ctx, tick)
				}
			}
			pages := 0
			for id, times := range seen {
				require.Equal(t, 1, times, "%s was shown twice", id)
				pages++
			}
			require.Greater(t, pages, items/2)
			for _, id := range stays {
				if !gone[id] {
					require.Equal(t, 1, seen[id], "%s was there all the time", id)
				}
			}
			require.Greater(t, len(gone), 5, "items were removed between pages")
		})
	}
}

// getPage reads a page of a list, which must be answered.
func getPage(t *testing.T, api http.Handler, path string, limit int, cursor string) []byte {
	t.Helper()
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	res := httptest.NewRecorder()
	api.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"?"+query.Encode(), nil))
	require.Equal(t, http.StatusOK, res.Code, res.Body.String())
	return res.Body.Bytes()
}

// ticking is a clock of the store that a test sets.
type ticking struct{ at time.Time }

func (c *ticking) set(tick int) { c.at = time.Unix(1_780_000_000+int64(tick), 0) }

func (c *ticking) now() time.Time { return c.at }

func pagedTasks(t *testing.T) (http.Handler, paged) {
	t.Helper()
	clock := &ticking{}
	queue := memstore.NewTaskQueue(memstore.Config{Now: clock.now})
	api := httpapi.New(httpapi.Deps{Queue: application.NewQueueService(queue, nil, nil)}, httpapi.Config{})
	return api.Handler(), paged{
		path: "/api/v1/queue/tasks",
		add: func(ctx context.Context, tick int) string {
			clock.set(tick)
			stored, err := queue.Enqueue(ctx, domain.NewTask(uuid.New(), "echo", nil))
			require.NoError(t, err)
			return stored[0].ID.String()
		},
		remove: func(ctx context.Context, id string) { require.NoError(t, queue.DeleteTask(ctx, uuid.MustParse(id))) },
		read: func(t *testing.T, body []byte) (ids []string, next *string) {
			t.Helper()
			var page wire.TaskList
			require.NoError(t, json.Unmarshal(body, &page))
			for _, each := range page.Tasks {
				ids = append(ids, each.ID.String())
			}
			return ids, page.NextCursor
		},
	}
}

// logStore returns the API of the log entries in a store.
func logStore(t *testing.T) (http.Handler, *memstore.LogRepository, *ticking) {
	t.Helper()
	clock := &ticking{}
	clock.set(0)
	logs := memstore.NewLogRepository(memstore.Config{Now: clock.now})
	service, err := application.NewLogService(logs, nil, application.LogServiceConfig{}, nil)
	require.NoError(t, err)
	return httpapi.New(httpapi.Deps{Queue: application.NewQueueService(nil, nil, nil), Logs: service}, httpapi.Config{}).Handler(), logs, clock
}

func pagedLogs(t *testing.T) (http.Handler, paged) {
	t.Helper()
	api, logs, clock := logStore(t)
	return api, paged{
		path: "/api/v1/logs",
		add: func(ctx context.Context, tick int) string {
			clock.set(tick)
			id := uuid.New()
			_, err := logs.SaveLogs(ctx, id, domain.LogEntry{ID: id, Timestamp: clock.at, Level: domain.LogLevelInfo, Message: "x"})
			require.NoError(t, err)
			return id.String()
		},
		remove: func(ctx context.Context, id string) { require.NoError(t, logs.DeleteBatches(ctx, uuid.MustParse(id))) },
		read: func(t *testing.T, body []byte) (ids []string, next *string) {
			t.Helper()
			var page wire.LogList
			require.NoError(t, json.Unmarshal(body, &page))
			for _, each := range page.Logs {
				ids = append(ids, each.ID.String())
			}
			return ids, page.NextCursor
		},
	}
}

func pagedAnomalies(t *testing.T) (http.Handler, paged) {
	t.Helper()
	api, logs, clock := logStore(t)
	return api, paged{
		path: "/api/v1/anomalies",
		add: func(ctx context.Context, tick int) string {
			clock.set(tick)
			id := uuid.New()
			require.NoError(t, logs.SaveAnalysis(ctx, id, domain.AnalysisResult{Anomalies: []domain.Anomaly{{
				ID: id.String(), Kind: domain.AnomalyErrorBurst, Severity: domain.SeverityHigh, Source: "local",
			}}}))
			return id.String()
		},
		remove: func(ctx context.Context, id string) { require.NoError(t, logs.DeleteBatches(ctx, uuid.MustParse(id))) },
		read: func(t *testing.T, body []byte) (ids []string, next *string) {
			t.Helper()
			var page wire.AnomalyList
			require.NoError(t, json.Unmarshal(body, &page))
			for _, each := range page.Anomalies {
				ids = append(ids, each.ID)
			}
			return ids, page.NextCursor
		},
	}
}
