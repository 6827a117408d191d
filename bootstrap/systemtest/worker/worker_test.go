//go:build tools

package worker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/proc"
)

const (
	root     = "../../.."
	examples = root + "/docs/examples"
	patience = 30 * time.Second
)

// world is a server with its store, and workers.
type world struct {
	dir, program, addr, keys string
	admin, worker            string // keys
	server                   *proc.Process
}

func newWorld(t *testing.T, program string) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), program: program}
	w.keys = filepath.Join(w.dir, "keys.yaml")
	w.admin = w.run(t, w.program, "key", "create", "--keys", w.keys, "--role", "admin", "--name", "test")
	w.worker = w.run(t, w.program, "key", "create", "--keys", w.keys, "--role", "worker", "--name", "worker")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.addr = l.Addr().String()
	require.NoError(t, l.Close())
	return w
}

// run runs a command and returns what it says.
func (w *world) run(t *testing.T, line ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), line[0], line[1:]...).Output()
	require.NoError(t, err, strings.Join(line, " "))
	return strings.TrimSpace(string(out))
}

// serve starts the server, and returns when it listens.
func (w *world) serve(t *testing.T) {
	t.Helper()
	ready := make(chan struct{}, 1)
	cmd := proc.Command(w.program, "serve", "--store", "sqlite:"+filepath.Join(w.dir, "store.db"), "--addr", w.addr, "--keys", w.keys, "--workers", "0",
		"--retry-kind", "fixed", "--retry-base", "100ms", "--max-recoveries", "10")
	var err error
	w.server, err = proc.Start(cmd, func([]byte) {}, func(line []byte) {
		if strings.Contains(string(line), "listening on") {
			ready <- struct{}{}
		}
	})
	require.NoError(t, err)
	server := w.server
	t.Cleanup(server.Kill)
	select {
	case <-ready:
	case <-server.Exited:
		require.Fail(t, "the server has ended", "%v", server.Err())
	case <-time.After(patience):
		require.Fail(t, "the server does not listen")
	}
}

// process is a worker that runs.
type process struct {
	*proc.Process

	mu     sync.Mutex // guards output
	output strings.Builder
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// start starts a worker.
func (w *world) start(t *testing.T, line ...string) *process {
	t.Helper()
	path, err := exec.LookPath(line[0])
	require.NoError(t, err, "this test needs the interpreter")
	folder, err := filepath.Abs(examples)
	require.NoError(t, err)
	cmd := proc.Command(append(append([]string{path}, line[1:]...), folder)...)
	cmd.Env = append(cmd.Environ(), "LOGSIFT_SERVER=http://"+w.addr, "LOGSIFT_API_KEY="+w.worker, "PYTHONDONTWRITEBYTECODE=1")
	p := &process{}
	note := func(line []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.output.Write(append(line, '\n'))
	}
	p.Process, err = proc.Start(cmd, note, note)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%v: %s", line, p.said())
		}
	})
	return p
}

// task is what the API says of one.
type task struct {
	ID                              string
	Status                          string
	Attempt, Deliveries, Recoveries int
	Result                          any
	LastError                       string `json:"last_error"`
	Progress                        *struct{ Note string }
}

// ask sends a request, and reads the answer into out unless that is nil.
func (w *world) ask(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.addr+path, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.admin)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if out != nil {
		require.NoError(t, json.Unmarshal(raw, out), string(raw))
	}
	return res.StatusCode
}

// add schedules a task.
func (w *world) add(t *testing.T, typ string, payload any, more map[string]any) string {
	t.Helper()
	in := map[string]any{"type": typ, "payload": payload}
	for name, v := range more {
		in[name] = v
	}
	var out task
	require.Equal(t, http.StatusCreated, w.ask(t, "POST", "/api/v1/queue/tasks", in, &out), "%+v", out)
	return out.ID
}

// await returns the task once it is as wanted.
func (w *world) await(t *testing.T, id string, wanted func(task) bool) (got task) {
	t.Helper()
	require.Eventually(t, func() bool {
		got = task{}
		return w.ask(t, "GET", "/api/v1/queue/tasks/"+id, nil, &got) == http.StatusOK && wanted(got)
	}, patience, 20*time.Millisecond, id)
	return got
}

