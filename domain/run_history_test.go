package domain_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestPercentilesAreWithinTheirErrorBound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 19, 20, 99, 100, 101, 5000} {
		var h domain.DurationHistogram
		all := make([]time.Duration, n)
		for i := range all {
			// From below a microsecond to beyond an hour, each size as often.
			all[i] = time.Duration(math.Exp(random.Float64() * math.Log(float64(2*time.Hour))))
			h.Add(all[i])
		}
		slices.Sort(all)
		require.Equal(t, int64(n), h.Count())
		got := h.Percentiles()
		for percent, value := range map[int]time.Duration{50: got.P50, 95: got.P95, 99: got.P99} {
			exact := all[(n*percent+99)/100-1]
			bound := exact/32 + time.Microsecond
			require.InDelta(t, exact, value, float64(bound), "p%d of %d", percent, n)
		}
	}
}

func TestHistogramsHaveEdges(t *testing.T) {
	t.Parallel()
	var empty domain.DurationHistogram
	require.Nil(t, empty.Percentiles())
	require.Zero(t, empty.Count())
	for d, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, 999: 0, time.Microsecond: time.Microsecond,
		31 * time.Microsecond: 31 * time.Microsecond,
		// 32 and 33 µs share a bucket.
		32 * time.Microsecond: 32*time.Microsecond + 500, 33 * time.Microsecond: 32*time.Microsecond + 500,
	} {
		var h domain.DurationHistogram
		h.Add(d)
		require.Equal(t, domain.Percentiles{P50: want, P95: want, P99: want}, *h.Percentiles(), d.String())
	}
	var longest domain.DurationHistogram
	longest.Add(math.MaxInt64)
	require.InEpsilon(t, domain.MaxHistogramDuration, longest.Percentiles().P50, 1.0/32)
}

func TestHistogramsAddUp(t *testing.T) {
	t.Parallel()
	var all, one, two, merged domain.DurationHistogram
	for i := range 2000 {
		d := time.Duration(i*i) * time.Microsecond
		all.Add(d)
		if i%3 == 0 {
			one.Add(d)
		} else {
			two.Add(d)
		}
	}
	merged.Merge(&one)
	merged.Merge(&two)
	merged.Merge(&domain.DurationHistogram{})
	require.Equal(t, all.Percentiles(), merged.Percentiles())
	require.Equal(t, all.Count(), merged.Count())

	data, err := json.Marshal(all)
	require.NoError(t, err)
	var read domain.DurationHistogram
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, all.Percentiles(), read.Percentiles())
	again, err := json.Marshal(read)
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))
	for _, bad := range []string{`[1]`, `{}`, `[-1,1]`, `[0,-1]`, `[100000,1]`, `["a",1]`, `[1.5,1]`} {
		require.Error(t, json.Unmarshal([]byte(bad), &read), bad)
	}
}
