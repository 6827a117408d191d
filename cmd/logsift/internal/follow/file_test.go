package follow

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain/logline"
)

// FuzzFollowedLines checks that the lines of a file become entries once each, in
// whatever pieces the file grows.
func FuzzFollowedLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nthree"), uint8(3))
	f.Add([]byte("0\r\r"), uint8(3))
	f.Add([]byte("0\r\x00"), uint8(90))
	f.Add([]byte("2026-05-01 08:00:00 INFO x\n\tat y\n\xff\n"), uint8(1))
	f.Fuzz(func(t *testing.T, content []byte, piece uint8) {
		w := &follower{Options: Options{Note: t.Logf}}
		file := &followed{}
		var got []string
		at := time.Unix(0, 0)
		for end := 0; end < len(content); {
			end = min(len(content), end+int(piece)+1)
			buf := content[file.Offset:end]
			last := end == len(content)
			file.size = int64(end)
			b := batch{end: file.Offset}
			file.split(w, &b, buf, at, last, last, last)
			for _, e := range b.entries {
				got = append(got, strings.Split(e.Message, "\n")...)
			}
			require.LessOrEqual(t, b.end, int64(end))
			file.Offset = b.end
		}
		var want []string
		for i, line := range strings.Split(string(content), "\n") {
			start := int64(1)
			if i == 0 {
				start = 0
			}
			if text := lineText([]byte(line), start); strings.TrimSpace(text) != "" {
				want = append(want, text)
			}
		}
		got = slices.DeleteFunc(got, func(s string) bool { return strings.TrimSpace(s) == "" })
		require.Equal(t, want, got)
	})
}

func TestTheFileTellsTheOrderOfDayAndMonthOfEachBatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	former, content := "13/04/2026 09:00:00 INFO a\n", "05/04/2026 09:00:00 INFO b\n05/04/2026 09:00:01 INFO c\n"
	require.NoError(t, os.WriteFile(path, []byte(former+content+"13/05/2026 09:00:00 INFO d\n"), 0o600))
	opened, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	w := &follower{Options: Options{Note: t.Logf}}
	file := &followed{file: opened, position: position{Offset: int64(len(former)), Pending: int64(len(former + content))}}
	b, err := file.batch(w, false)
	require.NoError(t, err)
	var got []string
	for _, e := range b.entries {
		got = append(got, e.Timestamp.Format(time.DateOnly))
	}
	require.Equal(t, []string{"2026-04-05", "2026-04-05"}, got)
}

// A batch that ends before its bytes do is read as what is behind it says, and a repeat,
// which has its own bytes alone, as the first time.
func TestARepeatHasTheTimesOfTheFirst(t *testing.T) {
	t.Parallel()
	w := &follower{Options: Options{Note: t.Logf}}
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	content := []byte("05/04/2026 09:00:00 INFO b\n05/04/2026 09:00:01 INFO c\n13/04/2026 09:00:00 INFO d\n")
	times := func(buf []byte, order logline.DateOrder, again bool) (b batch, out []string) {
		file := &followed{size: int64(len(buf)), position: position{DateOrder: order}}
		file.split(w, &b, buf, now, again, again, again)
		for _, e := range b.entries {
			out = append(out, e.Timestamp.Format(time.DateOnly))
		}
		return b, out
	}
	b, first := times(content, 0, false)
	require.Equal(t, []string{"2026-04-05", "2026-04-05"}, first)
	require.Less(t, b.end, int64(len(content)), "the last entry may go on")
	_, again := times(content[:b.end], b.order, true)
	require.Equal(t, first, again)
}

func TestALinkIsFollowedOnlyIfItIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "logs"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "logs", "a.log"), nil, 0o600))
	require.NoError(t, os.Symlink("a.log", filepath.Join(dir, "logs", "l.log")))
	require.NoError(t, os.Symlink("logs", filepath.Join(dir, "linked")))
	for _, c := range []struct {
		pattern, path string
		linked        bool
	}{
		{"logs/*.log", "logs/a.log", false}, {"logs/*.log", "logs/l.log", true}, {"logs/l.log", "logs/l.log", false},
		{"l*/a.log", "logs/a.log", false}, {"l*/a.log", "linked/a.log", true}, {"linked/*.log", "linked/a.log", false},
		{"lo?s/[al].log", "logs/l.log", true}, {"lo?s/l.log", "logs/l.log", true},
	} {
		require.Equal(t, c.linked, matchedLink(filepath.Join(dir, c.pattern), filepath.Join(dir, c.path)), c)
		require.Equal(t, c.linked, matchedLink(dir+"/./"+c.pattern, filepath.Join(dir, c.path)), "%v as it may be typed", c)
	}
}
