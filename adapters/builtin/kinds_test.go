package builtin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/domain"
)

// at writes a line of the time after a fixed begin.
func at(offset time.Duration, format string, args ...any) string {
	stamp := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC).Add(offset).Format("2006-01-02 15:04:05.000")
	return stamp + " " + fmt.Sprintf(format, args...)
}

// service makes the lines of an hour of a service that polls, serves and beats,
// with what change makes of each of them; "" leaves a line out.
func service(change func(second int, line string) string) []string {
	var out []string
	for second := range 3600 {
		offset := time.Duration(second) * time.Second
		lines := []string{at(offset, "INFO request served in %d ms", 20+second%17)}
		if second%2 == 0 {
			lines = append(lines, at(offset+100*time.Millisecond, "INFO heartbeat of replica sent"))
		}
		if second%3 == 0 {
			lines = append(lines, at(offset+200*time.Millisecond, "DEBUG queue polled, nothing to do"))
		}
		for _, line := range lines {
			if change != nil {
				line = change(second, line)
			}
			if line != "" {
				out = append(out, line)
			}
		}
	}
	return out
}

// sessionLines makes the lines of n sessions of three steps; change may return others.
func sessionLines(n int, change func(session int, id string, lines []string) []string) []string {
	var out []string
	for i := range n {
		id := fmt.Sprintf("blk_%010d", i*7919+1_000_000)
		offset := time.Duration(i) * time.Second
		lines := []string{at(offset, "INFO allocate %s", id), at(offset, "INFO receiving block %s", id), at(offset, "INFO stored %s for good", id)}
		if change != nil {
			lines = change(i, id, lines)
		}
		out = append(out, lines...)
	}
	return out
}

// ofKind returns the anomalies of a kind whose template has this part.
func ofKind(r domain.AnalysisResult, kind domain.AnomalyKind, part string) []domain.Anomaly {
	var out []domain.Anomaly
	for _, a := range r.Anomalies {
		if a.Kind == kind && strings.Contains(a.Template, part) {
			out = append(out, a)
		}
	}
	return out
}

// kindCase is a log with one fault, and the same without it.
type kindCase struct {
	name  string
	kind  domain.AnomalyKind
	with  []string
	clean []string
	// normal, if there is one, is the baseline of both.
	normal []string
	// template and evidence are parts of what the anomaly says.
	template, evidence string
	severity           domain.Severity
	// count and expected are checked if they are not 0; expected to a tenth.
	count    int
	expected float64
	sessions []string
}

