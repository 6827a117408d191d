package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore/redistest"
)

// process is a logsift that runs beside the test.
type process struct {
	cmd    *exec.Cmd
	ready  chan string // gets the line that tells that it is ready
	exited chan error

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs this test binary as logsift.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Args[0] = "logsift"
	cmd.Env = os.Environ()
	return startCommand(t, cmd)
}

// startCommand runs a logsift that is not there to end by itself.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, ready: make(chan string, 1), exited: make(chan error, 1)}
	p.cmd.Env = append(p.cmd.Env, "LOGSIFT_LOG_FORMAT=json")
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			line := lines.Text()
			if strings.HasPrefix(line, "listening on ") || strings.HasPrefix(line, "working on ") {
				p.ready <- line
			}
			p.mu.Lock()
			p.log.WriteString(line + "\n")
			p.mu.Unlock()
		}
		p.exited <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("standard error of %s:\n%s", strings.Join(cmd.Args, " "), p.log.String())
		}
	})
	return p
}

// awaitReady returns what the process said when it was ready.
func (p *process) awaitReady(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.ready:
		return line
	case err := <-p.exited:
		require.Fail(t, "the process ended before it was ready", "%v", err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "the process is not ready after 30 s")
	}
	return ""
}

// awaitExit returns the exit status.
func (p *process) awaitExit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		require.Fail(t, "the process has not ended after 30 s")
		return -1
	}
}

// api is a served logsift.
type api struct{ base string }

func serve(t *testing.T, args ...string) (*process, api) {
	t.Helper()
	p := start(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	_, base, ok := strings.Cut(p.awaitReady(t), "listening on ")
	require.True(t, ok)
	return p, api{base}
}

// call sends a request and returns the status and the body.
func (a api) call(t *testing.T, method, path, contentType, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.base+path, strings.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, raw
}

func (a api) task(t *testing.T, id string) wire.Task {
	t.Helper()
	status, raw := a.call(t, http.MethodGet, "/api/v1/queue/tasks/"+id, "", "")
	require.Equal(t, http.StatusOK, status, string(raw))
	var task wire.Task
	require.NoError(t, json.Unmarshal(raw, &task))
	return task
}

// sendLogs stores some lines and returns the id of the task that analyses them.
func (a api) sendLogs(t *testing.T, lines string) string {
	t.Helper()
	status, raw := a.call(t, http.MethodPost, "/api/v1/logs?source=app", "text/plain", lines)
	require.Equal(t, http.StatusAccepted, status, string(raw))
	var receipt wire.LogReceipt
	require.NoError(t, json.Unmarshal(raw, &receipt))
	require.Len(t, receipt.TaskIDs, 1)
	return receipt.TaskIDs[0].String()
}

// awaitStatus waits for a task to reach a status.
func (a api) awaitStatus(t *testing.T, id, status string) wire.Task {
	t.Helper()
	var task wire.Task
	require.Eventually(t, func() bool {
		task = a.task(t, id)
		return task.Status == status
	}, 30*time.Second, 20*time.Millisecond, "task %s should become %s", id, status)
	return task
}

// atOnce is what a slow machine may need for what no lease, drain or deadline is waited for;
// those of the tests that use it are longer.
const atOnce = 10 * time.Second

const someLines = "2026-05-01 08:00:00 INFO started\n2026-05-01 08:00:01 ERROR cannot open /etc/app.conf: permission denied\n"

// onEachStore runs f, as a parallel subtest, on each store that processes can share.
func onEachStore(t *testing.T, f func(t *testing.T, store string)) {
	t.Helper()
	for name, store := range map[string]string{
		"redis":  redistest.Start(t).URL(),
		"sqlite": "sqlite:" + t.TempDir() + "/logsift.db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, store)
		})
	}
}

func TestAKilledWorkersTasksAreWorkedAgain(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		const lease = 2 * time.Second
		common := []string{"--store", store, "--lease", lease.String(), "--batch-age", "50ms"}
		_, a := serve(t, append(common, "--workers", "0")...)
		ai, _ := slowAI(t)
		stuck := start(t, append([]string{"worker", "--analyzer", "openai", "--ai-model", "m", "--ai-base-url", ai}, common...)...)
		stuck.awaitReady(t)

		id := a.sendLogs(t, someLines)
		a.awaitStatus(t, id, "PROCESSING")
		status, raw := a.call(t, http.MethodDelete, "/api/v1/queue/tasks/"+id, "", "")
		require.Equal(t, http.StatusConflict, status, string(raw))

		start(t, append([]string{"worker"}, common...)...).awaitReady(t)
		require.NoError(t, stuck.cmd.Process.Kill())
		killed := time.Now()
		task := a.awaitStatus(t, id, "COMPLETED")
		require.Less(t, time.Since(killed), lease+atOnce, "claimable again soon after the lease")
		require.Equal(t, [3]int{1, 2, 1}, [3]int{task.Attempt, task.Deliveries, task.Recoveries}, "a worker's death costs no retry")
		require.Contains(t, string(task.Result), "permission denied")
	})
}

