//go:build shippers

package shipper_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/bootstrap/systemtest/proc"
)

// patience is how long a test waits for a shipper.
const patience = 60 * time.Second

// line is what a shipper is given, and what has to arrive.
type line struct {
	message, level, source string
}

// sent are the lines that every shipper sends, with a quote, other scripts and a
// backslash among them.
func sent(source string) []line {
	return []line{
		{"order 7 \"paid\" by Zoë 支払い", "info", source},
		{"queue is slow", "warn", source},
		{"cannot reach db-1:5432\\retrying", "error", source},
	}
}

// world is a server that shippers send to.
type world struct {
	t     *testing.T
	app   *bootstrap.App
	dir   string // for the files of the shipper
	begun time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := bootstrap.DefaultConfig()
	c.Store, c.Addr, c.LogLevel, c.BatchAge = "memory:", "127.0.0.1:0", "error", 100*time.Millisecond
	app, err := bootstrap.New(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Stop(context.WithoutCancel(t.Context()))) })
	return &world{t: t, app: app, dir: t.TempDir(), begun: time.Now()}
}

// port is that of the server.
func (w *world) port() string {
	_, port, err := net.SplitHostPort(w.app.Addr())
	require.NoError(w.t, err)
	return port
}

// get reads an answer of the API.
func (w *world) get(path string, out any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.app.URL()+path, nil)
	require.NoError(w.t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode)
	require.NoError(w.t, json.NewDecoder(res.Body).Decode(out))
}

// arrived returns the entries of the server, the oldest first.
func (w *world) arrived() []wire.LogEntry {
	w.t.Helper()
	var list wire.LogList
	w.get("/api/v1/logs?limit=100", &list)
	slices.Reverse(list.Logs)
	return list.Logs
}

// verify waits for the lines, and requires that they and no others arrived, with
// level, source and time, and that each was analysed once.
func (w *world) verify(want []line, at func(i int, got time.Time) bool) []wire.LogEntry {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return len(w.arrived()) >= len(want) }, patience, 50*time.Millisecond, "%d lines have to arrive", len(want))
	var stats wire.Stats
	require.Eventually(w.t, func() bool {
		w.get("/api/v1/queue/stats", &stats)
		return stats.TotalTasks > 0 && stats.TotalTasks == stats.CompletedTasks
	}, patience, 50*time.Millisecond)
	got := w.arrived()
	lines := make([]line, len(got))
	for i, e := range got {
		lines[i] = line{text(e.Message), e.Level, e.Source}
		require.NotNil(w.t, e.Timestamp)
		require.True(w.t, at(i, *e.Timestamp), "time of %q: %s", e.Message, e.Timestamp)
	}
	require.ElementsMatch(w.t, want, lines)
	var tasks wire.TaskList
	w.get("/api/v1/queue/tasks?limit=100", &tasks)
	analysed := 0
	for _, task := range tasks.Tasks {
		var result struct {
			LogCount int `json:"log_count"`
		}
		require.NoError(w.t, json.Unmarshal(task.Result, &result))
		analysed += result.LogCount
	}
	require.Equal(w.t, len(want), analysed)
	return got
}

// text returns the text of a message, which is a line of JSON if that is what the
// shipper sends as its line.
func text(message string) string {
	var object struct{ Msg string }
	if json.Unmarshal([]byte(message), &object) == nil {
		return object.Msg
	}
	return message
}

// now is for shippers that give a line the time at which they got it.
func (w *world) now(_ int, got time.Time) bool {
	return got.After(w.begun.Add(-time.Second)) && got.Before(time.Now().Add(time.Second))
}

// fixed is for lines whose time is in them: line i is of second i.
func fixed(i int, got time.Time) bool { return got.Equal(fixedTime(i)) }

func fixedTime(i int) time.Time { return time.Date(2026, 11, 23, 10, 20, i, 123e6, time.UTC) }

// installed returns a path in the folder of the shippers.
func installed(t *testing.T, path ...string) string {
	t.Helper()
	root := os.Getenv("LOGSIFT_SHIPPERS")
	full := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(full); root == "" || err != nil {
		t.Fatalf("%s is missing: run sh .ci/shippers FOLDER, and set LOGSIFT_SHIPPERS to the folder", filepath.Join(path...))
	}
	return full
}

// write makes a file of a template, in which {NAME} stands for a value.
func (w *world) write(name, text string, values ...string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(path, []byte(strings.NewReplacer(values...).Replace(text)), 0o600))
	return path
}

