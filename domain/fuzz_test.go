package domain_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// headers are lines of several formats, as seeds.
var headers = []string{
	``, ` `, `2026-03-01T10:11:12.345Z INFO x`, `2026-03-01 10:11:12,345 [main] ERROR a - b`, `<34>1 2026-03-01T10:11:12+01:00 host app 1 - - x`,
	`<34>Mar  1 10:11:12 host app[1]: x`, `E0302 10:11:12.600000 1 a.go:1] x`, `12:M 01 Mar 2026 10:11:12.345 # x`, `[01/Mar/2026:10:11:12 +0100] "GET / HTTP/1.1" 500`,
	`081109 203615 148 INFO dfs.X: x`, `1772359872.345 x`, `{"ts":1772359872345,"level":50,"msg":"x"}`, `{"t":{"$date":"2026-03-01T10:11:12Z"},"s":"E","msg":"\""}`,
	`{"a":[{"b":"}"}],"level":"warn"`, `time="2026-03-01T10:11:12Z" level=error msg="x"`, "29/Feb/2027 10:11:12 \xff", `Dec 31 23:59:60 x`, `99999999999999999999 x`,
}

// FuzzScanLogTime checks that a time is found inside of the line, or none is.
func FuzzScanLogTime(f *testing.F) {
	for _, seed := range headers {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		at, begin, end := domain.ScanLogTime(line, now)
		require.True(t, 0 <= begin && begin <= end && end <= len(line), "%d to %d of %d bytes", begin, end, len(line))
		if !at.IsZero() {
			require.Less(t, begin, end)
			_, err := at.MarshalJSON()
			require.NoError(t, err, "a time can be shown")
		}
	})
}

// FuzzParseLogHeader checks that the text is a part of the line, whole characters
// only, and that what is found is valid.
func FuzzParseLogHeader(f *testing.F) {
	for _, seed := range headers {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		h := domain.ParseLogHeader(line, now)
		require.True(t, 0 <= h.TextBegin && h.TextBegin <= h.TextEnd && h.TextEnd <= len(line), "%d to %d of %d bytes", h.TextBegin, h.TextEnd, len(line))
		if utf8.ValidString(line) {
			require.True(t, utf8.ValidString(line[h.TextBegin:h.TextEnd]))
		}
		require.LessOrEqual(t, h.Level, domain.LogLevelFatal)
	})
}

// FuzzParseLogAnalysisPayload checks that a payload that is taken says which
// entries, and that another that is made of it says the same.
func FuzzParseLogAnalysisPayload(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"log_ids":[null]}`))
	f.Add([]byte(`{"batch_id":"x"}`))
	f.Add(domain.NewLogBatchTask(uuid.Max).Payload)
	f.Add(domain.NewLogAnalysisTask(uuid.Max, uuid.Max, uuid.Nil).Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := domain.ParseLogAnalysisPayload(payload)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrInvalid)
			return
		}
		require.True(t, len(p.LogIDs) > 0 || p.BatchID != nil)
		if p.BatchID == nil {
			again, err := domain.ParseLogAnalysisPayload(domain.NewLogAnalysisTask(uuid.Max, p.LogIDs...).Payload)
			require.NoError(t, err)
			require.Equal(t, p, again)
		}
	})
}

// FuzzParseNames checks that a name that is known reads back as it is shown.
func FuzzParseNames(f *testing.F) {
	for _, seed := range []string{"", "critical", "PENDING", "error", "info ", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if v, err := domain.ParseSeverity(name); err == nil {
			again, err := domain.ParseSeverity(v.String())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
		if v, err := domain.ParseTaskStatus(name); err == nil {
			again, err := domain.ParseTaskStatus(v.String())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
		if v, err := domain.ParseLogLevel(name); err == nil {
			again, err := domain.ParseLogLevel(v.String())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
	})
}
