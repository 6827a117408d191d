package bootstrap_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// make module gives a copy of the repository another path: every import is found under
// it, and the old one is nowhere left.
func TestTheModuleTakesAnotherPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sources := os.DirFS("..")
	require.NoError(t, fs.WalkDir(sources, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o700)
		case !slices.Contains([]string{".go", ".mod", ".sum", ".yml", ".md"}, filepath.Ext(name)) && !strings.HasPrefix(name, ".ci/"):
			return nil // It names no package; page and samples are embedded, which is not looked at here.
		}
		text, err := fs.ReadFile(sources, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), text, 0o600)
	}))
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, wrong := range []string{"", "queue", "host.example/", "host.example/a b/c", "host.example/$(id)/c"} {
		out, err := run("sh", ".ci/module", wrong)
		require.Error(t, err, wrong)
		require.Contains(t, out, "make module MODULE=host/owner/name")
	}
	const path = "host.example/you/queue"
	out, err := run("sh", ".ci/module", path)
	require.NoError(t, err, out)
	out, err = run("go", "list", "-e", "-test", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./...")
	require.NoError(t, err, out)
	require.Contains(t, strings.Split(out, "\n"), path+"/application/queuetest")
	for line := range strings.SplitSeq(out, "\n") {
		require.False(t, line == module || strings.HasPrefix(line, module+"/"), "%s has the old path", line)
	}
	for _, name := range []string{"bootstrap/systemtest/go.mod", ".golangci.yml", "mocks/doc.go", "cmd/queue-example/testdata/hello/main.go", "docs/go.md"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Contains(t, string(text), path, name)
	}
}
