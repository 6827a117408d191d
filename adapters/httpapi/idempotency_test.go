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
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
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
	apitest.Run(t, "a repeat gives the first answer, and one task", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		first := w.Do("POST", tasksPath, `{"type":"echo","payload":{"a":"<1>"}}`, "Idempotency-Key", "order 7")
		created := apitest.Decode[wire.Task](t, strings.NewReader(first.Body.String()))
		require.NoError(t, w.Queue.Tasks[created.ID].MarkAsCancelled(apitest.Now))
		again := w.Do("POST", tasksPath, `{ "type": "echo", "payload": {"a": "<1>"} }`, "Idempotency-Key", "order 7")
		requireReplay(t, first, again)
		require.Len(t, w.Queue.Tasks, 1)
		require.Equal(t, 1, w.Queue.Writes)
	})
	apitest.Run(t, "many repeats at the same time make one task", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k") })
		}
		wg.Wait()
		require.Len(t, w.Queue.Tasks, 1)
	})
	apitest.Run(t, "other contents under the same key are refused", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k"), http.StatusCreated)
		apitest.Problem(t, w.Do("POST", tasksPath, `{"type":"echo","priority":1}`, "Idempotency-Key", "k"), http.StatusUnprocessableEntity, "idempotency-key-reused")
	})
	apitest.Run(t, "a key is no key for another path", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		one, two := w.Add(nil), w.Add(nil)
		for _, task := range []*domain.Task{one, two} {
			require.Equal(t, http.StatusOK, w.Do("POST", tasksPath+"/"+task.ID.String()+":cancel", "", "Idempotency-Key", "k").Code)
			require.Equal(t, domain.TaskStatusCancelled, w.Queue.Tasks[task.ID].Status)
		}
		require.Equal(t, http.StatusOK, w.Do("POST", tasksPath+"/"+one.ID.String()+":retry", "", "Idempotency-Key", "k").Code)
	})
	apitest.Run(t, "a request whose first has no answer yet is told to come again", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Idempotent.Calls["\x00POST\x00"+tasksPath+"\x00k"] = &apitest.IdempotentStubCall{Request: `{"type":"echo"}`}
		res := w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k")
		apitest.Problem(t, res, http.StatusConflict, "idempotency-key-in-use")
		require.Equal(t, "1", res.Header().Get("Retry-After"))
	})
	apitest.Run(t, "the id of a key never changes", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		space := uuid.MustParse("8f2b6c1e-5d0a-4c57-9a43-1e7c0b9d6f28")
		got := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k"), http.StatusCreated)
		require.Equal(t, uuid.NewSHA1(space, []byte("k")), got.ID)
		batch := apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, `[{"type":"echo"},{"type":"echo"}]`, "Idempotency-Key", "k"), http.StatusOK)
		require.Equal(t, uuid.NewSHA1(space, []byte("k\x00batch\x001")), batch.Results[1].Task.ID)
		require.Len(t, w.Queue.Tasks, 3)
	})
	apitest.Run(t, "the quotes of structured fields are no part of the key", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		first := w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", `a "b" \c`)
		requireReplay(t, first, w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", `"a \"b\" \\c"`))
	})
	apitest.Run(t, "a key that is none is refused", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := w.Add(nil)
		for path, body := range map[string]string{
			tasksPath: `{"type":"echo"}`, batchPath: `[{"type":"echo"}]`, tasksPath + ":run": `{"filter":{},"all":true}`,
			tasksPath + "/" + task.ID.String() + ":run": "",
		} {
			for _, key := range []string{"", strings.Repeat("k", 256), "a\tb", "ü", `""`, `"`, `"a`, `"a"b`, `"a\b"`, `"a\`, `"k";p=1`} {
				apitest.FieldProblem(t, w.Do("POST", path, body, "Idempotency-Key", key), "Idempotency-Key")
			}
			apitest.FieldProblem(t, w.Do("POST", path, body, "Idempotency-Key", "a", "Idempotency-Key", "b"), "Idempotency-Key")
		}
		require.Zero(t, w.Queue.Writes)
	})
	apitest.Run(t, "without a place for answers, the id still recognises a task", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		api := httpapi.New(httpapi.Deps{Queue: w.Queue, Logs: w.Logs, Readiness: apitest.ProbeFunc(func(context.Context) map[string]error { return nil })}, httpapi.Config{})
		for range 2 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tasksPath, strings.NewReader(`{"type":"echo"}`))
			r.Header.Set("Idempotency-Key", "k")
			res := openapitest.API().Serve(api.Handler(), r)
			require.Equal(t, http.StatusCreated, res.Code)
		}
		require.Len(t, w.Queue.Tasks, 1)
	})
}

func TestAKeyIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	for _, name := range []string{"write", "admin"} {
		auth := append(ring.Bearer(name), "Idempotency-Key", "k", "Content-Type", "application/json")
		first := w.Do("POST", tasksPath, `{"type":"echo","payload":"`+name+`"}`, auth...)
		require.Equal(t, http.StatusCreated, first.Code, "another caller's key is another key")
		requireReplay(t, first, w.Do("POST", tasksPath, `{"type":"echo","payload":"`+name+`"}`, auth...))
		w.Do("POST", logsPath, "a line", append(ring.Bearer(name), "Idempotency-Key", "k", "Content-Type", "text/plain")...)
	}
	require.Len(t, w.Queue.Tasks, 2)
	require.NotEqual(t, w.Logs.Entries[0].ID, w.Logs.Entries[1].ID, "log entries are told apart too")
}

func TestEveryChangeIsReplayed(t *testing.T) {
	t.Parallel()
	failed := func(task *domain.Task) {
		_ = task.MarkAsProcessing(uuid.New(), time.Minute, apitest.Now)
		_ = task.MarkAsFailed(domain.TaskError{Reason: domain.ReasonError}, apitest.Now)
	}
	for name, c := range map[string]struct {
		suffix, body string
		change       func(*domain.Task)
		status       int
	}{
		"a retry":       {"/ID:retry", "", failed, http.StatusOK},
		"a cancel":      {"/ID:cancel", "", nil, http.StatusOK},
		"a run":         {"/ID:run", "", func(task *domain.Task) { task.ScheduledAt = apitest.Now.Add(time.Hour) }, http.StatusOK},
		"a batch":       {":batch", "{\"type\":\"echo\"}\n{\"type\":\"\"}\n", nil, http.StatusOK},
		"a bulk action": {":cancel", `{"ids":["ID"]}`, nil, http.StatusOK},
	} {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			w.Queue.Result = domain.BulkResult{Matched: 1, Changed: 1}
			id := w.Add(c.change).ID.String()
			send := func(key string) *httptest.ResponseRecorder {
				return w.Do("POST", tasksPath+strings.ReplaceAll(c.suffix, "ID", id), strings.ReplaceAll(c.body, "ID", id), "Idempotency-Key", key)
			}
			first := send("k")
			require.Equal(t, c.status, first.Code, first.Body.String())
			writes := w.Queue.Writes
			requireReplay(t, first, send("k"))
			require.Equal(t, writes, w.Queue.Writes, "nothing is done again")
			require.Empty(t, send("another").Header().Get("Idempotency-Replayed"))
			require.Greater(t, w.Queue.Writes, writes)
		})
	}
}

func TestAnAnswerOfNothingDoneIsNotKept(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	id := w.Add(nil).ID.String()
	for path, body := range map[string]string{
		"/" + id + ":retry":               "",
		"/" + uuid.NewString() + ":retry": "",
		":batch":                          `[{"type":"unknown"}]`,
		":cancel":                         `{"ids":["` + uuid.NewString() + `"]}`,
		":delete":                         `{"filter":{},"all":true,"dry_run":true}`,
		"":                                `{"type":"unknown"}`,
	} {
		for range 2 {
			res := w.Do("POST", tasksPath+path, body, "Idempotency-Key", "k"+path)
			require.Empty(t, res.Header().Get("Idempotency-Replayed"), "%s: %s", path, res.Body.String())
		}
	}
	for key, call := range w.Idempotent.Calls {
		require.False(t, call.Done, key)
	}
}

func TestOnlyFinalAnswersAreKept(t *testing.T) {
	t.Parallel()
	for _, err := range []error{domain.ErrStoreUnavailable, domain.ErrQueueFull, domain.ErrStoreFull, context.DeadlineExceeded, context.Canceled, domain.ErrUnknownTaskType} {
		apitest.Run(t, err.Error(), httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			w.Queue.Err = err
			require.GreaterOrEqual(t, w.Do("POST", tasksPath, `{"type":"echo"}`, "Idempotency-Key", "k").Code, 400)
			w.Queue.Err = nil
			res := w.Do("POST", tasksPath, `{"type":"echo","priority":1}`, "Idempotency-Key", "k")
			apitest.Answer[wire.Task](t, res, http.StatusCreated)
			require.Empty(t, res.Header().Get("Idempotency-Replayed"))
		})
	}
	apitest.Run(t, "a part that failed for a reason that passes", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Queue.Result = domain.BulkResult{Matched: 1, Refused: 1, Refusals: []domain.BulkRefusal{{ID: uuid.New(), Err: domain.ErrStoreUnavailable}}}
		w.Queue.PartErr = domain.ErrQueueFull
		for range 2 {
			require.Empty(t, w.Do("POST", tasksPath+":run", `{"filter":{},"all":true}`, "Idempotency-Key", "k").Header().Get("Idempotency-Replayed"))
			require.Empty(t, w.Do("POST", batchPath, `[{"type":"echo"}]`, "Idempotency-Key", "k").Header().Get("Idempotency-Replayed"))
		}
		require.Equal(t, 4, w.Queue.Writes)
	})
}
