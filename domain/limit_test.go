package domain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestALimitNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	perKey := domain.Limit{Name: "l", Scope: domain.LimitKey, Queue: "q", Concurrency: 1}
	perType := domain.Limit{Name: "l", Scope: domain.LimitType, Type: "t", Rate: domain.Rate{Count: 1, Per: time.Second}}
	for _, c := range []struct {
		field  string
		of     domain.Limit
		change func(l *domain.Limit)
	}{
		{"", perKey, func(*domain.Limit) {}},
		{"", perType, func(*domain.Limit) {}},
		{"", perKey, func(l *domain.Limit) {
			l.Key, l.Retries = strings.Repeat("ä", domain.MaxKey/2), domain.RetriesOvertake
		}},
		{"", perKey, func(l *domain.Limit) { l.Concurrency = domain.MaxConcurrency }},
		{"", perType, func(l *domain.Limit) {
			l.Rate = domain.Rate{Count: domain.MaxRateCount, Per: domain.MaxRatePer, Burst: domain.MaxRateCount}
		}},
		{"name", perKey, func(l *domain.Limit) { l.Name = "a b" }},
		{"scope", perKey, func(l *domain.Limit) { l.Scope = "" }},
		{"queue", perKey, func(l *domain.Limit) { l.Queue = "" }},
		{"queue", perType, func(l *domain.Limit) { l.Queue = "q" }},
		{"type", perType, func(l *domain.Limit) { l.Type = "" }},
		{"type", perKey, func(l *domain.Limit) { l.Type = "t" }},
		{"key", perType, func(l *domain.Limit) { l.Key = "k" }},
		{"key", perKey, func(l *domain.Limit) { l.Key = strings.Repeat("k", domain.MaxKey+1) }},
		{"key", perKey, func(l *domain.Limit) { l.Key = "\xff" }},
		{"concurrency", perKey, func(l *domain.Limit) { l.Concurrency = 0 }},
		{"concurrency", perKey, func(l *domain.Limit) { l.Concurrency = -1 }},
		{"concurrency", perKey, func(l *domain.Limit) { l.Concurrency = domain.MaxConcurrency + 1 }},
		{"retries", perKey, func(l *domain.Limit) { l.Retries = "often" }},
		{"retries", perKey, func(l *domain.Limit) { l.Retries, l.Concurrency = domain.RetriesBlock, 2 }},
		{"retries", perType, func(l *domain.Limit) { l.Retries, l.Concurrency = domain.RetriesBlock, 1 }},
		{"rate.count", perType, func(l *domain.Limit) { l.Rate.Count = 0 }},
		{"rate.count", perType, func(l *domain.Limit) { l.Rate.Count = domain.MaxRateCount + 1 }},
		{"rate.per_seconds", perType, func(l *domain.Limit) { l.Rate.Per = domain.MinRatePer - 1 }},
		{"rate.per_seconds", perType, func(l *domain.Limit) { l.Rate.Per = domain.MaxRatePer + 1 }},
		{"rate.burst", perType, func(l *domain.Limit) { l.Rate.Burst = -1 }},
		{"rate.burst", perType, func(l *domain.Limit) { l.Rate.Burst = domain.MaxRateCount + 1 }},
		{"rate.burst", perType, func(l *domain.Limit) { l.Rate = domain.Rate{Count: 1, Per: 24 * time.Hour, Burst: 31} }},
	} {
		l := c.of
		c.change(&l)
		err := l.Validate()
		if c.field == "" {
			require.NoError(t, err)
			continue
		}
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, "%+v", l)
		require.Equal(t, c.field, invalid.Field)
	}
}

func TestABlockIsForOneTaskOfAKeyAtATime(t *testing.T) {
	t.Parallel()
	l := domain.Limit{Scope: domain.LimitKey, Concurrency: 1}
	require.True(t, l.Ordered() && l.Blocks())
	l.Retries = domain.RetriesOvertake
	require.True(t, l.Ordered() && !l.Blocks())
	require.False(t, (&domain.Limit{Scope: domain.LimitKey, Concurrency: 2}).Ordered())
	require.False(t, (&domain.Limit{Scope: domain.LimitQueue, Concurrency: 1}).Blocks())
}

func TestABucketFillsEvenlyAndIsNeverMoreThanFull(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	rate := domain.Rate{Count: 6, Per: time.Minute, Burst: 3}
	var full time.Time
	require.Equal(t, 3, rate.Tokens(full, now))
	require.False(t, rate.NextToken(full).After(now))
	full = rate.Take(full, now, 3)
	require.Zero(t, rate.Tokens(full, now))
	require.Equal(t, now.Add(10*time.Second), rate.NextToken(full))
	require.Zero(t, rate.Tokens(full, now.Add(10*time.Second-1)))
	require.Equal(t, 1, rate.Tokens(full, now.Add(10*time.Second)))
	require.Equal(t, 2, rate.Tokens(full, now.Add(29*time.Second)))
	require.Equal(t, 3, rate.Tokens(full, now.Add(time.Hour)))

	rate.Burst = 0
	require.Equal(t, 6, rate.Tokens(time.Time{}, now), "Count stands for no Burst")
	taken := 0
	full = time.Time{}
	for at := now; at.Before(now.Add(time.Hour)); at = at.Add(777 * time.Millisecond) {
		n := rate.Tokens(full, at)
		full, taken = rate.Take(full, at, n), taken+n
	}
	require.InDelta(t, 360+6, taken, 1)
}

func TestABucketForgivesAClaimThatIsWokenLate(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	rate := domain.Rate{Count: 50, Per: time.Second, Burst: 1}
	full, taken := rate.Take(time.Time{}, now, 1), 1
	for rate.NextToken(full).Before(now.Add(10 * time.Second)) {
		late := rate.NextToken(full).Add(7 * time.Millisecond)
		require.Equal(t, 1, rate.Tokens(full, late))
		full, taken = rate.Take(full, late, 1), taken+1
	}
	require.InDelta(t, 500, taken, 1)

	full = rate.Take(full, now.Add(time.Hour), 1)
	require.Equal(t, now.Add(time.Hour+rate.Interval()), rate.NextToken(full), "a bucket that was full for long owes nothing")
	require.Equal(t, 1, rate.Tokens(now.Add(2*time.Hour), now), "the clock was set back")
	require.Zero(t, rate.Tokens(now.Add(30*time.Second), now))
}
