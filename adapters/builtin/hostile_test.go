package builtin_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/domain"
)

func TestHostileLogsAreAnalysed(t *testing.T) {
	t.Parallel()
	repeat := func(n int, line string) []string { return slices.Repeat([]string{line}, n) }
	shuffledLines := service(nil)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffledLines), func(i, j int) {
		shuffledLines[i], shuffledLines[j] = shuffledLines[j], shuffledLines[i]
	})
	jumping := service(nil)
	jumping[0] = "1999-01-01 00:00:00 INFO request served in 23 ms"
	jumping[3000] = "2099-12-31 23:59:59 INFO request served in 23 ms"
	for name, lines := range map[string][]string{
		"one line":        {"ERROR it broke"},
		"identical lines": repeat(5000, "2026-05-01 08:00:00 INFO the same again"),
		"blank lines":     repeat(500, ""),
		"no times":        repeat(500, "something happened"),
		"out of order":    shuffledLines,
		"jumps of clocks": jumping,
		"one long line":   {strings.Repeat("x 1 ", 200_000)},
		"only digits":     repeat(500, strings.Repeat("1234567890 ", 50)),
		"control codes":   repeat(300, "\x1b[31mERROR\x1b[0m \x00 it broke \ufffd"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := worker(newStates())
			for i := range 2 {
				r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(strconv.Itoa(i)), Logs: entries("app", lines...)})
				require.NoError(t, err)
				require.Equal(t, len(lines), r.AnalysedCount)
				for _, anomaly := range r.Anomalies {
					require.True(t, anomaly.Severity.Valid())
					require.True(t, anomaly.Score >= 0 && anomaly.Score <= 1, "%v", anomaly.Score)
				}
				if name == "out of order" || name == "jumps of clocks" {
					require.Empty(t, r.Anomalies, "the lines are those of the routine")
				}
			}
		})
	}
}

func TestAClockThatJumpsHidesNoFault(t *testing.T) {
	t.Parallel()
	lines := service(func(second int, line string) string {
		if second >= 2400 && strings.Contains(line, "heartbeat") {
			return ""
		}
		return line
	})
	lines[10] = "1999-01-01 00:00:00 INFO request served in 23 ms"
	lines[900] = "2099-12-31 23:59:59 INFO request served in 23 ms"
	require.NotEmpty(t, ofKind(analyse(t, entries("app", lines...)), domain.AnomalyMissingEvent, "heartbeat"))
}

func TestManyTemplatesAreBounded(t *testing.T) {
	t.Parallel()
	s := newStates()
	a := builtin.New(builtin.Config{Documents: s, MaxTemplates: 1000})
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	for part := range 3 {
		logs := make([]domain.LogEntry, 20_000)
		for i := range logs {
			n := part*len(logs) + i
			logs[i] = domain.LogEntry{
				ID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)), Source: "app", Timestamp: now.Add(time.Duration(n) * time.Millisecond), Level: domain.LogLevelError,
				Message: fmt.Sprintf("ERROR %s of %s met %s", letters(n), letters(n*7), letters(n*13)),
			}
		}
		r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(strconv.Itoa(part)), Logs: logs})
		require.NoError(t, err)
		require.LessOrEqual(t, r.TemplateCount, 1001)
		require.LessOrEqual(t, len(r.Anomalies), domain.MaxAnomalies)
	}
	require.Less(t, s.bytes("builtin/learned"), 1<<20)
}
