//go:build upgrade

package chaos_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/chaos"
)

// older is the commit whose build works beside the newest one.
var older = flag.String("chaos.older", "e80ddcf97710cd839c0a90d84c194af2fc96d8ef", "the commit of the older build that TestAnOlderBuildBeside runs")

// TestAnOlderBuildBeside upgrades a system at work: what the older build took in, the
// newer one works on, and nothing of either is lost or done twice while both run.
func TestAnOlderBuildBeside(t *testing.T) {
	root := strings.TrimSpace(command(t, ".", "git", "rev-parse", "--show-toplevel"))
	programs := [2]string{build(t, source(t, root, *older)), build(t, root)}
	load := chaos.DefaultLoad()
	load.Held = 0 // The earlier program knows no such keys.
	load.Cancel, load.Rerun, load.EndBatch, load.Logs = 0, 0, 0, 150
	dir := t.ArtifactDir()
	seen, err := chaos.Upgrade(t.Context(), dir, startRedis(t), programs, chaos.Options{
		Seed: 1, Settings: chaos.DefaultSettings(), Load: load, Length: 9 * time.Second, DrainLimit: 20 * time.Second,
	})
	require.NoError(t, err)
	found, lost := chaos.Verdict(seen, dir)
	t.Log(chaos.Summary(seen))
	require.Empty(t, strings.Join(lines(found), "\n"))
	require.Zero(t, lost)
}

// source is a folder with the sources of a commit.
func source(t *testing.T, root, commit string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "-C", root, "archive", commit)
	var reason bytes.Buffer
	cmd.Stderr = &reason
	archive, err := cmd.Output()
	require.NoError(t, err, "this clone has no commit %s, which is the older build of this test: fetch the whole history (git fetch --unshallow), or name another one by -chaos.older\n%s", commit, &reason)
	dir := t.TempDir()
	for files := tar.NewReader(bytes.NewReader(archive)); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		require.NoError(t, err)
		name := filepath.Join(dir, filepath.FromSlash(head.Name))
		switch head.Typeflag {
		case tar.TypeDir:
			require.NoError(t, os.MkdirAll(name, 0o750))
		case tar.TypeReg:
			raw, err := io.ReadAll(files)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(name, raw, 0o600))
		}
	}
}

// build makes the program of a source folder.
func build(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "logsift")
	command(t, dir, "go", "build", "-o", program, "./cmd/logsift")
	return program
}

// command runs a program in a folder and returns what it writes.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}
