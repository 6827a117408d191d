package request

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALimiterIsBoundedAndForgetsNoSpentBucket(t *testing.T) {
	t.Parallel()
	l, now := NewLimiter(10), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	spend := func(caller string, at time.Time) {
		for range burstOf(10) {
			_, wait := l.take(caller, at)
			require.Zero(t, wait)
		}
	}
	spend("first", now)
	for i := range 2 * maxCallers {
		l.take(strconv.Itoa(i), now)
	}
	require.LessOrEqual(t, len(l.buckets), maxCallers+1)
	_, wait := l.take("first", now)
	require.Equal(t, 100*time.Millisecond, wait, "a crowd does not fill a bucket")
	_, wait = l.take("new", now)
	require.Positive(t, wait, "those that are new share one")

	later := now.Add(3 * time.Second) // all are full again
	_, wait = l.take("newer", later)
	require.Zero(t, wait)
	require.Less(t, len(l.buckets), 10, "and forgotten")
	spend("first", later)
}

func TestALimiterSurvivesAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	l, now := NewLimiter(1), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	left, _ := l.take("c", now)
	back, wait := l.take("c", now.Add(-time.Hour))
	require.Zero(t, wait)
	require.InDelta(t, left-1, back, 0)
	require.Nil(t, NewLimiter(0))
}
