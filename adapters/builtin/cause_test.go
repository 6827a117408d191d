package builtin_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/domain"
)

// What is kept to find the twins of long statements is bounded. The test measures the whole
// process, so it does not run beside others.
func TestTwinsOfLongStatementsCostLittle(t *testing.T) { //nolint:paralleltest // It counts what the process allocates.
	words := make([]string, 150)
	var logs []domain.LogEntry
	for i := range 1000 {
		for j := range words {
			words[j] = "word" + string(rune('a'+(i*7+j*i)%26)) + string(rune('a'+(i+j*3)%26)) + string(rune('a'+i/26%26))
		}
		at := time.Date(2026, 5, 1, 8, 0, i, 0, time.UTC)
		logs = append(logs, domain.LogEntry{
			Source: "app", Timestamp: at, Level: domain.LogLevelError,
			Message: fmt.Sprintf("%s ERROR cannot %s", at.Format(time.RFC3339), strings.Join(words, " ")),
		})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := builtin.New(builtin.Config{}).Analyze(t.Context(), domain.AnalysisRequest{Logs: logs})
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
}

func TestWhatBeginsTogetherIsOneAnomaly(t *testing.T) {
	t.Parallel()
	made := func(begin, end int, lines ...string) []string {
		var out []string
		for second := range 3600 {
			out = append(out, at(time.Duration(second)*time.Second, "INFO request served in %d ms", 20+second%17))
			for _, line := range lines {
				if second >= begin && second < end {
					out = append(out, at(time.Duration(second)*time.Second, "%s", line))
				}
			}
		}
		return out
	}
	t.Run("spikes", func(t *testing.T) {
		t.Parallel()
		lines := made(1800, 1860, "INFO cache is filled", "INFO disk is read")
		for second := 0; second < 3600; second += 300 {
			lines = append(lines, at(time.Duration(second)*time.Second, "INFO cache is filled"), at(time.Duration(second)*time.Second, "INFO disk is read"),
				at(time.Duration(second)*time.Second, "INFO cache is filled"))
		}
		r := analyse(t, entries("app", lines...))
		require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
		require.Contains(t, r.Anomalies[0].Evidence, "with it: INFO disk is read")
		require.Equal(t, "2026-05-01 08:30:00 +0000 UTC", r.Anomalies[0].FirstSeen.String())
	})
	t.Run("a surge of errors, the warnings with it, and what does not come meanwhile", func(t *testing.T) {
		t.Parallel()
		var lines []string
		for _, line := range made(1800, 2100, "ERROR order cannot be saved", "WARN order is tried again") {
			if second := line[14:19]; strings.Contains(line, "served") && second >= "30:00" && second < "35:00" {
				continue
			}
			lines = append(lines, line)
		}
		r := analyse(t, entries("app", lines...))
		require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
		require.Equal(t, domain.AnomalyErrorBurst, r.Anomalies[0].Kind)
		require.Contains(t, r.Anomalies[0].Evidence, "with it: WARN order is tried again (300 lines)")
		require.Contains(t, r.Anomalies[0].Evidence, "served in <*> (only 0 lines)")
	})
	t.Run("new lines", func(t *testing.T) {
		t.Parallel()
		r := judge(t, service(nil), entries("app", append(service(nil),
			at(time.Hour, "INFO export begins"), at(time.Hour+2*time.Second, "INFO rows are read"), at(time.Hour+9*time.Second, "INFO file is written"))...))
		require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
	})
	t.Run("a shift and the lines that make it up", func(t *testing.T) {
		t.Parallel()
		r := analyse(t, entries("app", made(1800, 3600, "WARN ledger answered late", "WARN answer is stale")...))
		require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
		require.Equal(t, domain.AnomalySeverityShift, r.Anomalies[0].Kind)
		require.Contains(t, r.Anomalies[0].Evidence, "66.7 % of the lines of the last 30 min are warnings or worse; none before")
		require.Equal(t, 3600, r.Anomalies[0].Count)
	})
}

// logOf makes the lines of two hours of a service, one in ten seconds, and after those of some
// numbers what more says.
func logOf(more map[int][]string) []string {
	var out []string
	for i := range 720 {
		out = append(out, at(time.Duration(i)*10*time.Second, "INFO request served in %d ms", 20+i%17))
		for _, line := range more[i] {
			out = append(out, at(time.Duration(i)*10*time.Second+100*time.Millisecond, "%s", line))
		}
	}
	return out
}

func TestGraveErrorsWithNeighboursStayApart(t *testing.T) {
	t.Parallel()
	r := analyse(t, entries("app", logOf(map[int][]string{
		100: {"FATAL could not write: No space left on device", "ERROR statement was INSERT failed for user shop"},
		250: {"ERROR payment was declined by the bank"},
		400: {"ERROR mail template has no subject", "WARN customer gets no mail"},
		600: {"FATAL kernel panic: out of memory", "ERROR cannot reach the replica of orders"},
	})...))
	require.Len(t, r.Anomalies, 3, "%v", r.Anomalies)
	for text, neighbour := range map[string]string{"No space left": "INSERT failed", "kernel panic": "the replica"} {
		a := find(r, text)
		require.NotNil(t, a)
		require.Equal(t, domain.SeverityCritical, a.Severity)
		require.Equal(t, a.FirstSeen, a.LastSeen)
		require.Equal(t, 1, strings.Count(a.Evidence, "with it: "))
		require.Contains(t, a.Evidence, neighbour)
	}
	require.Contains(t, r.Anomalies[2].Evidence, "2 of 727 lines are errors of 2 kinds", "the warning is no error")
}

func TestWhatStoppedForGoodIsNoPartOfAnother(t *testing.T) {
	t.Parallel()
	more := map[int][]string{}
	for i := range 500 {
		more[i] = []string{"INFO heartbeat from the node", "INFO lease is held"}
	}
	for i := 500; i < 530; i++ {
		more[i] = []string{"ERROR upstream timed out", "ERROR retry budget is gone"}
	}
	r := analyse(t, entries("app", logOf(more)...))
	require.Len(t, r.Anomalies, 2, "%v", r.Anomalies)
	require.Equal(t, domain.AnomalyErrorBurst, r.Anomalies[0].Kind)
	require.NotContains(t, r.Anomalies[0].Evidence, "heartbeat")
	stopped := ofKind(r, domain.AnomalyMissingEvent, "heartbeat")
	require.Len(t, stopped, 1)
	require.Contains(t, stopped[0].Evidence, "no line in the last ")
	require.Contains(t, stopped[0].Evidence, "with it: INFO lease is held (stopped, too)")
}

// What is said of errors of several kinds is true of all of them.
func TestErrorsOfSeveralKindsHaveNoTemplate(t *testing.T) {
	t.Parallel()
	more := map[int][]string{10: {"ERROR payment was declined by the bank"}, 700: {"ERROR mail template has no subject"}}
	for i := range 12 {
		more[50+i*53] = []string{"ERROR voucher has expired already"}
	}
	logs := entries("app", logOf(more)...)
	for i := range logs {
		logs[i].Attributes = map[string]string{"service": "front"}
		if message := logs[i].Message; strings.Contains(message, "voucher") || strings.Contains(message, "INFO") && i%2 == 0 {
			logs[i].Attributes["service"] = "shop"
		}
	}
	r := analyse(t, logs)
	require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
	a := r.Anomalies[0]
	require.Equal(t, []string{"shop", "front"}, a.Services, "the one with most lines comes first")
	require.Empty(t, a.Template+a.TemplateID)
	require.Equal(t, domain.AnomalyRecurringError, a.Kind)
	require.Equal(t, 14, a.Count)
	require.Len(t, a.LogIDs, 14)
	require.Equal(t, "14 of 734 lines are errors of 3 kinds; nothing tells what is normal; with it: ERROR voucher has expired already (12 lines); "+
		"with it: ERROR payment was declined by the bank (1 line); with it: ERROR mail template has no subject (1 line)", a.Evidence)
	require.Equal(t, "08:01:40 09:56:40", a.FirstSeen.Format(time.TimeOnly)+a.LastSeen.Format(" "+time.TimeOnly))
}

// What an anomaly counts is what its evidence speaks of, however many others have its cause.
func TestTheCountIsThatOfTheEvidence(t *testing.T) {
	t.Parallel()
	var lines []string
	for second := range 3600 {
		lines = append(lines, at(time.Duration(second)*time.Second, "INFO request served in %d ms", 20+second%17))
		if second >= 1800 && second < 1860 || second%600 == 0 {
			lines = append(lines, at(time.Duration(second)*time.Second, "WARN user root is refused by the door"))
		}
		if second >= 1800 && second < 1840 {
			lines = append(lines, at(time.Duration(second)*time.Second, "WARN user guest is refused by the door"))
		}
	}
	r := analyse(t, entries("app", lines...))
	require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
	require.Contains(t, r.Anomalies[0].Evidence, fmt.Sprintf("%d lines within", r.Anomalies[0].Count))
}
