package problem_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
)

func TestProblemsAreExplainedByTheServer(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	// A program goes from a problem to its explanation by the link.
	res := w.Do("GET", "/api/v1/queue/tasks/x", "")
	link := res.Header().Get("Link")
	p := apitest.Problem(t, res, http.StatusBadRequest, "invalid-request")
	path, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	got := apitest.Answer[wire.ProblemType](t, w.Do("GET", path, ""), http.StatusOK)
	require.Equal(t, []any{p.Type, p.Title, p.Status}, []any{got.Type, got.Title, got.Status})
	require.False(t, got.Retry)
	require.Contains(t, got.Meaning, "errors names each field")

	// A person reads all of them.
	all := apitest.Answer[wire.ProblemTypes](t, w.Do("GET", "/problems", ""), http.StatusOK)
	require.Greater(t, len(all.Problems), 25)
	page := w.Do("GET", "/problems", "", "Accept", "text/html,*/*")
	require.Equal(t, http.StatusOK, page.Code)
	require.Equal(t, "text/html; charset=utf-8", page.Header().Get("Content-Type"))
	require.Equal(t, "Accept", page.Header().Get("Vary"))
	for _, kind := range all.Problems {
		require.Equal(t, kind, apitest.Answer[wire.ProblemType](t, w.Do("GET", "/problems/"+kind.Name, ""), http.StatusOK))
		require.Contains(t, page.Body.String(), `<h1><a href="/problems/`+kind.Name+`">`)
		require.Contains(t, w.Do("GET", "/problems/"+kind.Name, "", "Accept", "text/html").Body.String(), kind.Type)
	}
	apitest.Problem(t, w.Do("GET", "/problems/no-such", ""), http.StatusNotFound, "no-such-path")
}
