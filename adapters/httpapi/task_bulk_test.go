package httpapi_test

import (
	"encoding/json"
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

func TestBulkActionRequests(t *testing.T) {
	t.Parallel()
	one, two := uuid.New(), uuid.New()
	for name, c := range map[string]struct {
		body string
		want domain.BulkRequest
	}{
		"ids":        {`{"ids":["` + one.String() + `","` + two.String() + `"]}`, domain.BulkRequest{IDs: []domain.TaskID{one, two}}},
		"a dry run":  {`{"ids":["` + one.String() + `"],"dry_run":true}`, domain.BulkRequest{IDs: []domain.TaskID{one}, DryRun: true}},
		"every task": {`{"filter":{},"all":true}`, domain.BulkRequest{}},
		"a filter": {
			`{"ids":null,"filter":{"status":"failed","type":"echo","queue":"fast","tag":"red","reason":"panic","created_after":"2026-01-02T03:04:05+01:00","created_before":"2026-02-01T00:00:00Z"},"cursor":"c"}`,
			domain.BulkRequest{Filter: domain.TaskFilter{
				Status: domain.TaskStatusFailed, Type: "echo", Queue: "fast", Tag: "red", Reason: domain.ReasonPanic, Cursor: "c",
				CreatedAfter: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC), CreatedBefore: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
			}},
		},
	} {
		for _, action := range domain.TaskActions() {
			apitest.Run(t, name+", "+action.String(), httpapi.Config{}, func(t *testing.T, w *apitest.World) {
				apitest.Answer[wire.BulkResult](t, w.Do("POST", tasksPath+":"+action.String(), c.body), http.StatusOK)
				want := c.want
				want.Action = action
				require.Equal(t, want, w.Queue.Bulk)
			})
		}
	}
}

func TestBulkActionAnswers(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "counts, refusals with their problems, and where to go on", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		one, two, holder := uuid.New(), uuid.New(), uuid.New()
		w.Queue.Result = domain.BulkResult{
			Matched: 5, Changed: 3, Refused: 2, NextCursor: "next", Refusals: []domain.BulkRefusal{
				{ID: one, Err: &domain.TransitionError{TaskID: one, From: domain.TaskStatusCompleted, Node: true}},
				{ID: two, Err: &domain.DuplicateError{UniqueKey: "k", Holder: holder}},
			},
		}
		res := w.Do("POST", tasksPath+":retry", `{"filter":{"type":"echo"},"dry_run":true}`)
		got := apitest.Answer[wire.BulkResult](t, res, http.StatusOK)
		require.True(t, got.DryRun)
		require.Equal(t, []int{5, 3, 2}, []int{got.Matched, got.Changed, got.Refused})
		require.True(t, got.More)
		require.Equal(t, "next", *got.NextCursor)
		require.Equal(t, one, got.Refusals[0].ID)
		require.Equal(t, "COMPLETED", got.Refusals[0].Problem.TaskStatus)
		require.Contains(t, got.Refusals[0].Problem.Detail, "without its workflow")
		require.Equal(t, http.StatusConflict, got.Refusals[0].Problem.Status)
		require.Equal(t, holder.String(), got.Refusals[1].Problem.Holder)
	})
	t.Run("nothing is null but the cursor", func(t *testing.T) {
		t.Parallel()
		res := apitest.New(httpapi.Config{}).Do("POST", tasksPath+":run", `{"filter":{},"all":true}`)
		require.Equal(t, http.StatusOK, res.Code)
		require.JSONEq(t, `{"dry_run":false,"matched":0,"changed":0,"refused":0,"refusals":[],"more":false,"next_cursor":null}`, res.Body.String())
	})
	apitest.Run(t, "a cursor of another list is refused", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Queue.Err = domain.ErrInvalidCursor
		apitest.Problem(t, w.Do("POST", tasksPath+":run", `{"filter":{},"all":true,"cursor":"x"}`), http.StatusBadRequest, "invalid-cursor")
	})
}

func TestBulkActionsRefuse(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	many, err := json.Marshal(make([]uuid.UUID, domain.MaxBulk+1))
	require.NoError(t, err)
	for name, c := range map[string]struct{ body, field string }{
		"nothing":                   {``, "body"},
		"neither ids nor filter":    {`{"dry_run":true}`, "body"},
		"both":                      {`{"ids":["` + id + `"],"filter":{}}`, "body"},
		"all alone":                 {`{"all":true}`, "body"},
		"no ids":                    {`{"ids":[]}`, "ids"},
		"too many ids":              {`{"ids":` + string(many) + `}`, "ids"},
		"an id twice":               {`{"ids":["` + id + `","` + id + `"]}`, "ids.1"},
		"an id that is none":        {`{"ids":["` + id + `","7"]}`, "ids.1"},
		"an id in another spelling": {`{"ids":["{` + id + `}"]}`, "ids.0"},
		"an id of another kind":     {`{"ids":[7]}`, "ids.0"},
		"ids of another kind":       {`{"ids":"` + id + `"}`, "ids"},
		"ids with a cursor":         {`{"ids":["` + id + `"],"cursor":"c"}`, "cursor"},
		"ids with all":              {`{"ids":["` + id + `"],"all":true}`, "all"},
		"an empty filter":           {`{"filter":{}}`, "filter"},
		"a filter of empty fields":  {`{"filter":{"status":"","queue":""}}`, "filter"},
		"a filter and all":          {`{"filter":{"type":"echo"},"all":true}`, "all"},
		"a status that is none":     {`{"filter":{"status":"DONE"}}`, "filter.status"},
		"a queue that is no name":   {`{"filter":{"queue":"*"}}`, "filter.queue"},
		"a reason that is none":     {`{"filter":{"reason":"luck"}}`, "filter.reason"},
		"a type that is no name":    {`{"filter":{"type":"a b"}}`, "filter.type"},
		"a time that is none":       {`{"filter":{"created_after":"today"}}`, "filter.created_after"},
		"an unknown field":          {`{"filter":{"text":"x"}}`, "filter.text"},
		"a word for true":           {`{"filter":{"type":"echo"},"dry_run":"yes"}`, "dry_run"},
	} {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			apitest.FieldProblem(t, w.Do("POST", tasksPath+":delete", c.body), c.field)
			require.Zero(t, w.Queue.Writes, "nothing reaches the service")
		})
	}
	apitest.Run(t, "another method, content type or size", httpapi.Config{MaxTaskBytes: 100}, func(t *testing.T, w *apitest.World) {
		require.Equal(t, "POST", w.Do("DELETE", tasksPath+":delete", "").Header().Get("Allow"))
		apitest.Problem(t, w.Do("POST", tasksPath+":delete", `{}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "unsupported-media-type")
		apitest.Problem(t, w.Do("POST", tasksPath+":delete", strings.Repeat(" ", 101)), http.StatusRequestEntityTooLarge, "too-large")
		apitest.Problem(t, w.Do("POST", tasksPath+":purge", `{}`), http.StatusNotFound, "no-such-path")
		require.Zero(t, w.Queue.Writes)
	})
}

func TestABulkActionThatTheStoreStoppedIsNotKept(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	w.Queue.Result = domain.BulkResult{Matched: 1, Changed: 1, Stopped: domain.ErrStoreUnavailable}
	for range 2 {
		res := w.Do("POST", tasksPath+":run", `{"filter":{},"all":true}`, "Idempotency-Key", "k")
		require.Empty(t, res.Header().Get("Idempotency-Replayed"))
		require.Equal(t, http.StatusServiceUnavailable, apitest.Answer[wire.BulkResult](t, res, http.StatusOK).Stopped.Status)
	}
}
