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
