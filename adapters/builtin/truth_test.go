package builtin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// days makes the lines of 30 days of a service that reports every ten minutes, and asks the
// ledger once every two days.
func days() []string {
	var out []string
	for i := range 30 * 24 * 6 {
		out = append(out, at(time.Duration(i)*10*time.Minute, "INFO report %d sent", i))
		if i%288 == 0 {
			out = append(out, at(time.Duration(i)*10*time.Minute, "WARN ledger answered late"))
		}
	}
	return out
}

func TestASpikeIsAsLongAsItsLines(t *testing.T) {
	t.Parallel()
	burst := func(lines int, apart time.Duration) domain.AnalysisResult {
		all := days()
		for i := range lines {
			all = append(all, at(15*24*time.Hour+time.Hour+time.Duration(i)*apart, "WARN ledger answered late"))
		}
		return analyse(t, entries("app", all...))
	}
	spikes := ofKind(burst(90, 10*time.Second), domain.AnomalyFrequencySpike, "ledger")
	require.Len(t, spikes, 1)
	require.Contains(t, spikes[0].Evidence, "90 lines within 15 min; normally there are none in 12 h")
	require.Empty(t, ofKind(burst(90, 30*time.Minute), domain.AnomalyFrequencySpike, "ledger"), "two days are no spike")
}

func TestNumbersThatNameThingsAreNotCompared(t *testing.T) {
	t.Parallel()
	outliers := func(format string) []domain.Anomaly {
		lines := make([]string, 300)
		for i := range lines {
			n := 40_000 + i*7919%20_000
			if i == 200 {
				n = 1
			}
			lines[i] = at(time.Duration(i)*time.Second, format, n)
		}
		return ofKind(analyse(t, entries("app", lines...)), domain.AnomalyNumericOutlier, "")
	}
	for _, name := range []string{"refused from 10.0.0.1 port %d today", "sshd[%d]: refused it", "parser stopped at line %d of the file", "process pid=%d is up"} {
		require.Empty(t, outliers("INFO "+name), name)
	}
	require.Len(t, outliers("INFO sent %d apples"), 1)
}

func TestALineIsOneOutlierHoweverManyOfItsNumbersAre(t *testing.T) {
	t.Parallel()
	lines := make([]string, 200)
	for i := range lines {
		lines[i] = at(time.Duration(i)*time.Second, "INFO report: steps %d, height %d, weight %d", 7000+i*31%100, 5000+i*17%100, 240+i*7%10)
	}
	lines[120] = at(120*time.Second, "INFO report: steps 0, height 0, weight 0")
	found := ofKind(analyse(t, entries("app", lines...)), domain.AnomalyNumericOutlier, "")
	require.Len(t, found, 1)
	require.Equal(t, 1, strings.Count(found[0].Evidence, "is normal"), found[0].Evidence)
}

func TestTheReasonOfAFailureIsItsCategory(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]domain.AnomalyCategory{
		"No such file or directory": domain.CategoryConfig, "Input/output error": domain.CategoryResource, "wrong password": domain.CategoryAuth,
	} {
		line := at(time.Minute, "ERROR LOGIN chdir(/p/gb2) failed: %s", reason)
		r := analyse(t, entries("app", append(service(nil), line)...))
		require.Len(t, r.Anomalies, 1, fmt.Sprint(r.Anomalies))
		require.Equal(t, want, r.Anomalies[0].Category, reason)
	}
}

func TestAnUncaughtPanicIsHighAndAFatalCrashCritical(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.Severity{
		"panic: runtime error: invalid memory address or nil pointer dereference":  domain.SeverityHigh,
		"panic: oh\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:7 +0x18": domain.SeverityHigh,
		"write-ahead log is corrupted":                                             domain.SeverityCritical,
	} {
		logs := entries("app", service(nil)...)
		logs[150].Level, logs[150].Message = domain.LogLevelFatal, text
		r := analyse(t, logs)
		require.Len(t, r.Anomalies, 1, fmt.Sprint(r.Anomalies))
		require.Equal(t, want, r.Anomalies[0].Severity, text)
		require.True(t, strings.HasPrefix(strings.TrimPrefix(r.Anomalies[0].Template, "FATAL "), strings.Fields(text)[0]), r.Anomalies[0].Template)
	}
}
