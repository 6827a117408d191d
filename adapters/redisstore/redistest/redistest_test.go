package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestServer(t *testing.T) {
	t.Parallel()

	t.Run("answers as soon as Start returns, at the address that it gives", func(t *testing.T) {
		t.Parallel()
		s := Start(t)
		require.Equal(t, "+PONG", send(t, s, "PING"))
		require.Equal(t, "redis://"+s.Addr()+"/0", s.URL())
	})

	t.Run("takes options that win over the defaults", func(t *testing.T) {
		t.Parallel()
		s := Start(t, "--maxmemory", "7mb", "--appendonly", "yes")
		require.Contains(t, info(t, s, "memory"), "maxmemory:7340032\r\n")
		require.Contains(t, info(t, s, "persistence"), "aof_enabled:1\r\n")
	})

	t.Run("may ask for a password", func(t *testing.T) {
		t.Parallel()
		s := Start(t, "--requirepass", "sesame")
		require.Equal(t, "+OK", send(t, s, "AUTH sesame"))
	})

	t.Run("may be a cluster node, whose second port is 10000 above", func(t *testing.T) {
		t.Parallel()
		s := Start(t, "--cluster-enabled", "yes")
		require.Contains(t, info(t, s, "cluster"), "cluster_enabled:1\r\n")
	})

	t.Run("does not answer after Kill and does on the same port after Restart", func(t *testing.T) {
		t.Parallel()
		s := Start(t)
		addr := s.Addr()
		s.Kill(t)
		s.Kill(t)
		require.True(t, gone(s))

		s.Restart(t)
		require.Equal(t, addr, s.Addr())
		require.Equal(t, "+PONG", send(t, s, "PING"))
	})

	t.Run("forgets its data by Restart unless it was told to keep them", func(t *testing.T) {
		t.Parallel()
		s := Start(t)
		require.Equal(t, "+OK", send(t, s, "SET k v"))
		s.Restart(t)
		require.Equal(t, ":0", send(t, s, "EXISTS k"))
	})

	t.Run("keeps what it acknowledged under appendfsync always over a Kill", func(t *testing.T) {
		t.Parallel()
		s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
		require.Equal(t, "+OK", send(t, s, "SET k v"))
		s.Kill(t)
		s.Restart(t)
		require.Equal(t, ":1", send(t, s, "EXISTS k"))
	})

	t.Run("has by Restore what it had at the Backup", func(t *testing.T) {
		t.Parallel()
		s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
		require.Equal(t, "+OK", send(t, s, "SET before v"))
		backup := s.Backup(t)
		require.Equal(t, "+OK", send(t, s, "SET after v"))
		s.Restore(t, backup)
		require.Equal(t, ":1", send(t, s, "EXISTS before after"))
		require.Equal(t, "+OK", send(t, s, "SET after v"))
		s.Kill(t)
		s.Restart(t)
		require.Equal(t, ":2", send(t, s, "EXISTS before after"), "it goes on with the restored data")
	})

	t.Run("keeps connections open and silent between Pause and Resume", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS == "windows" {
			t.Skip("Windows cannot pause a process")
		}
		s := Start(t)
		conn := dial(t, s)
		s.Pause(t)
		_, err := io.WriteString(conn, "PING\r\n")
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		s.Resume(t)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(callTimeout)))
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "+PONG\r\n", line)
	})

	t.Run("is empty after Flush", func(t *testing.T) {
		t.Parallel()
		s := Start(t)
		require.Equal(t, "+OK", send(t, s, "SET k v"))
		s.Flush(t)
		require.Equal(t, ":0", send(t, s, "DBSIZE"))
	})

	t.Run("is gone after the test, even when it was paused", func(t *testing.T) {
		t.Parallel()
		var s *Server
		t.Run("inner", func(t *testing.T) {
			s = Start(t)
			if runtime.GOOS != "windows" {
				s.Pause(t)
			}
		})
		require.True(t, gone(s))
	})

	t.Run("fails the test with its log when an option is wrong", func(t *testing.T) {
		t.Parallel()
		failure := failureOf(t, func(tb testing.TB) { Start(tb, "--no-such-option", "yes") })
		require.Contains(t, failure, "no-such-option")
	})

	t.Run("fails to start on a port that another server holds", func(t *testing.T) {
		t.Parallel()
		first := Start(t)
		dir := t.TempDir()
		second := &Server{program: first.program, port: first.port, dir: dir, args: []string{"--dir", dir}}
		require.ErrorIs(t, second.start(), errPortTaken)
	})
}

func TestStartWithoutRedis(t *testing.T) {
	t.Setenv(ServerEnv, filepath.Join(t.TempDir(), "no-such-server"))
	failure := failureOf(t, func(tb testing.TB) { Start(tb) })
	require.Contains(t, failure, "apt-get install redis-server")
	require.Contains(t, failure, "brew install redis")
	require.Contains(t, failure, ServerEnv)
}

func TestShared(t *testing.T) {
	t.Parallel()

	t.Run("gives every call the same server and a namespace of its own", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		servers, spaces := map[*Server]bool{}, map[string]bool{}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				s, space := Shared(t)
				mu.Lock()
				defer mu.Unlock()
				servers[s], spaces[space] = true, true
			})
		}
		wg.Wait()
		require.Len(t, servers, 1)
		require.Len(t, spaces, 20)
		for space := range spaces {
			require.Regexp(t, `^[a-z0-9-]+$`, space)
		}
	})

	t.Run("refuses what would break other tests", func(t *testing.T) {
		t.Parallel()
		s, _ := Shared(t)
		for name, method := range map[string]func(testing.TB){
			"Kill": s.Kill, "Restart": s.Restart, "Pause": s.Pause, "Resume": s.Resume, "Flush": s.Flush,
			"Backup": func(tb testing.TB) { s.Backup(tb) }, "Restore": func(tb testing.TB) { s.Restore(tb, "") },
		} {
			require.Contains(t, failureOf(t, method), name)
		}
		require.Equal(t, "+PONG", send(t, s, "PING"))
	})
}

// failureOf returns what f fails its test with.
func failureOf(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	tb := &failingTB{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { f(tb) })
	wg.Wait()
	require.NotEmpty(t, tb.failure, "it must fail")
	return tb.failure
}

// failingTB is a test that takes note of its failure and ends by it.
type failingTB struct {
	testing.TB
	failure string
}

func (tb *failingTB) Helper() {}

func (tb *failingTB) Fatal(args ...any) {
	tb.failure = fmt.Sprint(args...)
	runtime.Goexit()
}

func (tb *failingTB) Fatalf(format string, args ...any) {
	tb.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// gone reports whether the server's process has ended. Its port would not tell,
// since another server may have it by now.
func gone(s *Server) bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", s.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// send returns the first line of the server's reply.
func send(t *testing.T, s *Server, command string) string {
	t.Helper()
	conn := dial(t, s)
	require.NoError(t, conn.SetDeadline(time.Now().Add(callTimeout)))
	_, err := io.WriteString(conn, command+"\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\r\n")
}

func info(t *testing.T, s *Server, section string) string {
	t.Helper()
	text, err := s.call("INFO "+section, time.Now().Add(callTimeout))
	require.NoError(t, err)
	return text
}
