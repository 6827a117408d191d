//go:build linux && !race

// The race detector multiplies the memory that is measured here, and the time.

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// analyzePeak has a logsift of its own analyse a file that write makes, and returns
// the most memory that it had, in MiB.
func analyzePeak(t *testing.T, write func(*bufio.Writer), args ...string) int64 {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "in.log")
	f, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriter(f)
	write(w)
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"analyze", path}, args...)...)
	cmd.Args[0] = "logsift"
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "XDG_DATA_HOME="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
}

// words writes lines that have no shape in common.
func words(lines int) func(*bufio.Writer) {
	return func(w *bufio.Writer) {
		random := rand.New(rand.NewPCG(1, 2))
		word := func() string {
			var b strings.Builder
			for range 8 {
				b.WriteByte(byte('a' + random.IntN(26)))
			}
			return b.String()
		}
		for range lines {
			_, _ = fmt.Fprintf(w, "INFO %s %s %s %s\n", word(), word(), word(), word())
		}
	}
}

// Linux counts what the parent holds at the start of a child into the child's peak. So it
// runs before the parallel tests, some of which hold much.
func TestMemoryIsBoundByTheBatchNotByTheInput(t *testing.T) { //nolint:paralleltest // See above.
	t.Run("of different shapes", func(t *testing.T) {
		t.Parallel()
		few := analyzePeak(t, words(2_500), "--batch-size", "1250")
		many := analyzePeak(t, words(25_000), "--batch-size", "1250")
		t.Logf("2,500 lines: %d MiB, 25,000 lines: %d MiB", few, many)
		require.Less(t, many, few+130, "ten times the lines must not take ten times the memory")
	})
	t.Run("of lines of a megabyte", func(t *testing.T) {
		t.Parallel()
		line := strings.Repeat("x", 1<<20-10)
		wide := func(lines int) func(*bufio.Writer) {
			return func(w *bufio.Writer) {
				for i := range lines {
					_, _ = fmt.Fprintf(w, "%08d %s\n", i, line[:len(line)-i%7])
				}
			}
		}
		peak := analyzePeak(t, wide(300))
		t.Logf("300 lines of a megabyte: %d MiB", peak)
		require.Less(t, peak, int64(1000), "a batch has 128 MiB of lines")
	})
}
