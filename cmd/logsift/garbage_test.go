package main

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLargeHeapsAreCollectedAsEver(t *testing.T) {
	t.Parallel()
	for live, percent := range map[uint64]int{
		0: 400, 1 << 20: 400, 16 << 20: 400, 32 << 20: 200, 64 << 20: 100, 128 << 20: 50, 193 << 20: 100, 4 << 30: 100,
	} {
		require.Equal(t, percent, garbagePercent(live), "%d bytes", live)
	}
}

// It changes what the whole process has one of, and so runs in one of its own.
func TestThePercentageFollowsTheHeap(t *testing.T) {
	t.Parallel()
	if os.Getenv("LOGSIFT_TEST_GARBAGE") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestThePercentageFollowsTheHeap$")
		cmd.Env = append(os.Environ(), "LOGSIFT_TEST_GARBAGE=1", "GOGC=100")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	percent := func() int {
		old := debug.SetGCPercent(100)
		debug.SetGCPercent(old)
		return old
	}
	spareSmallHeaps(func(string) string { return "50" })
	require.Equal(t, 100, percent(), "what the environment names stays")
	spareSmallHeaps(func(string) string { return "" })
	require.Equal(t, mostGarbage, percent())
	large := make([]byte, 200<<20)
	collected := func(want int) func() bool {
		return func() bool { runtime.GC(); return percent() == want }
	}
	require.Eventually(t, collected(100), 10*time.Second, time.Millisecond)
	runtime.KeepAlive(large) // and not for longer
	require.Eventually(t, collected(mostGarbage), 10*time.Second, time.Millisecond)
}
