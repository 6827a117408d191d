package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/domain/logline"
)

// timestampsOf are those that analyze sends for a file that was written last at modified.
func timestampsOf(t *testing.T, text string, modified time.Time) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.log")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chtimes(path, modified, modified))
	in, err := fileInput(path)
	require.NoError(t, err)
	var out []string
	_, err = readChunks(in, logline.Parser{}, func(c *chunk) error {
		for line := range strings.SplitSeq(strings.TrimSpace(c.body.String()), "\n") {
			var entry wire.LogEntry
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				return err
			}
			out = append(out, entry.Timestamp.Format("2006-01-02"))
		}
		return nil
	})
	require.NoError(t, err)
	return out
}

func TestAFileTellsTheDatesOfItsLines(t *testing.T) {
	t.Parallel()
	modified := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	require.Equal(t, []string{"2026-10-11", "2026-10-12", "2026-10-13", "2026-10-14"},
		timestampsOf(t, "11/10/2026 09:00:01 INFO started\n12/10/2026 09:00:01 INFO one\n13/10/2026 09:00:01 INFO two\n14/10/2026 09:00:01 ERROR three\n", modified))
	require.Equal(t, []string{"2025-11-27", "2025-11-30", "2025-12-01", "2025-12-03"},
		timestampsOf(t, "Nov 27 10:00:00 web1 app[7]: a\nNov 30 10:00:00 web1 app[7]: b\nDec  1 10:00:00 web1 app[7]: c\nDec  3 10:00:00 web1 app[7]: d\n", modified))
	t.Run("the end of a large file, too", func(t *testing.T) {
		t.Parallel()
		var text strings.Builder
		for day := time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC); day.Month() != time.January; day = day.Add(5 * time.Minute) {
			fmt.Fprintf(&text, "%s web1 app[7]: step\n", day.Format(time.Stamp))
		}
		got := timestampsOf(t, text.String(), modified)
		require.Equal(t, []string{"2025-03-01", "2025-12-31"}, []string{got[0], got[len(got)-1]})
	})
}