// Work goes on by itself after a Redis that was away, dead or silent, and
// nothing acknowledged is lost.
func TestRedisGoesAwayInTheMiddleOfTheWork(t *testing.T) {
	t.Parallel()
	const tasks = 300
	type step func(testing.TB)
	for name, outage := range map[string]func(*redistest.Server) (away, back step){
		"killed": func(s *redistest.Server) (away, back step) { return s.Kill, s.Restart },
		"silent": func(s *redistest.Server) (away, back step) { return s.Pause, s.Resume },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			// Two processes: the API in one, the workers in the other.
			_, a := serve(t, "--store", server.URL(), "--workers", "0")
			// A run that cannot store its analysis has failed and is retried, soon here.
			start(t, "worker", "--store", server.URL(), "--workers", "1").awaitReady(t)
			body := strings.Repeat(`{"type":"log_analysis","payload":{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]}}`+"\n", tasks)
			status, raw := a.call(t, http.MethodPost, "/api/v1/queue/tasks:batch", "application/x-ndjson", body)
			require.Less(t, status, http.StatusMultipleChoices, string(raw))

			away, back := outage(server)
			away(t)
			require.Eventually(t, func() bool {
				status, _ := a.call(t, http.MethodGet, "/readyz", "", "")
				return status == http.StatusServiceUnavailable
			}, 30*time.Second, 50*time.Millisecond, "an outage is told")
			status, raw = a.call(t, http.MethodPost, "/api/v1/logs?source=app", "text/plain", someLines)
			require.Equal(t, http.StatusServiceUnavailable, status, "never a success while the store is away: %s", raw)
			back(t)

			var stats wire.Stats
			require.Eventually(t, func() bool {
				status, raw := a.call(t, http.MethodGet, "/api/v1/queue/stats", "", "")
				if status != http.StatusOK {
					return false
				}
				require.NoError(t, json.Unmarshal(raw, &stats))
				return stats.CompletedTasks+stats.FailedTasks >= tasks
			}, time.Minute, 100*time.Millisecond)
			require.Zero(t, stats.FailedTasks, "an outage is nobody's failure")
			require.GreaterOrEqual(t, stats.CompletedTasks, int64(tasks))
			require.Equal(t, stats.TotalTasks, stats.PendingTasks+stats.ScheduledTasks+stats.ProcessingTasks+stats.RetryingTasks+
				stats.CompletedTasks+stats.FailedTasks+stats.CancelledTasks, "the counts add up")
		})
	}
}

func TestAStoreThatRefusesEndsTheStart(t *testing.T) {
	t.Parallel()
	locked := redistest.Start(t, "--requirepass", "right")
	evicting := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	for name, c := range map[string]struct{ store, want string }{
		"Redis is down":                {"redis://:hunter2@127.0.0.1:1/0", "redis at 127.0.0.1:1: .*connection refused"},
		"a wrong password":             {"redis://:hunter2@" + locked.Addr() + "/0", "refuses this user: WRONGPASS.*check user and password"},
		"no password":                  {locked.URL(), "refuses this user: NOAUTH.*check user and password"},
		"a Redis that may drop tasks":  {evicting.URL(), "maxmemory-policy allkeys-lru.*--allow-eviction"},
		"a folder that cannot be made": {"sqlite:/dev/null/logsift.db", "/dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, command := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"worker"}} {
				p := start(t, append(command, "--store", c.store)...)
				require.Equal(t, exitFailed, p.awaitExit(t))
				require.Regexp(t, "(?m)^logsift: .*"+c.want, p.log.String())
				require.NotContains(t, p.log.String(), "hunter2")
				require.NotContains(t, p.log.String(), "goroutine")
			}
		})
	}
	p := start(t, "serve", "--addr", "127.0.0.1:0", "--store", "redis://:right@"+locked.Addr()+"/0")
	p.awaitReady(t)
}

func TestServeReadsTimesInItsZone(t *testing.T) {
	t.Parallel()
	_, server := serve(t, "--store", "sqlite:"+t.TempDir()+"/x.db", "--timezone", "Asia/Tokyo")
	for _, c := range [][2]string{{"", "01"}, {"&timezone=Europe/Berlin", "08"}, {"&timezone=-07:00", "17"}} {
		status, raw := server.call(t, http.MethodPost, "/api/v1/logs?source="+c[1]+c[0], "text/plain", "2026-07-01 10:00:00 INFO m\n")
		require.Equal(t, http.StatusAccepted, status, string(raw))
		_, raw = server.call(t, http.MethodGet, "/api/v1/logs?source="+c[1], "", "")
		require.Contains(t, string(raw), `"timestamp":"2026-07-01T`+c[1]+":00:00Z", c[0])
	}
	status, raw := server.call(t, http.MethodPost, "/api/v1/logs?timezone=Berlin", "text/plain", "m")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, string(raw), `"field":"timezone"`)
}
