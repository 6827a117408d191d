package builtin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/domain"
	"logsift/domain/logline"
)

// entries makes log entries of lines.
func entries(source string, lines ...string) []domain.LogEntry {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	out := make([]domain.LogEntry, len(lines))
	for i, line := range lines {
		e := logline.Parser{}.Parse(line, now)
		e.ID, e.Source, e.ReceivedAt = uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%s %d", source, i)), source, now
		if e.Timestamp.IsZero() {
			e.Timestamp = now
		}
		out[i] = e
	}
	return out
}

// routine makes n lines of a quiet service, one a second.
func routine(n int) []string {
	begin := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	out := make([]string, n)
	for i := range out {
		stamp := begin.Add(time.Duration(i) * time.Second).Format("2006-01-02 15:04:05")
		switch i % 3 {
		case 0:
			out[i] = fmt.Sprintf("%s INFO request %d served in %d ms", stamp, i, i%50)
		case 1:
			out[i] = fmt.Sprintf("%s INFO cache hit for key user:%d", stamp, i)
		default:
			out[i] = fmt.Sprintf("%s DEBUG worker %d is idle", stamp, i%8)
		}
	}
	return out
}

func analyse(t *testing.T, logs []domain.LogEntry) domain.AnalysisResult {
	t.Helper()
	result, err := builtin.New(builtin.Config{}).Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs})
	require.NoError(t, err)
	return result
}

func find(r domain.AnalysisResult, part string) *domain.Anomaly {
	for i, a := range r.Anomalies {
		if strings.Contains(a.Template, part) {
			return &r.Anomalies[i]
		}
	}
	return nil
}

func TestARoutineLogHasNoAnomalies(t *testing.T) {
	t.Parallel()
	r := analyse(t, entries("app", routine(3000)...))
	require.Empty(t, r.Anomalies)
	require.Equal(t, 3, r.TemplateCount)
	require.Equal(t, "no anomalies in 3000 lines of 3 templates", r.Summary)
}

func TestASingleErrorIsFoundWithItsLine(t *testing.T) {
	t.Parallel()
	lines := routine(3000)
	lines[1500] = "2026-05-01 08:25:00 ERROR cannot write block 17: No space left on device"
	logs := entries("app", lines...)
	r := analyse(t, logs)
	require.Len(t, r.Anomalies, 1)
	a := r.Anomalies[0]
	require.Equal(t, domain.SeverityHigh, a.Severity)
	require.Equal(t, domain.AnomalyRareTemplate, a.Kind)
	require.Equal(t, domain.CategoryResource, a.Category)
	require.Equal(t, []domain.LogID{logs[1500].ID}, a.LogIDs)
	require.Equal(t, "ERROR cannot write block <*>: No space left on device", a.Template)
	require.Equal(t, []string{"app"}, a.Services)
	require.Contains(t, a.Evidence, "1 of 3000 lines")
}

func TestABurstOfErrorsIsMoreThanItsLines(t *testing.T) {
	t.Parallel()
	lines := routine(3000)
	for i := 1500; i < 1540; i++ {
		lines[i] = strings.Replace(lines[i], lines[i][20:], fmt.Sprintf("ERROR payment %d was declined by the bank", i), 1)
	}
	a := find(analyse(t, entries("app", lines...)), "declined")
	require.NotNil(t, a)
	require.Equal(t, domain.AnomalyErrorBurst, a.Kind)
	require.Equal(t, domain.SeverityHigh, a.Severity)
	require.Equal(t, 40, a.Count)
}

func TestASpikeOfAHarmlessLineIsFound(t *testing.T) {
	t.Parallel()
	lines := routine(3600)
	stamp := "2026-05-01 08:30:00"
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("%s INFO cache hit for key user:%d", stamp, i))
	}
	a := find(analyse(t, entries("app", lines...)), "cache hit")
	require.NotNil(t, a)
	require.Equal(t, domain.AnomalyFrequencySpike, a.Kind)
	require.Positive(t, a.Expected)
}

func TestSourcesAreLookedAtByThemselves(t *testing.T) {
	t.Parallel()
	logs := append(entries("a", routine(1000)...), entries("b", "2026-05-01 08:00:00 INFO only line of b")...)
	r := analyse(t, logs)
	require.Empty(t, r.Anomalies)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "b has only 1 line:")
}

func TestASessionThatGoesAnotherWayIsFound(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 500 {
		id := fmt.Sprintf("blk_%010d", i*7919+1_000_000)
		stamp := "2026-05-01 08:00:00"
		lines = append(lines, stamp+" INFO allocate "+id, stamp+" INFO receiving block "+id, stamp+" INFO stored "+id+" for good")
		if i == 250 {
			lines = append(lines, stamp+" INFO receiving block "+id, stamp+" INFO receiving block "+id)
		}
	}
	r := analyse(t, entries("dfs", lines...))
	require.Len(t, r.Anomalies, 1)
	require.Equal(t, domain.AnomalyCountVector, r.Anomalies[0].Kind)
	require.Equal(t, 5, r.Anomalies[0].Count)
}

func TestLinesWithoutATimeBelongToTheLineBefore(t *testing.T) {
	t.Parallel()
	lines := routine(300)
	lines = append(lines, "2026-05-01 08:05:00 ERROR it broke", "\tat com.example.Main.main(Main.java:1)")
	r := analyse(t, entries("app", lines...))
	require.Equal(t, "2026-05-01 08:05:00 +0000 UTC", r.Window.To.String(), "not the time of arrival")
}

func BenchmarkAnalyze(b *testing.B) {
	logs := entries("app", routine(20_000)...)
	a := builtin.New(builtin.Config{})
	b.ReportAllocs()
	for b.Loop() {
		_, err := a.Analyze(b.Context(), domain.AnalysisRequest{Logs: logs})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(logs)), "ns/line")
}
