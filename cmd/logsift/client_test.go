package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent on, with the key %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer target.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+r.URL.Path, http.StatusMovedPermanently)
	}))
	defer proxy.Close()
	for _, args := range [][]string{{"stats"}, {"task", "cancel", "0197a2f4-0000-7000-8000-000000000001"}, {"task", "watch"}} {
		var out, errs bytes.Buffer
		e := &environment{stdin: &bytes.Buffer{}, stdout: &out, stderr: &errs, getenv: func(name string) string {
			return map[string]string{"LOGSIFT_SERVER": proxy.URL, apiKeyEnvVar: "key"}[name]
		}}
		require.Equal(t, exitFailed, e.execute(t.Context(), args), args)
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), "the server sends on to "+target.URL+": use that as --server", args)
	}
}
