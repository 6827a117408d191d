package bootstrap_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
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
	// A thousand in all.
	cycles := 334
	if testing.Short() {
		cycles = 30
	}
	server := redistest.Start(t)
	admin, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	answers := bufio.NewReader(admin)
	connections := func() int { return strings.Count(ask(t, admin, answers, "CLIENT LIST"), "addr=") }

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
			require.Less(t, openFiles(t)-files, cycles/10, "open files")
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

// ask sends a command to a Redis and returns the text that it answers with.
func ask(t *testing.T, conn net.Conn, answers *bufio.Reader, command string) string {
	t.Helper()
	_, err := io.WriteString(conn, command+"\r\n")
	require.NoError(t, err)
	head, err := answers.ReadString('\n')
	require.NoError(t, err)
	size, err := strconv.Atoi(strings.Trim(head, "$\r\n"))
	require.NoError(t, err, head)
	text := make([]byte, size+len("\r\n"))
	_, err = io.ReadFull(answers, text)
	require.NoError(t, err)
	return string(text)
}
