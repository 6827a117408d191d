package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status       int
		body         string
		out, failure string
	}{
		"ready": {
			http.StatusOK, `{"status":"ready","components":{"store":{"ready":true},"analyzer":{"ready":true,"degraded":true,"reason":"no\u001b[2J key"}}}`,
			"analyzer  degraded  no�[2J key\nstore     ready\n", "",
		},
		"not ready": {
			http.StatusServiceUnavailable, `{"status":"not ready","components":{"store":{"ready":false,"reason":"store unavailable"}}}`,
			"store  not ready  store unavailable\n", "logsift: the server is not ready\n",
		},
		"another program": {http.StatusOK, `<html>`, "", "is URL a logsift server?\n"},
		"a failing one":   {http.StatusInternalServerError, `{"status":"ready"}`, "", "HTTP 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/readyz" {
					http.NotFound(w, r)
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			var out, errs bytes.Buffer
			e := &environment{stdout: &out, stderr: &errs, getenv: func(name string) string {
				if name == "LOGSIFT_SERVER" {
					return server.URL
				}
				return ""
			}}
			status := e.execute(t.Context(), []string{"health"})
			require.Equal(t, c.out, out.String())
			failure := string(bytes.ReplaceAll(errs.Bytes(), []byte(server.URL), []byte("URL")))
			if c.failure == "" {
				require.Empty(t, failure)
				require.Zero(t, status)
				return
			}
			require.Contains(t, failure, c.failure)
			require.Equal(t, exitFailed, status)
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		var errs bytes.Buffer
		e := &environment{stdout: &bytes.Buffer{}, stderr: &errs, getenv: func(string) string { return "" }}
		require.Equal(t, exitFailed, e.execute(t.Context(), []string{"health", "--server", "http://127.0.0.1:1", "-o", "json"}))
		require.Contains(t, errs.String(), "connection refused")
	})
}