// run starts a program that runs until the test ends.
func (w *world) run(env []string, name string, args ...string) {
	w.t.Helper()
	cmd := proc.Command(append([]string{name}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	proc.Run(w.t, cmd, "")
}

// sendSyslog sends the lines in the form of RFC 5424 to a socket, once it is there.
func (w *world) sendSyslog(socket string, lines []line) {
	w.t.Helper()
	var conn net.Conn
	require.Eventually(w.t, func() bool {
		var err error
		conn, err = net.Dial("unixgram", socket)
		return err == nil
	}, patience, 50*time.Millisecond, "the shipper has to listen")
	defer conn.Close()
	priority := map[string]int{"info": 14, "warn": 12, "error": 11}
	for i, l := range lines {
		_, err := fmt.Fprintf(conn, "<%d>1 %s h1 %s 42 - - %s", priority[l.level], fixedTime(i).Format("2006-01-02T15:04:05.000Z"), l.source, l.message)
		require.NoError(w.t, err)
	}
}

func TestRsyslog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := installed(t, "debian")
	socket := filepath.Join(w.dir, "log")
	conf := w.write("rsyslog.conf", `
global(workDirectory="{DIR}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{DIR}/log" UseSpecialParser="off" ParseHostname="on" UseSysTimeStamp="off" IgnoreTimestamp="off")
module(load="omelasticsearch")
template(name="doc" type="string" string="{\"@timestamp\":\"%timereported:::date-rfc3339%\",\"message\":\"%msg:::json%\",\"level\":\"%syslogseverity-text%\",\"service\":\"%programname%\",\"host\":\"%hostname%\"}")
action(type="omelasticsearch" server="127.0.0.1" serverport="{PORT}" searchIndex="syslog" searchType="" bulkmode="on" template="doc" errorFile="{DIR}/errors")
`, "{DIR}", w.dir, "{PORT}", w.port())
	w.run([]string{"LD_LIBRARY_PATH=" + filepath.Join(root, "usr/lib/x86_64-linux-gnu")}, filepath.Join(root, "usr/sbin/rsyslogd"),
		"-n", "-f", conf, "-i", filepath.Join(w.dir, "pid"), "-M", filepath.Join(root, "usr/lib/x86_64-linux-gnu/rsyslog"))
	w.sendSyslog(socket, sent("shop"))
	for _, e := range w.verify(sent("shop"), fixed) {
		require.Equal(t, map[string]string{"host": "h1", "_index": "syslog"}, e.Attributes)
	}
	require.NoFileExists(t, filepath.Join(w.dir, "errors"), "rsyslog takes every answer for a success")
}

func TestSyslogNG(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := installed(t, "debian")
	socket := filepath.Join(w.dir, "log")
	conf := w.write("syslog-ng.conf", `@version: 3.38
options { stats-freq(0); keep-hostname(yes); keep-timestamp(yes); frac-digits(3); };
source s { unix-dgram("{DIR}/log" flags(syslog-protocol)); };
destination d { http(
  url("http://127.0.0.1:{PORT}/api/v1/logs") method("POST") headers("Content-Type: application/x-ndjson")
  body("$(format-json --scope none message=$MSG time=$S_ISODATE level=$LEVEL service=$PROGRAM host=$HOST pid=$PID)")
  delimiter("\n") batch-lines(10) batch-timeout(200) persist-name("d")
); };
log { source(s); destination(d); };
`, "{DIR}", w.dir, "{PORT}", w.port())
	libraries := strings.Join([]string{filepath.Join(root, "usr/lib/syslog-ng"), filepath.Join(root, "usr/lib/x86_64-linux-gnu")}, ":")
	file := func(name string) string { return filepath.Join(w.dir, name) }
	w.run([]string{"LD_LIBRARY_PATH=" + libraries}, filepath.Join(root, "usr/sbin/syslog-ng"), "-F", "--no-caps", "-f", conf,
		"-R", file("persist"), "-p", file("pid"), "-c", file("ctl"), "--module-path", filepath.Join(root, "usr/lib/syslog-ng/3.38"))
	w.sendSyslog(socket, sent("shop"))
	for _, e := range w.verify(sent("shop"), fixed) {
		require.Equal(t, map[string]string{"host": "h1", "pid": "42"}, e.Attributes)
	}
}

// node runs one of the scripts to its end.
func (w *world) node(script, target string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", script))
	require.NoError(w.t, err)
	path := w.write(script, string(text))
	require.NoError(w.t, os.Symlink(installed(w.t, "npm", "node_modules"), filepath.Join(w.dir, "node_modules")))
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	messages := make([]string, 0, 3)
	for _, l := range sent("shop") {
		messages = append(messages, l.message)
	}
	lines, err := json.Marshal(messages)
	require.NoError(w.t, err)
	cmd := exec.CommandContext(ctx, "node", path)
	cmd.Env = append(os.Environ(), "TARGET="+target, "MESSAGES="+string(lines))
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, string(out))
	require.Empty(w.t, string(out), "the client takes every answer for a success")
}

func TestNodeLibraries(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"pino-loki.mjs", "winston-loki.mjs", "pino-elasticsearch.mjs", "elasticsearch.mjs", "otlp-http.mjs", "otlp-proto.mjs",
	} {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.node(script, w.app.URL())
			w.verify(sent("shop"), w.now)
		})
	}
}

func TestOpenTelemetryCollector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	conf := w.write("otelcol.yaml", `
receivers: {otlp: {protocols: {http: {endpoint: "{ADDR}"}}}}
processors: {batch: {timeout: 100ms}}
exporters: {otlphttp: {endpoint: "{URL}"}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [otlp], processors: [batch], exporters: [otlphttp]}}
`, "{ADDR}", addr, "{URL}", w.app.URL())
	w.run(nil, installed(t, "otelcol"), "--config", conf)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, patience, 50*time.Millisecond)
	w.node("otlp-proto.mjs", (&url.URL{Scheme: "http", Host: addr}).String())
	w.verify(sent("shop"), w.now)
}

func TestMain(m *testing.M) {
	if runtime.GOOS != "linux" {
		fmt.Fprintln(os.Stderr, "the shippers are programs of Linux")
		os.Exit(2)
	}
	os.Exit(m.Run())
}
