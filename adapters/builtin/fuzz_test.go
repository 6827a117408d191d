package builtin

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzAnalyze checks that no lines break the analysis, and that what it finds is
// valid.
func FuzzAnalyze(f *testing.F) {
	f.Add("ERROR cannot open x\nINFO fine\n", int64(0))
	f.Add(strings.Repeat("2026-03-01 10:11:12 request abcdef0123456789 begin\n2026-03-01 10:11:13 request abcdef0123456789 end\n", 60), int64(1)<<50)
	f.Add("\xff", int64(-1))
	f.Fuzz(func(t *testing.T, text string, us int64) {
		var logs []domain.LogEntry
		for line := range strings.SplitSeq(text, "\n") {
			e := domain.ParseLogLine(line, time.Unix(0, 0))
			e.ReceivedAt = time.UnixMicro(us)
			if e.Timestamp.IsZero() {
				e.Timestamp = e.ReceivedAt
			}
			logs = append(logs, e)
		}
		result, err := New(Config{}).Analyze(t.Context(), domain.AnalysisRequest{Logs: logs})
		require.NoError(t, err)
		require.LessOrEqual(t, len(result.Anomalies), domain.MaxAnomalies)
		for _, a := range result.Anomalies {
			require.LessOrEqual(t, len(a.Template), domain.MaxAnomalyTemplate)
			require.True(t, a.Score >= 0 && a.Score <= 1, a.Score)
		}
	})
}