// holder returns which of the workers blocks on a task.
func holder(t *testing.T, id string, among ...*process) *process {
	t.Helper()
	at := -1
	require.Eventually(t, func() bool {
		at = slices.IndexFunc(among, func(p *process) bool { return strings.Contains(p.said(), "blocked "+id) })
		return at >= 0
	}, patience, 20*time.Millisecond, "nobody has the task")
	return among[at]
}

func TestWorkersOfOtherLanguages(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "logsift")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/logsift")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for name, line := range map[string][]string{
		"Python": {"python3", "testdata/handlers.py"}, "JavaScript": {"node", "testdata/handlers.mjs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, program)
			w.serve(t)
			require.Equal(t, http.StatusBadRequest, w.ask(t, "POST", "/api/v1/queue/tasks", map[string]any{"type": "greet"}, nil), "nobody works on it")
			one, other := w.start(t, line...), w.start(t, line...)
			require.Eventually(t, func() bool {
				return w.ask(t, "POST", "/api/v1/queue/tasks", map[string]any{"type": "greet", "payload": "first"}, nil) == http.StatusCreated
			}, patience, 50*time.Millisecond, "a claim announces its types")
			done := func(got task) bool { return got.Status == "COMPLETED" || got.Status == "FAILED" }

			var greetings []string
			greet := func() {
				for range 100 {
					greetings = append(greetings, w.add(t, "greet", strconv.Itoa(len(greetings)), nil))
				}
			}
			greet()
			once := map[string]any{"max_retries": 1}
			moods := map[string]string{}
			for _, mood := range []string{"fine", "permanent", "later", "tired", "crash", "large"} {
				moods[mood] = w.add(t, "mood", mood, once)
			}
			late := w.add(t, "block", 9, map[string]any{"max_retries": 0, "timeout_seconds": 0.5})

			// A worker that is killed loses its task to the other.
			blocked := w.add(t, "block", 1, nil)
			victim := holder(t, blocked, one, other)
			victim.Kill()
			rest := one
			if victim == one {
				rest = other
			}
			got := w.await(t, blocked, done)
			require.Equal(t, task{ID: blocked, Status: "COMPLETED", Attempt: 1, Deliveries: 2, Recoveries: 1, Result: "free", LastError: got.LastError}, got)

			// So does a server, and the worker goes on when there is one again.
			greet()
			w.server.Kill()
			w.serve(t)
			greet()
			for i, id := range greetings {
				got := w.await(t, id, done)
				require.Equal(t, fmt.Sprintf("hello %d", i), got.Result, "%+v", got)
				require.Equal(t, 1, got.Attempt, "it is reported once")
			}
			require.Equal(t, "fine", w.await(t, moods["fine"], done).Result)
			never := w.await(t, moods["permanent"], done)
			require.Equal(t, []any{"FAILED", "never", 1}, []any{never.Status, never.LastError, never.Attempt})
			later := w.await(t, moods["later"], done)
			require.Equal(t, []any{"COMPLETED", "busy", 2}, []any{later.Status, later.LastError, later.Attempt})
			tired := w.await(t, moods["tired"], done)
			require.Equal(t, []any{"COMPLETED", 1}, []any{tired.Status, tired.Attempt})
			require.GreaterOrEqual(t, tired.Deliveries, 2)
			crash := w.await(t, moods["crash"], done)
			require.Equal(t, []any{"FAILED", 2}, []any{crash.Status, crash.Attempt})
			require.Contains(t, crash.LastError, "no luck")
			large := w.await(t, moods["large"], done)
			require.Equal(t, "FAILED", large.Status)
			require.Contains(t, large.LastError, "reports.0.result")
			require.Contains(t, w.await(t, late, done).LastError, "time-out")

			// A worker that is to stop gives back what it cannot finish.
			blocked = w.add(t, "block", 9, nil)
			holder(t, blocked, rest)
			w.await(t, blocked, func(got task) bool { return got.Progress != nil && got.Progress.Note == "blocked" })
			rest.Signal(syscall.SIGTERM)
			select {
			case <-rest.Exited:
			case <-time.After(patience):
				require.Fail(t, "it does not end")
			}
			require.Zero(t, rest.Status())
			require.Contains(t, rest.said(), "1 tasks given back")
			got = w.await(t, blocked, func(got task) bool { return got.Status == "PENDING" })
			require.Equal(t, []int{0, 0, 1}, []int{got.Attempt, got.Recoveries, got.Deliveries})
		})
	}
}
