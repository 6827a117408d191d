package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// requireReplay requires that again is the answer first, and says that it was kept.
func requireReplay(t *testing.T, first, again *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, first.Code, again.Code)
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, first.Header().Get("Location"), again.Header().Get("Location"))
	require.Equal(t, first.Header().Get("ETag"), again.Header().Get("ETag"))
	require.Equal(t, first.Header().Get("Content-Type"), again.Header().Get("Content-Type"))
	require.Empty(t, first.Header().Get("Idempotency-Replayed"))
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	t.Run("a repeat gives the first answer, and one task", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		first := w.do("POST", tasksPath, `{"type":"echo","payload":{"a":"<1>"}}`, "Idempotency-Key", "order 7")
		created := decode[wire.Task](t, strings.NewReader(first.Body.String()))
		require.NoError(t, w.queue.tasks[created.ID].MarkAsCancelled(now))
		again := w.do("POST", tasksPath, `{ "type": "echo", "payload": {"a": "<1>"} }`, "Idempotency-Key", "order 7")
		requireReplay(t, first, again)
		require.Len(t, w.queue.tasks, 1)
		require.Equal(t, 1, w.queue.writes)
	})
	t.Run("many repeats at the same time make one task", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k") })
		}
		wg.Wait()
		require.Len(t, w.queue.tasks, 1)
	})
	t.Run("other contents under the same key are refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		answer[wire.Task](t, w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k"), http.StatusCreated)
		problem(t, w.do("POST", tasksPath, `{"type":"echo","priority":1}`, "Idempotency-Key", "k"), http.StatusUnprocessableEntity, "idempotency-key-reused")
	})
	t.Run("a key is no key for another path", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		one, two := w.add(nil), w.add(nil)
		for _, task := range []*domain.Task{one, two} {
			require.Equal(t, http.StatusOK, w.do("POST", tasksPath+"/"+task.ID.String()+":cancel", "", "Idempotency-Key", "k").Code)
			require.Equal(t, domain.TaskStatusCancelled, w.queue.tasks[task.ID].Status)
		}
		require.Equal(t, http.StatusOK, w.do("POST", tasksPath+"/"+one.ID.String()+":retry", "", "Idempotency-Key", "k").Code)
	})
	t.Run("a request whose first has no answer yet is told to come again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		w.keyed.calls["\x00POST\x00"+tasksPath+"\x00k"] = &keyedStubCall{request: `{"type":"echo"}`}
		res := w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k")
		problem(t, res, http.StatusConflict, "idempotency-key-in-use")
		require.Equal(t, "1", res.Header().Get("Retry-After"))
	})
	t.Run("the id of a key never changes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		space := uuid.MustParse("8f2b6c1e-5d0a-4c57-9a43-1e7c0b9d6f28")
		got := answer[wire.Task](t, w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k"), http.StatusCreated)
		require.Equal(t, uuid.NewSHA1(space, []byte("k")), got.ID)
		batch := answer[wire.BatchResults](t, w.do("POST", batchPath, `[{"type":"echo"},{"type":"echo"}]`, "Idempotency-Key", "k"), http.StatusOK)
		require.Equal(t, uuid.NewSHA1(space, []byte("k\x00batch\x001")), batch.Results[1].Task.ID)
		require.Len(t, w.queue.tasks, 3)
	})
	t.Run("the quotes of structured fields are no part of the key", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		first := w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", `a "b" \c`)
		requireReplay(t, first, w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", `"a \"b\" \\c"`))
	})
	t.Run("a key that is none is refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		task := w.add(nil)
		for path, body := range map[string]string{
			tasksPath: `{"type":"echo"}`, batchPath: `[{"type":"echo"}]`, tasksPath + ":run": `{"filter":{},"all":true}`,
			tasksPath + "/" + task.ID.String() + ":run": "",
		} {
			for _, key := range []string{"", strings.Repeat("k", 256), "a\tb", "ü", `""`, `"`, `"a`, `"a"b`, `"a\b"`, `"a\`, `"k";p=1`} {
				fieldProblem(t, w.do("POST", path, body, "Idempotency-Key", key), "Idempotency-Key")
			}
			fieldProblem(t, w.do("POST", path, body, "Idempotency-Key", "a", "Idempotency-Key", "b"), "Idempotency-Key")
		}
		require.Zero(t, w.queue.writes)
	})
	t.Run("without a place for answers, the id still recognises a task", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		api := httpapi.New(httpapi.Deps{Queue: w.queue, Logs: w.logs, Readiness: probeFunc(func(context.Context) map[string]error { return nil })}, httpapi.Config{})
		for range 2 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tasksPath, strings.NewReader(`{"type":"echo"}`))
			r.Header.Set("Idempotency-Key", "k")
			res := httptest.NewRecorder()
			api.Handler().ServeHTTP(res, r)
			require.Equal(t, http.StatusCreated, res.Code)
		}
		require.Len(t, w.queue.tasks, 1)
	})
}

func TestAKeyIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	for _, name := range []string{"write", "admin"} {
		auth := append(ring.bearer(name), "Idempotency-Key", "k", "Content-Type", "application/json")
		first := w.do("POST", tasksPath, `{"type":"echo","payload":"`+name+`"}`, auth...)
		require.Equal(t, http.StatusCreated, first.Code, "another caller's key is another key")
		requireReplay(t, first, w.do("POST", tasksPath, `{"type":"echo","payload":"`+name+`"}`, auth...))
		w.do("POST", logsPath, "a line", append(ring.bearer(name), "Idempotency-Key", "k", "Content-Type", "text/plain")...)
	}
	require.Len(t, w.queue.tasks, 2)
	require.NotEqual(t, w.logs.entries[0].ID, w.logs.entries[1].ID, "log entries are told apart too")
}

func TestEveryChangeIsReplayed(t *testing.T) {
	t.Parallel()
	failed := func(task *domain.Task) {
		_ = task.MarkAsProcessing(uuid.New(), time.Minute, now)
		_ = task.MarkAsFailed(domain.TaskError{Reason: domain.ReasonError}, now)
	}
	for name, c := range map[string]struct {
		suffix, body string
		change       func(*domain.Task)
		status       int
	}{
		"a retry":                   {"/ID:retry", "", failed, http.StatusOK},
		"a cancel":                  {"/ID:cancel", "", nil, http.StatusOK},
		"a run":                     {"/ID:run", "", func(task *domain.Task) { task.ScheduledAt = now.Add(time.Hour) }, http.StatusOK},
		"a step that was forbidden": {"/ID:retry", "", nil, http.StatusConflict},
		"a task that is not there":  {"/" + uuid.NewString() + ":retry", "", nil, http.StatusNotFound},
		"a batch":                   {":batch", "{\"type\":\"echo\"}\n{\"type\":\"\"}\n", nil, http.StatusOK},
		"a bulk action":             {":cancel", `{"ids":["ID"]}`, nil, http.StatusOK},
		"a dry run":                 {":delete", `{"filter":{},"all":true,"dry_run":true}`, nil, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(httpapi.Config{})
			id := w.add(c.change).ID.String()
			send := func(key string) *httptest.ResponseRecorder {
				return w.do("POST", tasksPath+strings.ReplaceAll(c.suffix, "ID", id), strings.ReplaceAll(c.body, "ID", id), "Idempotency-Key", key)
			}
			first := send("k")
			require.Equal(t, c.status, first.Code, first.Body.String())
			writes := w.queue.writes
			requireReplay(t, first, send("k"))
			require.Equal(t, writes, w.queue.writes, "nothing is done again")
			require.Empty(t, send("another").Header().Get("Idempotency-Replayed"))
			require.Greater(t, w.queue.writes, writes)
		})
	}
}

func TestOnlyFinalAnswersAreKept(t *testing.T) {
	t.Parallel()
	for _, err := range []error{domain.ErrStoreUnavailable, domain.ErrQueueFull, domain.ErrStoreFull, context.DeadlineExceeded, context.Canceled, domain.ErrUnknownTaskType} {
		t.Run(err.Error(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(httpapi.Config{})
			w.queue.err = err
			require.GreaterOrEqual(t, w.do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k").Code, 400)
			w.queue.err = nil
			res := w.do("POST", tasksPath, `{"type":"echo","priority":1}`, "Idempotency-Key", "k")
			answer[wire.Task](t, res, http.StatusCreated)
			require.Empty(t, res.Header().Get("Idempotency-Replayed"))
		})
	}
	t.Run("a part that failed for a reason that passes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		w.queue.result = domain.BulkResult{Matched: 1, Refused: 1, Refusals: []domain.BulkRefusal{{ID: uuid.New(), Err: domain.ErrStoreUnavailable}}}
		w.queue.partErr = domain.ErrQueueFull
		for range 2 {
			require.Empty(t, w.do("POST", tasksPath+":run", `{"filter":{},"all":true}`, "Idempotency-Key", "k").Header().Get("Idempotency-Replayed"))
			require.Empty(t, w.do("POST", batchPath, `[{"type":"echo"}]`, "Idempotency-Key", "k").Header().Get("Idempotency-Replayed"))
		}
		require.Equal(t, 4, w.queue.writes)
	})
}
