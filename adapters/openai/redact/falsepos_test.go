package redact_test

import (
	"bufio"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
)

// data names a folder with logs that hold no secrets, of which each file ending in
// .log is a system of its own.
var data = flag.String("data", "", "folder with logs to measure false positives on")

// maxChanged is the largest share of a system's lines that may be changed.
const maxChanged = 0.005

// TestRealLogsStay reads the logs of -data where they are and copies nothing.
func TestRealLogsStay(t *testing.T) {
	if *data == "" {
		t.Skip("no folder is given by -data")
	}
	redactor := redact.New(redact.Config{})
	systems := 0
	require.NoError(t, filepath.WalkDir(*data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".log") {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		systems++
		lines, changed := 0, 0
		in := bufio.NewScanner(file)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			lines++
			if out := redactor.Session().Redact(in.Text()); out != in.Text() {
				if changed++; changed <= 10 {
					t.Logf("%s:%d: %s", filepath.Base(path), lines, out)
				}
			}
		}
		t.Logf("%-24s %7d lines, %4d changed, %.3f %%", filepath.Base(path), lines, changed, 100*float64(changed)/float64(lines))
		if float64(changed) > maxChanged*float64(lines) {
			t.Errorf("%s: %d of %d lines changed", path, changed, lines)
		}
		return in.Err()
	}))
	require.Positive(t, systems, "%s has no .log file", *data)
}
