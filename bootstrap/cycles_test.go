package bootstrap_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap"
)

// Not parallel, and neither are its parts: what other tests hold would be
// counted too.
func TestStartingAndStoppingLeavesNothing(t *testing.T) {
	const cycles = 60
	server := redistest.Start(t)
	connections := func() int { return strings.Count(clients(t, server), "name=logsift") }

	for name, store := range map[string]string{
		"memory": "memory:", "sqlite": "sqlite:" + filepath.Join(t.TempDir(), "logsift.db"), "redis": server.URL(),
	} {
		t.Run(name, func(t *testing.T) {
			cycle := func() {
				a, err := bootstrap.New(t.Context(), config(store))
				require.NoError(t, err)
				require.NoError(t, a.Start(t.Context()))
				require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/readyz", "", "", nil))
				require.NoError(t, a.Stop(t.Context()))
			}
			// What is opened once, such as the poller of the network, is there after
			// the first.
			cycle()
			goroutines, files, clients := goleak.IgnoreCurrent(), openFiles(t), connections()
			for range cycles {
				cycle()
			}
			goleak.VerifyNone(t, goroutines)
			// A leak would be one for each cycle; a few come and go with the runtime.
			require.Less(t, openFiles(t)-files, cycles/5, "open files")
			// The server learns a little later that a connection was closed.
			require.Eventually(t, func() bool { return connections() == clients }, patience, 10*time.Millisecond, "connections to Redis")
		})
	}
}

// openFiles counts the open files of this process, where the system tells it.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Logf("open files are not counted: %v", err)
		return 0
	}
	return len(files)
}
