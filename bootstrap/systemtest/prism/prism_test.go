//go:build tools

package prism_test

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/bootstrap"
	"logsift/bootstrap/systemtest/proc"
)

// prism starts the proxy before a server, until the test ends, and returns its URL.
func prism(t *testing.T, upstream string) string {
	t.Helper()
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	tools := cmp.Or(os.Getenv("LOGSIFT_TOOLS"), filepath.Join(home, ".cache", "logsift-tools"))
	program := filepath.Join(tools, "npm", "node_modules", ".bin", "prism")
	require.FileExists(t, program, "sh .ci/tools installs it")
	document := filepath.Join(t.TempDir(), "openapi.json")
	require.NoError(t, os.WriteFile(document, httpapi.OpenAPI(), 0o600))
	port, err := freePort(t)
	require.NoError(t, err)
	proc.Run(t, proc.Command(program, "proxy", "--errors", "--port", port, "--host", "127.0.0.1", document, upstream), "Prism is listening")
	return "http://127.0.0.1:" + port
}

func freePort(t *testing.T) (string, error) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func serve(t *testing.T) string {
	t.Helper()
	c := bootstrap.DefaultConfig()
	c.Store, c.Addr, c.LogLevel = "memory:", "127.0.0.1:0", "error"
	a, err := bootstrap.New(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	t.Cleanup(func() { _ = a.Stop(context.WithoutCancel(t.Context())) })
	return a.URL()
}

// ask sends a request, and returns the status, the type of the problem if there is
// one, and the answer.
func ask(t *testing.T, url, method, path, body string) (int, string, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var answer map[string]any
	if len(data) > 0 {
		require.NoError(t, json.Unmarshal(data, &answer), "%s %s: %s", method, path, data)
	}
	kind, _ := answer["type"].(string)
	require.NotContains(t, kind, "stoplight.io", "%s %s: Prism finds the contract broken: %s", method, path, data)
	return res.StatusCode, strings.TrimPrefix(kind, "urn:logsift:problem:"), answer
}

// TestPrismFindsNothing follows tasks, logs and queues through the proxy.
func TestPrismFindsNothing(t *testing.T) {
	url := prism(t, serve(t))
	const tasks = "/api/v1/queue/tasks"
	payload := `"payload":{"log_ids":["0190f000-0000-7000-8000-000000000001"]}`

	status, _, task := ask(t, url, "POST", tasks, `{"type":"log_analysis","priority":9,"delay_seconds":3600,"unique_key":"k",`+payload+`}`)
	require.Equal(t, 201, status)
	id, _ := task["id"].(string)
	one := tasks + "/" + id
	status, kind, _ := ask(t, url, "POST", tasks, `{"type":"log_analysis","unique_key":"k",`+payload+`}`)
	require.Equal(t, []any{409, "duplicate-task"}, []any{status, kind})
	status, kind, _ = ask(t, url, "POST", tasks, `{"type":"nobody"}`)
	require.Equal(t, []any{400, "unknown-task-type"}, []any{status, kind})
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", one, "", 200}, {"POST", one + ":cancel", "", 200}, {"POST", one + ":cancel", "", 409}, {"POST", one + ":retry", "", 200},
		{"GET", tasks + "?status=RETRYING&limit=1", "", 200}, {"GET", tasks + "?cursor=nobody", "", 400},
		{"POST", tasks + ":batch", `[{"type":"log_analysis",` + payload + `,"delay_seconds":3600}]`, 200},
		{"POST", tasks + ":cancel", `{"filter":{"queue":"default"},"dry_run":true}`, 200}, {"POST", tasks + ":run", `{"ids":["` + id + `"]}`, 200},
		{"POST", tasks + ":delete", `{"filter":{},"all":true}`, 200}, {"GET", one, "", 404}, {"DELETE", one, "", 404}, {"POST", one + ":run", "", 404},
		{"GET", "/api/v1/queue/stats", "", 200}, {"GET", "/api/v1/queue/queues", "", 200}, {"GET", "/api/v1/queue/workers", "", 200},
		{"GET", "/api/v1/queue/history?minutes=2", "", 200}, {"POST", "/api/v1/queue/queues/default:pause", "", 200}, {"POST", "/api/v1/queue/queues/default:resume", "", 200},
		{"POST", "/api/v1/logs", `{"message":"cannot open /etc/app.conf","level":"error"}`, 202}, {"GET", "/api/v1/logs?level=warn", "", 200},
		{"GET", "/api/v1/logs/0190f000-0000-7000-8000-000000000001", "", 404}, {"GET", "/api/v1/anomalies?severity=low", "", 200},
		{"GET", "/api/v1/anomalies/none", "", 404}, {"GET", "/api/v1/session", "", 200}, {"GET", "/api/v1/settings", "", 200},
		{"GET", "/healthz", "", 200}, {"GET", "/readyz", "", 200}, {"GET", "/openapi.json", "", 200},
	} {
		status, _, answer := ask(t, url, step.method, step.path, step.body)
		require.Equal(t, step.status, status, "%s %s: %v", step.method, step.path, answer)
	}
}

// TestPrismCanFind shows that the proxy sees what breaks the contract.
func TestPrismCanFind(t *testing.T) {
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "r")
		_, _ = io.WriteString(w, `{"status":"fine"}`)
	})}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, prism(t, "http://"+l.Addr().String())+"/healthz", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(data), "stoplight.io")
}