func kindCases() []kindCase {
	return []kindCase{
		{
			name: "a new error", kind: domain.AnomalyNewTemplate, normal: service(nil), clean: service(nil),
			with: service(func(second int, line string) string {
				if second >= 1000 && second < 1005 && strings.Contains(line, "served") {
					return at(time.Duration(second)*time.Second, "ERROR ledger rejected the booking")
				}
				return line
			}),
			template: "ledger rejected", evidence: "never seen in the 6600 lines learned before, and 5 times now", severity: domain.SeverityHigh, count: 5,
		},
		{
			name: "a new line of information", kind: domain.AnomalyNewTemplate, normal: service(nil), clean: service(nil),
			with: append(service(nil), at(time.Hour, "INFO configuration reloaded by operator")), template: "reloaded", severity: domain.SeverityLow, count: 1,
		},
		{
			name: "a rare error", kind: domain.AnomalyRareTemplate, clean: service(nil), with: append(service(nil), at(time.Hour, "ERROR ledger rejected the booking")),
			template: "ledger rejected", evidence: "1 of 6601 lines is an error", severity: domain.SeverityMedium, count: 1,
		},
		{
			name: "a line that few sessions have", kind: domain.AnomalyRareTemplate, clean: sessionLines(500, nil),
			with: sessionLines(500, func(i int, id string, lines []string) []string {
				if i == 77 || i == 200 {
					return append(lines, at(time.Duration(i)*time.Second, "INFO replica of %s moved elsewhere", id))
				}
				return lines
			}),
			template: "moved elsewhere", evidence: "2 of 500 sessions (blk_) have this line", severity: domain.SeverityMedium,
			sessions: []string{"blk_0001609763", "blk_0002583800"},
		},
		{
			name: "a spike", kind: domain.AnomalyFrequencySpike, clean: service(nil),
			with: service(func(second int, line string) string {
				if second/60 == 30 && strings.Contains(line, "polled") {
					return strings.Repeat(line+"\n", 19) + line
				}
				return line
			}),
			template: "queue polled", evidence: "400 lines within 1 min; 20 are normal", severity: domain.SeverityLow, count: 400, expected: 20,
		},
		{
			name: "a spike beside the baseline", kind: domain.AnomalyFrequencySpike, normal: service(nil), clean: service(nil),
			with: service(func(_ int, line string) string {
				if strings.Contains(line, "polled") {
					return strings.Repeat(line+"\n", 19) + line
				}
				return line
			}),
			template: "queue polled", evidence: "24000 lines; 1200 are normal by what was learned", severity: domain.SeverityLow, count: 24_000,
		},
		{
			name: "a drop", kind: domain.AnomalyFrequencyDrop, clean: service(nil),
			with: service(func(second int, line string) string {
				if second >= 1500 && second < 2100 && second%20 != 0 && strings.Contains(line, "heartbeat") {
					return ""
				}
				return line
			}),
			template: "heartbeat", evidence: "only 30 lines within 10 min; 300 are normal", severity: domain.SeverityLow, count: 30, expected: 300,
		},
		{
			name: "a drop below the baseline", kind: domain.AnomalyFrequencyDrop, normal: service(nil), clean: service(nil),
			with: service(func(second int, line string) string {
				if second%60 != 0 && strings.Contains(line, "heartbeat") {
					return ""
				}
				return line
			}),
			template: "heartbeat", evidence: "only 60 lines in 1 h; 1800 are normal by what was learned", severity: domain.SeverityMedium, count: 60,
		},
		{
			name: "a line that stops", kind: domain.AnomalyMissingEvent, clean: service(nil),
			with: service(func(second int, line string) string {
				if second >= 2400 && strings.Contains(line, "heartbeat") {
					return ""
				}
				return line
			}),
			template: "heartbeat", evidence: "no line in the last 20 min; 600 are normal", severity: domain.SeverityMedium, expected: 600,
		},
		{
			name: "a line of the baseline that is missing", kind: domain.AnomalyMissingEvent, normal: service(nil), clean: service(nil),
			with: service(func(_ int, line string) string {
				if strings.Contains(line, "heartbeat") {
					return ""
				}
				return line
			}),
			template: "heartbeat", evidence: "no line in 1 h; 1800 are normal", severity: domain.SeverityMedium,
		},
		{
			name: "a step that a session lacks", kind: domain.AnomalyMissingEvent, clean: sessionLines(500, nil),
			with: sessionLines(500, func(i int, _ string, lines []string) []string {
				if i == 321 {
					return lines[:2]
				}
				return lines
			}),
			template: "stored", evidence: "1 of 500 sessions (blk_), such as blk_0003541999, lacks a line that 499 have", severity: domain.SeverityMedium,
			expected: 1, sessions: []string{"blk_0003541999"},
		},
		{
			name: "a burst of errors", kind: domain.AnomalyErrorBurst, clean: service(nil),
			with: service(func(second int, line string) string {
				if second >= 1800 && second < 1840 && strings.Contains(line, "served") {
					return at(time.Duration(second)*time.Second, "ERROR payment %d was declined by the bank", second)
				}
				return line
			}),
			template: "declined", evidence: "40 errors within 1 min; normally there are none", severity: domain.SeverityHigh, count: 40,
		},
		{
			name: "errors that come again and again", kind: domain.AnomalyRecurringError, clean: service(nil),
			with: service(func(second int, line string) string {
				if second%60 == 30 && strings.Contains(line, "served") {
					return at(time.Duration(second)*time.Second, "ERROR payment %d was declined by the bank", second)
				}
				return line
			}),
			template: "declined", evidence: "60 of 6600 lines are errors", severity: domain.SeverityMedium, count: 60,
		},
		{
			name: "a few failures at once", kind: domain.AnomalyErrorBurst, clean: service(nil),
			with: service(func(second int, line string) string {
				if second >= 1800 && second < 1815 && strings.Contains(line, "served") {
					return at(time.Duration(second)*time.Second, "WARN payment %d was declined by the bank", second)
				}
				return line
			}),
			template: "declined", evidence: "15 of 6600 lines are warnings; 15 lines within 14 s; normally there are none in 1 min", severity: domain.SeverityLow, count: 15,
		},
		{
			name: "a shift of severity", kind: domain.AnomalySeverityShift, clean: service(nil),
			with: service(func(second int, line string) string {
				if strings.Contains(line, "served") && (second >= 1800 && second%5 == 0 || second%400 == 7) {
					return at(time.Duration(second)*time.Second, "WARN request answered from the stale cache")
				}
				return line
			}),
			evidence: "of the lines of the last 30 min", severity: domain.SeverityMedium, count: 364,
		},
		{
			name: "a line that became an error", kind: domain.AnomalyNewTemplate, normal: service(nil), clean: service(nil),
			with: service(func(_ int, line string) string {
				return strings.Replace(line, "DEBUG queue", "ERROR queue", 1)
			}),
			template: "queue polled", evidence: "18.2 % of the lines are warnings or worse; none is normal by what was learned", severity: domain.SeverityHigh,
		},
		{
			name: "a course of its own", kind: domain.AnomalyCountVector, clean: sessionLines(500, nil),
			with: sessionLines(500, func(i int, _ string, lines []string) []string {
				if i == 250 {
					return []string{lines[0], lines[1], lines[1], lines[1], lines[2]}
				}
				return lines
			}),
			template: "blk_0002979750", evidence: "3 of \"INFO receiving block <*>\", where 1 is usual", severity: domain.SeverityMedium,
			count: 5, expected: 3, sessions: []string{"blk_0002979750"},
		},
		{
			name: "a number far from the others", kind: domain.AnomalyNumericOutlier, clean: service(nil),
			with: service(func(second int, line string) string {
				if second == 1234 && strings.Contains(line, "served") {
					return at(time.Duration(second)*time.Second, "INFO request served in 45210 ms")
				}
				return line
			}),
			template: "served in", evidence: "45.2 s in 1 of 3600 lines; 28 ms is normal", severity: domain.SeverityMedium, count: 1,
		},
	}
}

