package domain_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestSpansAreWrittenAsAPersonSaysThem(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"250 ms": 250 * time.Millisecond, "9.7 s": 9700 * time.Millisecond, "59 s": 59 * time.Second, "1 min": 59700 * time.Millisecond,
		"1 min 30 s": 90 * time.Second, "18 min": 18 * time.Minute, "10 h 42 min": 10*time.Hour + 41*time.Minute + 45*time.Second,
		"1 day": 24*time.Hour - time.Second, "3 days 4 h": 76 * time.Hour,
	} {
		require.Equal(t, want, domain.Span(d))
	}
}
