package bootstrap_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGenerateChangesNothing runs the generate line of each port and compares
// its output with the file in mocks. It reads both here, so that the test's
// cached result depends on them.
func TestGenerateChangesNothing(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("../ports/*.go")
	require.NoError(t, err)
	generated := 0
	for _, source := range sources {
		src, err := os.ReadFile(source)
		require.NoError(t, err)
		line := generateLine(src)
		if line == "" {
			continue
		}
		generated++
		name := filepath.Base(source)
		want, err := os.ReadFile(filepath.Join("../mocks", name))
		require.NoError(t, err, "run go generate ./...")
		fresh := filepath.Join(t.TempDir(), name)
		args := strings.Fields(strings.ReplaceAll(line, "$GOFILE", name))
		require.Equal(t, []string{"go", "tool", "mockgen"}, args[:3])
		for i, a := range args {
			if strings.HasPrefix(a, "-destination=") {
				args[i] = "-destination=" + fresh
			}
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = "../ports"
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		got, err := os.ReadFile(fresh)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "mocks/%s is stale: run go generate ./...", name)
	}
	mocks, err := filepath.Glob("../mocks/*.go")
	require.NoError(t, err)
	require.Len(t, mocks, generated+1, "each file in mocks but doc.go comes from a port file")
}

func generateLine(src []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(src))
	for lines.Scan() {
		if line, ok := strings.CutPrefix(lines.Text(), "//go:generate "); ok {
			return line
		}
	}
	return ""
}