func TestEachKindIsFoundWhereItIsAndNowhereElse(t *testing.T) {
	t.Parallel()
	kinds := map[domain.AnomalyKind]bool{}
	for _, c := range kindCases() {
		kinds[c.kind] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			with := entries("app", slices.Collect(splitLines(c.with))...)
			found := ofKind(judge(t, c.normal, with), c.kind, c.template)
			require.NotEmpty(t, found, "%v", judge(t, c.normal, with).Anomalies)
			a := found[0]
			require.Contains(t, a.Evidence, c.evidence)
			require.Equal(t, c.severity, a.Severity, "%+v", a)
			require.Positive(t, a.Score)
			require.Positive(t, a.Confidence)
			if c.count > 0 {
				require.Equal(t, c.count, a.Count)
			}
			if c.expected > 0 {
				require.InEpsilon(t, c.expected, a.Expected, 0.1)
			}
			require.Equal(t, c.sessions, a.Sessions)
			if a.Kind != domain.AnomalyMissingEvent {
				require.NotEmpty(t, a.LogIDs)
			}
			require.Empty(t, judge(t, c.normal, entries("app", c.clean...)).Anomalies, "without the fault")
		})
	}
	require.Len(t, kinds, len(domain.AnomalyKinds()), "every kind has a case")
}

// splitLines takes lines apart that a case made several of.
func splitLines(lines []string) func(yield func(string) bool) {
	return strings.SplitSeq(strings.Join(lines, "\n"), "\n")
}

// judge analyses logs, beside a baseline if there is one.
func judge(t *testing.T, normal []string, logs []domain.LogEntry) domain.AnalysisResult {
	t.Helper()
	if normal == nil {
		return analyse(t, logs)
	}
	a := builtin.New(builtin.Config{Documents: newStates()})
	r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "normal", Learn: true, Logs: entries("app", normal...)})
	require.NoError(t, err)
	require.Empty(t, r.Anomalies)
	require.Equal(t, "normal", r.Baseline)
	r, err = a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "normal", Logs: logs})
	require.NoError(t, err)
	return r
}
