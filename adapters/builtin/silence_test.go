package builtin

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomEndings are sources that begin and end at any time.
func randomEndings(n int) []ending {
	random := rand.New(rand.NewPCG(5, uint64(n)))
	out := make([]ending, n)
	for i := range out {
		begin := random.Int64N(100)
		end := begin + random.Int64N(100)
		out[i] = ending{begin: begin, end: end, last: end - random.Int64N(end-begin+1)}
	}
	return out
}

func TestTheLongestSourceThatGoesOnIsFoundAsByLookingAtEachPair(t *testing.T) {
	t.Parallel()
	for n := range 60 {
		ends := randomEndings(n)
		until := goingOn(ends)
		for i, e := range ends {
			want := e.end
			for _, other := range ends {
				if other.begin <= e.end-(e.end-e.begin)/2 && other.last > e.end {
					want = max(want, other.end)
				}
			}
			require.Equal(t, want, until[i], "source %d of %d: %+v", i, n, e)
		}
	}
}

// BenchmarkGoingOn is to take about as long for each source, however many there are.
func BenchmarkGoingOn(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%d sources", n), func(b *testing.B) {
			ends := randomEndings(n)
			for b.Loop() {
				goingOn(ends)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/source")
		})
	}
}
