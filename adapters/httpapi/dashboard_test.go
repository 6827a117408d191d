package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
)

func TestTheDashboardIsForBrowsers(t *testing.T) {
	t.Parallel()
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, "page "+r.URL.Path)
	})
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	ask := func(dashboard http.Handler, method, path, accept string) *httptest.ResponseRecorder {
		api := httpapi.New(httpapi.Deps{Queue: &apitest.QueueStub{}, Dashboard: dashboard}, httpapi.Config{})
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/", "/ui", "/ui/", "/ui/tasks", "/ui/assets/js/main.js"} {
		res := ask(pages, http.MethodGet, path, html)
		require.Equal(t, http.StatusOK, res.Code, path)
		require.Equal(t, "no-cache", res.Header().Get("Cache-Control"), "the dashboard sets its own headers")
		require.Equal(t, "page "+path, res.Body.String())
		require.Equal(t, http.StatusNotFound, ask(nil, http.MethodGet, path, html).Code, "%s without a dashboard", path)
	}
	require.Equal(t, "page /ui/assets/js/main.js", ask(pages, http.MethodGet, "/ui/assets/js/main.js", "*/*").Body.String(), "modules are fetched without a preference")
	for _, accept := range []string{"application/json", "*/*", ""} {
		res := ask(pages, http.MethodGet, "/", accept)
		require.Equal(t, "Elasticsearch", res.Header().Get("X-Elastic-Product"), "clients of Elasticsearch find it at / with Accept %q", accept)
	}
	require.Equal(t, http.StatusMethodNotAllowed, ask(pages, http.MethodPost, "/ui/tasks", html).Code)
	require.Equal(t, http.StatusNotFound, ask(pages, http.MethodGet, "/uix", html).Code)
}
