package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/cmd/logsift/internal/follow"
	"logsift/domain/logline"
)

// waysIn are texts whose lines belong together or have times, levels and containers of
// their own.
var waysIn = map[string]string{
	"trace after information": "2026-05-01 08:00:00 INFO done\nException in thread \"main\" java.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\n2026-05-01 08:00:02 INFO done\n",
	"panic":                   "2026-05-01 08:00:00 INFO done\npanic: oh\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:7 +0x18\nexit status 2\n2026-05-01 08:00:02 INFO done\n",
	"lines without heads":     "2026-05-01 08:00:00 INFO done\nfree text\n2026-05-01 08:00:01 INFO done\n    2026-05-01 08:00:02 ERROR indented\n",
	"CRI":                     "2026-05-01T08:00:00.1Z stdout F \n2026-05-01T08:00:00.2Z stderr P ERROR ha\n2026-05-01T08:00:00.3Z stderr F lf\n",
	"Docker":                  `{"log":"\n","stream":"stdout","time":"2026-05-01T08:00:00.1Z"}` + "\n" + `{"log":"{\"level\":\"error\",\"msg\":\"no\"}\n","stream":"stdout","time":"2026-05-01T08:00:01Z"}` + "\n",
	"JSON over lines":         "{\"time\":\"2026-05-01T08:00:00Z\",\"level\":\"info\",\"msg\":\"a\"}\n{\n  \"time\": \"2026-05-01T08:00:01Z\",\n  \"level\": \"error\",\n  \"msg\": \"b\"\n}\n",
	"days first":              "11/10/2026 09:00:01 INFO a\n14/10/2026 09:00:01 ERROR b\n",
	"NUL bytes":               "2026-05-01 08:00:00 INFO a\n" + strings.Repeat("\x00", 64) + "2026-05-01 08:00:01 ERROR b\n",
}

// read is what is told of each entry, in the order of their times.
func read(entries []wire.LogEntry, began time.Time) []string {
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		at := "" // For a line without a time, for which the server takes that of its arrival.
		if e.Timestamp != nil && e.Timestamp.Before(began) {
			at = e.Timestamp.UTC().Format(time.RFC3339Nano)
		}
		out = append(out, at+" "+e.Level+" "+e.Message)
	}
	slices.Sort(out)
	return out
}

func TestAllWaysInReadALogAlike(t *testing.T) {
	t.Parallel()
	ft := newFollowTest(t)
	want, began := map[string][]string{}, time.Now()
	for name, text := range waysIn {
		path := filepath.Join(ft.dir, name+".log")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		in, err := fileInput(path)
		require.NoError(t, err)
		var entries []wire.LogEntry
		_, err = readChunks(in, logline.Parser{}, func(c *chunk) error {
			for line := range bytes.Lines(c.body.Bytes()) {
				var e wire.LogEntry
				require.NoError(t, json.Unmarshal(line, &e))
				entries = append(entries, e)
			}
			return nil
		})
		require.NoError(t, err)
		want[name] = read(entries, began)

		query := url.Values{"source": {"post " + name}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ft.base+"/api/v1/logs?"+query.Encode(), strings.NewReader(text))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "text/plain")
		res, err := ft.http.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusAccepted, res.StatusCode)
	}
	stored := func(source string) []string {
		var page wire.LogList
		require.NoError(t, (&client{http: ft.http, base: ft.base}).get(t.Context(), "/api/v1/logs", url.Values{"source": {source}}, &page))
		return read(page.Logs, began)
	}
	ft.follow(t, follow.Options{Patterns: []string{filepath.Join(ft.dir, "*.log")}, FromStart: true})
	for _, name := range slices.Sorted(maps.Keys(waysIn)) {
		require.Equal(t, want[name], stored("post "+name), name)
		require.Eventually(t, func() bool { return len(stored(name+".log")) >= len(want[name]) }, time.Minute, 50*time.Millisecond, name)
		require.Equal(t, want[name], stored(name+".log"), name)
	}
	require.NoError(t, ft.stop())
}
