package bootstrap_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGenerateChangesNothing runs the generate line of the mocks and compares its
// output with what is there.
func TestGenerateChangesNothing(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../mocks/doc.go")
	require.NoError(t, err)
	_, line, found := strings.Cut(string(doc), "//go:generate go ")
	require.True(t, found)
	want, err := os.ReadFile("../mocks/ports.go")
	require.NoError(t, err)
	fresh := filepath.Join(t.TempDir(), "ports.go")
	args := strings.Fields(strings.Replace(line, "-destination=ports.go", "-destination="+fresh, 1))
	require.Contains(t, args, "-destination="+fresh)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../mocks"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	got, err := os.ReadFile(fresh)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "mocks/ports.go is stale: run go generate ./...")
}
