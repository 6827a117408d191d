package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// holderEnv makes TestHoldServer start a server and keep it until it is killed.
const holderEnv = "LOGSIFT_REDISTEST_HOLD"

func TestServerDiesWithTheTestBinary(t *testing.T) {
	t.Parallel()
	holder := exec.Command(os.Args[0], "-test.run=^TestHoldServer$", "-test.timeout=1m")
	holder.Env = append(os.Environ(), holderEnv+"=1", "TMPDIR="+t.TempDir())
	// The holder ends when its input does, so it does not outlive this test.
	_, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	t.Cleanup(func() { _ = holder.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr := strings.TrimSpace(line)
	conn, err := net.Dial("tcp4", addr)
	require.NoError(t, err)
	defer conn.Close()

	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())

	// The kernel closes the connection when the server is dead.
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(callTimeout)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server still lives")
}

func TestHoldServer(t *testing.T) {
	if os.Getenv(holderEnv) == "" {
		t.Skip("runs in the process that TestServerDiesWithTheTestBinary kills")
	}
	fmt.Println(Start(t).Addr())
	_, _ = os.Stdin.Read(make([]byte, 1))
}
