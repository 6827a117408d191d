// Package redistest starts real Redis servers for tests.
//
// [Start] gives a test a server of its own, to be killed, restarted and paused
// as the test likes; [StartCluster] and [StartSentinel] give it a group of them.
// [Shared] gives it a namespace on one server that all tests of the binary use; a
// package that calls it runs its tests through [Main].
//
// A server listens on a free loopback port, keeps nothing on disk unless asked
// to, and is gone when its test is: it is stopped by the test's clean-up, and on
// Linux the kernel kills it if the test binary dies before.
//
// The server program is what the environment variable LOGSIFT_REDIS_SERVER
// names (a valkey-server will do), else redis-server on the PATH. A test that
// needs it and cannot have it fails; it is never skipped.
package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// ServerEnv is the environment variable that names the server program.
const ServerEnv = "LOGSIFT_REDIS_SERVER"

// Start runs a server for the test and returns once it answers. The arguments
// are options of redis-server, such as "--maxmemory", "2mb", and win over the
// defaults, which are no persistence (--save "", --appendonly no), and the
// test's temporary folder as --dir. Address, port and --daemonize no are not to
// be changed.
//
// The clean-up of the test stops the server, paused or not.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := newServer(t.TempDir(), args)
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	return s
}

// shared is the server of Shared. Main ends it after all tests.
var shared struct {
	running  atomic.Bool // whether Main runs the tests, and so will stop the server
	start    sync.Once
	server   *Server
	dir      string
	err      error
	tests    atomic.Int64
	shutdown sync.Once
}

// Shared returns the server that the tests of this binary share, and a
// namespace that no other call gets: letters, digits and hyphens, for use as a
// prefix or a hash tag of the test's keys. The server starts with the first
// call. It cannot be killed, paused, restarted or flushed.
//
// The tests must be run by [Main].
func Shared(t testing.TB) (*Server, string) {
	t.Helper()
	if !shared.running.Load() {
		t.Fatal("redistest: Shared needs func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }")
	}
	shared.start.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "redistest"); shared.err != nil {
			return
		}
		if shared.server, shared.err = newServer(shared.dir, nil); shared.err == nil {
			shared.server.shared = true
		}
	})
	if shared.err != nil {
		t.Fatalf("redistest: shared server: %v", shared.err)
	}
	return shared.server, fmt.Sprintf("test-%d", shared.tests.Add(1))
}

// Main runs the tests of m and stops the shared server, if one was started. It
// returns the code to exit with, which is not 0 if a test failed or, after
// tests that all passed, goroutines are left that the options do not except:
//
//	func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }
func Main(m goleak.TestingM, options ...goleak.Option) int {
	shared.running.Store(true)
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintf(os.Stderr, "redistest: shared server: %v\n", err)
		code = max(code, 1)
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(options...); err != nil {
		fmt.Fprintf(os.Stderr, "redistest: goroutines are left after the tests: %v\n", err)
		return 1
	}
	return 0
}

func stopShared() error {
	shared.running.Store(false)
	var errs []error
	shared.shutdown.Do(func() {
		if shared.server != nil {
			errs = append(errs, shared.server.stop())
		}
		if shared.dir != "" {
			errs = append(errs, os.RemoveAll(shared.dir))
		}
	})
	return errors.Join(errs...)
}

// program finds the server program.
func program() (string, error) {
	name := os.Getenv(ServerEnv)
	if name == "" {
		name = "redis-server"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("this test needs a real Redis: %w; install it (apt-get install redis-server, or brew install redis) or set %s to its path", err, ServerEnv)
	}
	return path, nil
}
