package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

// timestampsOf are those that analyze reads in a file that was written last at modified.
func timestampsOf(t *testing.T, text string, modified time.Time) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.log")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chtimes(path, modified, modified))
	in, err := fileInput(path)
	require.NoError(t, err)
	var out []string
	_, err = readEntries(in, logline.Parser{}, func(e *domain.LogEntry, _ int) error {
		out = append(out, e.Timestamp.Format(time.DateOnly))
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
	t.Run("over New Year", func(t *testing.T) {
		t.Parallel()
		text := "Dec 30 10:00:00 web1 app[7]: a\nDec 31 23:59:59 web1 app[7]: error: b\n\tat a.B.c(B.java:7)\nJan  2 10:00:00 web1 app[7]: c\n"
		require.Equal(t, []string{"2025-12-30", "2025-12-31", "2026-01-02"}, timestampsOf(t, text, modified))
		old := time.Date(2020, 1, 2, 9, 0, 0, 0, time.UTC)
		require.Equal(t, []string{"2019-12-30", "2019-12-31", "2020-01-02"}, timestampsOf(t, text, old), "an old file is as old as it says")
	})
	t.Run("a file is not younger than its lines", func(t *testing.T) {
		t.Parallel()
		text := "Nov 30 10:00:01 web1 app[7]: a\n"
		future := time.Now().AddDate(1, 0, 0)
		require.Equal(t, timestampsOf(t, text, time.Now()), timestampsOf(t, text, future), "its clock was wrong")
		line := `{"shop_time":"2023-01-31 10:00:00","msg":"sold"}` + "\n"
		require.Equal(t, []string{"2023-01-31"}, timestampsOf(t, line, time.Date(2023, 2, 1, 0, 0, 0, 0, time.UTC)))
	})
}
