package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap"
)

// secretsWorld is a server that was given a secret everywhere it takes one.
type secretsWorld struct {
	process *process
	api     api
	key     string // an admin's
	env     []string
	// secrets must be in nothing that the program writes but where they were asked for.
	secrets map[string]string
	said    strings.Builder // every answer that must hold none
}

func newSecretsWorld(t *testing.T) *secretsWorld {
	t.Helper()
	w := &secretsWorld{secrets: map[string]string{
		"the password of Redis": "canary-redis-1", "the key of the AI": "sk-canary-ai-2", "the payload of a task": "canary-payload-3", "a log line": "canary-line-4",
		"a wrong key": "ls_aaaaaaaaaa_" + strings.Repeat("canary55", 7)[:52],
	}}
	redis := redistest.Start(t, "--requirepass", w.secrets["the password of Redis"])
	ai := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		// A service that shows what it was sent, as some do in their errors.
		res.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(res, `{"error":{"message":"bad key %s"}}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(ai.Close)
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	var err error
	_, w.key, err = bootstrap.CreateAPIKey(keys, "admin", "admin", time.Hour)
	require.NoError(t, err)
	w.secrets["an API key"] = strings.Split(w.key, "_")[2]
	raw, err := os.ReadFile(keys)
	require.NoError(t, err)
	w.secrets["the hash of an API key"] = regexp.MustCompile(`sha256:(\w+)`).FindStringSubmatch(string(raw))[1]
	w.env = append(os.Environ(),
		"LOGSIFT_STORE=redis://:"+w.secrets["the password of Redis"]+"@"+redis.Addr()+"/0", "LOGSIFT_KEYS="+keys,
		"LOGSIFT_ANALYZER=openai", "LOGSIFT_AI_BASE_URL="+ai.URL+"/v1", "LOGSIFT_AI_MODEL=m", "LOGSIFT_AI_API_KEY="+w.secrets["the key of the AI"],
		"LOGSIFT_LOG_LEVEL=debug", "LOGSIFT_BATCH_AGE=20ms", "LOGSIFT_AUDIT_LOG=-",
		"LOGSIFT_API_KEY="+w.key,
	)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--addr", "127.0.0.1:0")
	cmd.Args[0], cmd.Env = "logsift", w.env
	w.process = startCommand(t, cmd)
	_, base, ok := strings.Cut(w.process.awaitReady(t), "listening on ")
	require.True(t, ok)
	w.api = api{base}
	return w
}

// call sends a request and keeps the answer, unless it is to hold what was sent.
func (w *secretsWorld) call(t *testing.T, method, path, contentType, body string, shown bool, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.api.base+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Close = true
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if !shown {
		fmt.Fprintf(&w.said, "%s %s: %d %s\n", method, path, res.StatusCode, raw)
	}
	return res.StatusCode, res.Header, string(raw)
}

// run runs a command with the same settings and keeps what it writes.
func (w *secretsWorld) run(t *testing.T, args ...string) {
	t.Helper()
	var out bytes.Buffer
	e := &environment{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(name string) string {
		for _, variable := range w.env {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return ""
	}}
	status := e.execute(t.Context(), args)
	fmt.Fprintf(&w.said, "logsift %s: %d %s\n", args[0], status, out.String())
}

func TestNoSecretIsWrittenAnywhere(t *testing.T) {
	t.Parallel()
	w := newSecretsWorld(t)
	bearer := []string{"Authorization", "Bearer " + w.key}

	status, header, body := w.call(t, "POST", "/api/v1/session", "application/json", fmt.Sprintf(`{"key":%q}`, w.key), false)
	require.Equal(t, http.StatusOK, status, body)
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	require.NotEmpty(t, cookie)
	w.secrets["a session"] = cookie[strings.LastIndex(cookie, "_"):]
	for _, wrong := range []string{w.secrets["a wrong key"], w.key + "x"} {
		status, _, _ = w.call(t, "POST", "/api/v1/session", "application/json", fmt.Sprintf(`{"key":%q}`, wrong), false)
		require.Equal(t, http.StatusUnauthorized, status)
		status, _, _ = w.call(t, "GET", "/api/v1/queue/tasks", "", "", false, "Authorization", "Bearer "+wrong)
		require.Equal(t, http.StatusUnauthorized, status)
	}

	payload := fmt.Sprintf(`{"type":"log_analysis","payload":{"log_ids":["01890000-0000-7000-8000-000000000001"],"note":%q}}`, w.secrets["the payload of a task"])
	status, _, body = w.call(t, "POST", "/api/v1/queue/tasks", "application/json", payload, true, bearer...)
	require.Equal(t, http.StatusCreated, status, body)
	var lines strings.Builder
	for i := range 60 {
		fmt.Fprintf(&lines, "2026-05-01 08:00:%02d ERROR disk %s failed\n", i%60, w.secrets["a log line"])
	}
	status, _, body = w.call(t, "POST", "/api/v1/logs?source=app", "text/plain", lines.String(), true, bearer...)
	require.Equal(t, http.StatusAccepted, status, body)
	var receipt struct {
		TaskIDs []string `json:"task_ids"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &receipt))
	require.Eventually(t, func() bool {
		_, _, body := w.call(t, "GET", "/api/v1/queue/tasks/"+receipt.TaskIDs[0], "", "", true, bearer...)
		return strings.Contains(body, `"COMPLETED"`)
	}, 30*time.Second, 50*time.Millisecond, "the AI refuses, the analysis is done all the same")

	// What is wrong in every way, and all that tells of the program itself.
	w.call(t, "POST", "/api/v1/queue/tasks", "application/json", payload[:len(payload)-1], false, bearer...)
	w.call(t, "POST", "/api/v1/queue/tasks", "application/json", strings.Replace(payload, "log_analysis", "no-type", 1), false, bearer...)
	w.call(t, "POST", "/api/v1/logs", "application/json", `{"message":["`+w.secrets["a log line"]+`"]}`, false, bearer...)
	w.call(t, "POST", "/_bulk", "application/json", `{"`+w.secrets["a log line"], false, bearer...)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/settings", "/api/v1/session", "/api/v1/queue/stats", "/api/v1/queue/workers", "/api/v1/queue/queues", "/api/v1/queue/history", "/openapi.json", "/nowhere"} {
		w.call(t, "GET", path, "", "", false, bearer...)
		w.call(t, "GET", path, "", "", false, "Cookie", cookie)
	}
	for _, args := range [][]string{
		{"help"}, {"help", "serve"}, {"serve", "--help"}, {"worker", "--help"}, {"key", "list"}, {"stats", "--server", w.api.base}, {"stats"}, {"version"}, {"config", "check"}, {"verify"},
		{"serve", "--addr", "nowhere"}, {"serve", "--workers", "many"}, {"serve", "--addr", "127.0.0.1:0", "--store", "redis://:" + w.secrets["the password of Redis"] + "@127.0.0.1:1/0"},
		{"stats", "--store", "redis://:" + w.secrets["the password of Redis"] + "/@127.0.0.1:x/0"}, {"serve", "--tls-cert", os.Args[0], "--tls-key", os.Args[0]},
	} {
		w.run(t, args...)
	}
	require.NoError(t, w.process.cmd.Process.Signal(os.Interrupt))
	require.Zero(t, w.process.awaitExit(t))

	w.process.mu.Lock()
	log := w.process.log.String()
	w.process.mu.Unlock()
	require.Contains(t, log, `"level":"debug"`)
	require.Contains(t, log, `"action":"task.create"`, "the audit log is in it")
	require.Contains(t, w.said.String(), "logsift serve: 0 serve runs")
	for name, secret := range w.secrets {
		require.NotEmpty(t, secret)
		for what, text := range map[string]string{"the log": log, "an answer or a command's output": w.said.String()} {
			if at := strings.Index(text, secret); at >= 0 {
				require.Fail(t, name+" is in "+what, "…%s…", text[max(0, at-300):min(len(text), at+100)])
			}
		}
	}
}
