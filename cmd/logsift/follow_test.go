package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/cmd/logsift/internal/follow"
)

// followTest is a folder with a file, and a server that takes its lines.
type followTest struct {
	dir, path string
	base      string
	http      *http.Client
	stop      func() error
}

// newFollowTest starts a whole logsift on a free port.
func newFollowTest(t *testing.T) *followTest {
	t.Helper()
	config := bootstrap.DefaultConfig()
	config.Store, config.Addr, config.LogLevel, config.Workers = "memory:", "127.0.0.1:0", "error", 0
	app, err := bootstrap.New(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, app.Start(t.Context()))
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, app.Stop(context.WithoutCancel(t.Context())))
	})
	dir := t.TempDir()
	return &followTest{dir: dir, path: filepath.Join(dir, "app.log"), base: app.URL(), http: &http.Client{Transport: transport}}
}

// follow runs a follower until stop is called, which returns what it ended with.
func (ft *followTest) follow(t *testing.T, o follow.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- followFiles(ctx, o, &client{http: ft.http, base: ft.base}, t.Logf) }()
	ft.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = ft.stop() })
}

// messages are those that the server has, sorted.
func (ft *followTest) messages(t *testing.T) []string {
	t.Helper()
	var out []string
	query := url.Values{"limit": {"200"}}
	for {
		var page wire.LogList
		require.NoError(t, (&client{http: ft.http, base: ft.base}).get(t.Context(), "/api/v1/logs", query, &page))
		for _, e := range page.Logs {
			out = append(out, e.Message)
		}
		if page.NextCursor == nil {
			slices.Sort(out)
			return out
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// await waits until the server has these messages, no more and no fewer.
func (ft *followTest) await(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	var got []string
	require.Eventually(t, func() bool {
		got = ft.messages(t)
		return len(got) >= len(want)
	}, 60*time.Second, 100*time.Millisecond, "the lines do not arrive")
	require.Equal(t, want, got)
}

func appendTo(t *testing.T, path string, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestFollowSendsWhatAFileGets(t *testing.T) {
	t.Parallel()
	ft := newFollowTest(t)
	appendTo(t, ft.path, "2026-05-01 08:00:00 INFO before\n")
	ft.follow(t, follow.Options{Patterns: []string{filepath.Join(ft.dir, "*.log")}, FromStart: true})
	ft.await(t, "2026-05-01 08:00:00 INFO before")
	appendTo(t, ft.path, "2026-05-01 08:00:01 ERROR half")
	appendTo(t, ft.path, " a line\r\njava.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\n\n")
	appendTo(t, filepath.Join(ft.dir, "later.log"), "2026-05-01 08:00:02 WARN caf\xe9\n")
	ft.await(t, "2026-05-01 08:00:00 INFO before", "2026-05-01 08:00:02 WARN caf\uFFFD",
		"2026-05-01 08:00:01 ERROR half a line\njava.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)")
	require.NoError(t, ft.stop())
}

func TestFollowStartsAtTheEnd(t *testing.T) {
	t.Parallel()
	ft := newFollowTest(t)
	appendTo(t, ft.path, "old\npart")
	positions := filepath.Join(ft.dir, "positions.json")
	ft.follow(t, follow.Options{Patterns: []string{ft.path}, Positions: positions})
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(positions)
		return err == nil && strings.Contains(string(raw), ft.path)
	}, 30*time.Second, 20*time.Millisecond)
	appendTo(t, ft.path, "ial\nnew\n")
	ft.await(t, "partial", "new")
	require.NoError(t, ft.stop())
}

// Under load, with a rotation every now and then, each line arrives once.
func TestFollowLosesAndDoublesNothingInRotations(t *testing.T) {
	t.Parallel()
	ft := newFollowTest(t)
	ft.follow(t, follow.Options{Patterns: []string{ft.path}, FromStart: true})
	var want []string
	for rotation := range 4 {
		// A file that is rotated away before anybody has seen it is not read.
		first := fmt.Sprintf("2026-05-01 08:00:00 INFO first of %d", rotation)
		appendTo(t, ft.path, first+"\n")
		want = append(want, first)
		require.Eventually(t, func() bool { return len(ft.messages(t)) == len(want) }, 3*time.Minute, 50*time.Millisecond)
		f, err := os.OpenFile(ft.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		w := bufio.NewWriterSize(f, 100) // Lines are written in parts.
		for i := range 2500 {
			line := fmt.Sprintf("2026-05-01 08:00:00 INFO line %d of %d", i, rotation)
			want = append(want, line)
			_, err := w.WriteString(line + "\n")
			require.NoError(t, err)
			if i == 1250 {
				// The writer goes on in the old file, as after a signal that is late.
				require.NoError(t, os.Rename(ft.path, fmt.Sprintf("%s.%d", ft.path, rotation)))
			}
		}
		require.NoError(t, w.Flush())
		require.NoError(t, f.Close())
	}
	slices.Sort(want)
	ft.await(t, want...)
	require.NoError(t, ft.stop())
}

func TestFollowReadsATruncatedFileAnew(t *testing.T) {
	t.Parallel()
	ft := newFollowTest(t)
	ft.follow(t, follow.Options{Patterns: []string{ft.path}, FromStart: true})
	appendTo(t, ft.path, "INFO tick\nINFO one\nINFO two\n")
	ft.await(t, "INFO tick", "INFO one", "INFO two")
	require.NoError(t, os.Truncate(ft.path, 0))
	appendTo(t, ft.path, "INFO tick\n")
	ft.await(t, "INFO tick", "INFO one", "INFO two", "INFO tick")
	// It grows beyond where it was before anybody looks.
	require.NoError(t, os.WriteFile(ft.path, []byte("INFO three\nINFO four\nINFO five\nINFO six\nINFO seven\n"), 0o600))
	ft.await(t, "INFO tick", "INFO one", "INFO two", "INFO tick", "INFO three", "INFO four", "INFO five", "INFO six", "INFO seven")
	require.NoError(t, ft.stop())
}

func TestFollowGoesOnFromItsPositions(t *testing.T) {
	t.Parallel()
	ft := newFollowTest(t)
	o := follow.Options{Patterns: []string{ft.path}, Positions: filepath.Join(ft.dir, "positions.json"), FromStart: true}
	appendTo(t, ft.path, "INFO one\nINFO two\n")
	ft.follow(t, o)
	ft.await(t, "INFO one", "INFO two")
	require.NoError(t, ft.stop())
	// What is written meanwhile counts, in the file that was rotated too.
	appendTo(t, ft.path, "INFO three\n")
	require.NoError(t, os.Rename(ft.path, ft.path+".1"))
	appendTo(t, ft.path, "INFO four\n")
	ft.follow(t, o)
	ft.await(t, "INFO one", "INFO two", "INFO three", "INFO four")
	require.NoError(t, ft.stop())
}

// fakeServer answers POST /api/v1/logs as told, and keeps what it got.
type fakeServer struct {
	mu     sync.Mutex
	keys   []string
	bodies []string
	at     []time.Time
	answer func(n int, w http.ResponseWriter) bool // false for an answer of success
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, _ := io.ReadAll(z)
	s.mu.Lock()
	n := len(s.keys)
	s.keys, s.bodies, s.at = append(s.keys, r.Header.Get("Idempotency-Key")), append(s.bodies, string(body)), append(s.at, time.Now())
	s.mu.Unlock()
	if s.answer(n, w) {
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"accepted":1,"rejected":[]}`)
}

func (s *fakeServer) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

func newFakeFollow(t *testing.T, answer func(n int, w http.ResponseWriter) bool) (*followTest, *fakeServer) {
	t.Helper()
	s := &fakeServer{answer: answer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	return &followTest{dir: dir, path: filepath.Join(dir, "app.log"), base: server.URL, http: server.Client()}, s
}

func problemAnswer(w http.ResponseWriter, status int, retryAfter string) bool {
	w.Header().Set("Content-Type", "application/problem+json")
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"title":"no","status":%d}`, status)
	return true
}

// A server that is busy is asked again after the time that it names, with the same
// request.
func TestFollowWaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	ft, s := newFakeFollow(t, func(n int, w http.ResponseWriter) bool {
		switch n {
		case 0:
			return problemAnswer(w, http.StatusTooManyRequests, "2")
		case 1:
			return problemAnswer(w, http.StatusServiceUnavailable, "")
		}
		return false
	})
	appendTo(t, ft.path, "INFO one\nINFO two\n")
	ft.follow(t, follow.Options{Patterns: []string{ft.path}, FromStart: true})
	require.Eventually(t, func() bool { return s.requests() >= 3 }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, ft.stop())
	require.Equal(t, []string{s.keys[0], s.keys[0], s.keys[0]}, s.keys[:3])
	require.Equal(t, []string{s.bodies[0], s.bodies[0], s.bodies[0]}, s.bodies[:3])
	require.GreaterOrEqual(t, s.at[1].Sub(s.at[0]), 2*time.Second)
	require.GreaterOrEqual(t, s.at[2].Sub(s.at[1]), 500*time.Millisecond)
}

// A request whose answer was lost is the same one after a restart, whatever the
// file got since, so that the server knows it.
func TestFollowRepeatsAnUnconfirmedRequestAfterARestart(t *testing.T) {
	t.Parallel()
	var up atomic.Bool
	ft, s := newFakeFollow(t, func(_ int, w http.ResponseWriter) bool {
		return !up.Load() && problemAnswer(w, http.StatusBadGateway, "")
	})
	o := follow.Options{Patterns: []string{ft.path}, Positions: filepath.Join(ft.dir, "positions.json"), FromStart: true}
	appendTo(t, ft.path, "2026-05-01 08:00:00 INFO one\n2026-05-01 08:00:01 INFO two\n")
	ft.follow(t, o)
	require.Eventually(t, func() bool { return s.requests() >= 1 }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, ft.stop())
	first := s.requests()
	appendTo(t, ft.path, "\tat x\n2026-05-01 08:00:02 INFO three\n")
	up.Store(true)
	ft.follow(t, o)
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Contains(strings.Join(s.bodies[first:], ""), "three")
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, ft.stop())
	require.Equal(t, s.keys[0], s.keys[first])
	require.Equal(t, s.bodies[0], s.bodies[first])
	require.NotEqual(t, s.keys[0], s.keys[first+1])
}

func TestFollowHalvesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	var s *fakeServer
	ft, s := newFakeFollow(t, func(n int, w http.ResponseWriter) bool {
		s.mu.Lock()
		entries := strings.Count(s.bodies[n], "\n")
		if entries > 3 {
			s.bodies[n] = ""
		}
		s.mu.Unlock()
		return entries > 3 && problemAnswer(w, http.StatusRequestEntityTooLarge, "")
	})
	for i := range 10 {
		appendTo(t, ft.path, fmt.Sprintf("INFO %d\n", i))
	}
	ft.follow(t, follow.Options{Patterns: []string{ft.path}, FromStart: true})
	// A request that the stop cuts off is sent again under its key.
	accepted := func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		bodies := map[string]string{}
		for n, key := range s.keys {
			bodies[key] = s.bodies[n]
		}
		return strings.Join(slices.Collect(maps.Values(bodies)), "")
	}
	require.Eventually(t, func() bool { return strings.Count(accepted(), "message") == 10 }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, ft.stop())
	for i := range 10 {
		require.Equal(t, 1, strings.Count(accepted(), fmt.Sprintf(`"INFO %d"`, i)))
	}
}

// A server that refuses for good ends follow: a repeat would not help.
func TestFollowEndsIfItIsNotAllowed(t *testing.T) {
	t.Parallel()
	ft, _ := newFakeFollow(t, func(_ int, w http.ResponseWriter) bool { return problemAnswer(w, http.StatusForbidden, "") })
	appendTo(t, ft.path, "INFO one\n")
	err := followFiles(t.Context(), follow.Options{Patterns: []string{ft.path}, FromStart: true}, &client{http: ft.http, base: ft.base}, t.Logf)
	require.ErrorContains(t, err, "HTTP 403")
}

func TestPositionsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "positions.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"version":9}`), 0o600))
	err := follow.Run(t.Context(), follow.Options{Positions: path})
	require.ErrorContains(t, err, "remove it to start over")
}

func TestRetryAfterIsSecondsOrATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "7": 7 * time.Second, "Fri, 01 May 2026 08:00:09 GMT": 9 * time.Second, "Fri, 01 May 2026 07:00:00 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(value, now), value)
	}
}
