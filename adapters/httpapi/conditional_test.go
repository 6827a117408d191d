package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestAVersionThatTheClientHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	task := w.Add(nil)
	w.Logs.History = domain.AnomalyHistory{FoundAnomaly: domain.FoundAnomaly{
		TaskID: apitest.AnalysisTask, FoundAt: apitest.Now,
		Anomaly: domain.Anomaly{
			ID: "a", Kind: domain.AnomalyErrorBurst, Category: domain.CategoryNetwork, Severity: domain.SeverityHigh, Source: "local",
		},
	}}
	for path, change := range map[string]func(){
		tasksPath + "/" + task.ID.String(): func() { task.Errors = []domain.TaskError{{Reason: domain.ReasonError, Message: "x", At: apitest.Now}} },
		anomaliesPath + "/a":               func() { w.Logs.History.Count++ },
	} {
		first := w.Do("GET", path, "")
		require.Equal(t, http.StatusOK, first.Code)
		etag := first.Header().Get("ETag")
		require.Regexp(t, `^"[0-9a-f]{32}"$`, etag, "it is strong")
		require.Equal(t, "no-store", first.Header().Get("Cache-Control"))

		for _, method := range []string{"GET", "HEAD"} {
			for _, have := range []string{etag, "W/" + etag, "*", `"x,y",W/"z" , ` + etag, `, ,` + etag + `,`} {
				res := w.Do(method, path, "", "If-None-Match", have)
				require.Equal(t, http.StatusNotModified, res.Code, have)
				require.Equal(t, etag, res.Header().Get("ETag"))
				require.Empty(t, res.Header().Get("Content-Type"))
				require.Empty(t, res.Body.Bytes())
			}
			for _, have := range []string{`"x"`, etag[1 : len(etag)-1], `"x,` + etag[1:], `""`, ""} {
				res := w.Do(method, path, "", "If-None-Match", have)
				require.Equal(t, http.StatusOK, res.Code, have)
				require.Equal(t, etag, res.Header().Get("ETag"))
			}
			require.Equal(t, http.StatusOK, w.Do(method, path, "", "If-Match", etag).Code)
			require.Equal(t, http.StatusNotModified, w.Do(method, path, "", "If-Match", etag, "If-None-Match", etag).Code)
			res := w.Do(method, path, "", "If-Match", `"x"`, "If-None-Match", etag)
			require.Equal(t, http.StatusPreconditionFailed, res.Code, "If-Match comes first")
			require.Empty(t, res.Header().Get("ETag"), "the problem is no version of it")
		}
		change()
		res := w.Do("GET", path, "", "If-None-Match", etag)
		require.Equal(t, http.StatusOK, res.Code)
		require.NotEqual(t, etag, res.Header().Get("ETag"))
	}
	// What is not there has no version.
	apitest.Problem(t, w.Do("GET", tasksPath+"/0190f000-0000-7000-8000-000000000001", "", "If-None-Match", "*"), http.StatusNotFound, "task-not-found")
}

func TestAListOfTagsMayBeInSeveralLines(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	path := tasksPath + "/" + w.Add(nil).ID.String()
	send := func(method string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.Header = header
		res := httptest.NewRecorder()
		w.API.Handler().ServeHTTP(res, r)
		return res
	}
	etag := send("GET", http.Header{}).Header().Get("ETag")
	require.Equal(t, http.StatusNotModified, send("GET", http.Header{"If-None-Match": {`"x"`, etag}}).Code)
	require.Equal(t, http.StatusPreconditionFailed, send("DELETE", http.Header{"If-Match": {`"x"`, `"y"`}}).Code)
	require.Equal(t, http.StatusBadRequest, send("DELETE", http.Header{"If-Match": {etag, "*"}}).Code)
	require.Equal(t, http.StatusNoContent, send("DELETE", http.Header{"If-Match": {`"x"`, etag}}).Code)
}

func TestAChangeOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, suffix     string
		allowed, forbidden domain.TaskStatus
		done               int
	}{
		"delete": {"DELETE", "", domain.TaskStatusPending, domain.TaskStatusProcessing, http.StatusNoContent},
		"retry":  {"POST", ":retry", domain.TaskStatusFailed, domain.TaskStatusPending, http.StatusOK},
		"cancel": {"POST", ":cancel", domain.TaskStatusPending, domain.TaskStatusCompleted, http.StatusOK},
		"run":    {"POST", ":run", domain.TaskStatusRetrying, domain.TaskStatusFailed, http.StatusOK},
	} {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			task := w.Add(func(task *domain.Task) { task.Status = c.allowed })
			path := tasksPath + "/" + task.ID.String()
			etag := w.Do("GET", path, "").Header().Get("ETag")
			change := func(headers ...string) *httptest.ResponseRecorder {
				return w.Do(c.method, path+c.suffix, "", headers...)
			}

			for _, other := range []string{`"x"`, "W/" + etag, `"x", W/` + etag, `"*"`, `""`} {
				p := apitest.Problem(t, change("If-Match", other), http.StatusPreconditionFailed, "precondition-failed")
				require.Contains(t, p.Detail, etag, "it tells the version that is there")
			}
			apitest.Problem(t, change("If-None-Match", etag), http.StatusPreconditionFailed, "precondition-failed")
			apitest.Problem(t, change("If-Match", etag, "If-None-Match", "*"), http.StatusPreconditionFailed, "precondition-failed")
			for _, malformed := range []string{"", "x", etag[1:], etag + " " + etag, etag + ", *", "w/" + etag, `"a b"`} {
				apitest.FieldProblem(t, change("If-Match", malformed), "If-Match")
			}
			require.Zero(t, w.Queue.Writes, "nothing was asked of the store")

			task.Status = c.forbidden
			apitest.Problem(t, change("If-Match", `"x"`), http.StatusConflict, "invalid-transition")
			require.Zero(t, w.Queue.Writes, "the state is told first, as without the header")
			task.Status = c.allowed

			require.Equal(t, c.done, change("If-Match", `"x", `+etag).Code)
			require.Equal(t, 1, w.Queue.Writes)
		})
		apitest.Run(t, name+" of any version", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			path := tasksPath + "/" + w.Add(func(task *domain.Task) { task.Status = c.allowed }).ID.String() + c.suffix
			require.Equal(t, c.done, w.Do(c.method, path, "", "If-Match", "*").Code)
		})
		t.Run(name+" of what is not there", func(t *testing.T) {
			t.Parallel()
			path := tasksPath + "/0190f000-0000-7000-8000-000000000001" + c.suffix
			apitest.Problem(t, apitest.New(httpapi.Config{}).Do(c.method, path, "", "If-Match", "*"), http.StatusNotFound, "task-not-found")
		})
	}
}

func TestChangesGoFromVersionToVersion(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	made := w.Do("POST", tasksPath, `{"type":"echo"}`)
	path := made.Header().Get("Location")
	etag := made.Header().Get("ETag")
	require.Equal(t, etag, w.Do("GET", path, "").Header().Get("ETag"), "a new task tells its version")

	first := w.Do("POST", path+":cancel", "", "If-Match", etag, "Idempotency-Key", "k")
	require.Equal(t, http.StatusOK, first.Code)
	cancelled := first.Header().Get("ETag")
	require.NotEqual(t, etag, cancelled)
	require.Equal(t, cancelled, w.Do("GET", path, "").Header().Get("ETag"), "so does a change")

	// A repeat whose first answer was lost is told that, whatever the version is apitest.Now.
	requireReplay(t, first, w.Do("POST", path+":cancel", "", "If-Match", etag, "Idempotency-Key", "k"))
	// A refusal is not kept: the key is free for the request that was mended.
	apitest.Problem(t, w.Do("POST", path+":retry", "", "If-Match", etag, "Idempotency-Key", "k"), http.StatusPreconditionFailed, "precondition-failed")
	require.Equal(t, "PENDING", apitest.Answer[wire.Task](t, w.Do("POST", path+":retry", "", "If-Match", cancelled, "Idempotency-Key", "k"), http.StatusOK).Status)
}
