package logline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

// headers are lines of several formats, as seeds.
var headers = []string{
	``, ` `, `2026-03-01T10:11:12.345Z INFO x`, `2026-03-01 10:11:12,345 [main] ERROR a - b`, `<34>1 2026-03-01T10:11:12+01:00 host app 1 - - x`,
	`<34>Mar  1 10:11:12 host app[1]: x`, `E0302 10:11:12.600000 1 a.go:1] x`, `12:M 01 Mar 2026 10:11:12.345 # x`, `[01/Mar/2026:10:11:12 +0100] "GET / HTTP/1.1" 500`,
	`081109 203615 148 INFO dfs.X: x`, `1772359872.345 x`, `{"ts":1772359872345,"level":50,"msg":"x"}`, `{"t":{"$date":"2026-03-01T10:11:12Z"},"s":"E","msg":"\""}`,
	`{"a":[{"b":"}"}],"level":"warn"`, `time="2026-03-01T10:11:12Z" level=error msg="x"`, "29/Feb/2027 10:11:12 \xff", `Dec 31 23:59:60 x`, `99999999999999999999 x`,
}

// FuzzFindTime checks that a time is found inside of the line, or none is.
func FuzzFindTime(f *testing.F) {
	for _, seed := range headers {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		at, begin, end := logline.FindTime(line, now)
		require.True(t, 0 <= begin && begin <= end && end <= len(line), "%d to %d of %d bytes", begin, end, len(line))
		if !at.IsZero() {
			require.Less(t, begin, end)
			_, err := at.MarshalJSON()
			require.NoError(t, err, "a time can be shown")
		}
	})
}

func TestATimeWithoutAZoneIsOfTheLogs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"": {"2026-07-01T10:00:00Z", "2026-01-01T10:00:00Z"}, "UTC": {"2026-07-01T10:00:00Z", "2026-01-01T10:00:00Z"},
		"Europe/Berlin": {"2026-07-01T08:00:00Z", "2026-01-01T09:00:00Z"}, "-07:00": {"2026-07-01T17:00:00Z", "2026-01-01T17:00:00Z"},
		"+0530": {"2026-07-01T04:30:00Z", "2026-01-01T04:30:00Z"}, " 02:00": {"2026-07-01T08:00:00Z", "2026-01-01T08:00:00Z"},
	} {
		zone, err := logline.ParseZone(name)
		require.NoError(t, err, name)
		p := logline.Parser{Zone: zone}
		for i, line := range []string{"2026-07-01 10:00:00 INFO x", "Jan  1 10:00:00 host app[1]: x"} {
			require.Equal(t, want[i], p.Parse(line, testNow()).Timestamp.Format(time.RFC3339), name)
		}
		for _, line := range []string{"2026-07-01T10:00:00Z INFO x", "2026-07-01 12:00:00 +0200 INFO x", "2026-07-01 12:00:00 CEST INFO x", `{"time":"2026-07-01T10:00:00Z","msg":"x"}`} {
			require.Equal(t, "2026-07-01T10:00:00Z", p.Parse(line, testNow()).Timestamp.Format(time.RFC3339), line)
		}
	}
	for _, name := range []string{"Berlin", "../etc/passwd", "/etc/passwd", "+25:00", "+2", strings.Repeat("x", 100), "Europe/Berlin\x00"} {
		_, err := logline.ParseZone(name)
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, "timezone", invalid.Field)
	}
}
