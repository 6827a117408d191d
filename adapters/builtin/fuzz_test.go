package builtin

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzTemplates checks that masking takes any line apart into tokens, that none of
// them keeps a digit but the class of a status, and that each line has a template
// of as many tokens.
func FuzzTemplates(f *testing.F) {
	for _, seed := range []string{
		"", " \t\n", "2026-03-01 10:11:12 job 17 failed\njob 18 failed", `1.2.3.4 - - [01/Mar/2026:10:11:12 +0100] "GET / HTTP/1.1" 503 12`,
		"blk_-1608999687919862906 a=b<c>[d]\n\xff\xfe", strings.Repeat("x ", 200), strings.Repeat("y", 5000), "<*> <* *>\n<*>",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		m, d := &masker{}, newDrain(Config{}.withDefaults())
		n := 0
		for line := range strings.SplitSeq(text, "\n") {
			l := m.mask(line, now)
			require.LessOrEqual(t, len(l.ends), maxTokens+1)
			begin := 0
			for _, end := range l.ends {
				require.True(t, begin <= end && end <= len(l.text), "%v of %d bytes", l.ends, len(l.text))
				token := string(l.text[begin:end])
				require.NotContains(t, token, " ")
				require.True(t, !strings.ContainsAny(token, "0123456789") || len(token) == 3 && strings.HasSuffix(token, "xx"), "token %q", token)
				begin = end + 1
			}
			got := d.add(l, n)
			require.Len(t, got.tokens, len(l.ends))
			n++
		}
		lines := 0
		for _, template := range d.templates {
			lines += len(template.lines)
		}
		require.Equal(t, n, lines)
	})
}

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
