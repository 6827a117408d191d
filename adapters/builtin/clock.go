package builtin

import (
	"math"
	"slices"
	"time"
)

// Bounds of the stretches of time.
const (
	// buckets is how many stretches of equal length the time is cut into.
	buckets = 60
	// clockSample is how many lines are looked at to find the time that most
	// lines fall into, jumpFactor how many times longer the whole may be before
	// what is outside counts as the jump of a clock.
	clockSample = 4096
	jumpFactor  = 10
)

// clock cuts the time of a group into buckets. Lines whose time is far from that
// of nearly all others are in none.
type clock struct {
	begin  int64 // in microseconds
	length int64 // of a bucket, in microseconds; 0 if there are no times to speak of
	of     []int8
	// seconds is how long the time of nearly all lines lasts, until its end in Unix
	// seconds.
	seconds float64
	until   int64
}

func newClock(times []int64) clock {
	var c clock
	var sample []int64
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	step := max(1, len(times)/clockSample)
	for i, us := range times {
		if us == noTime {
			continue
		}
		first, last = min(first, us), max(last, us)
		if i%step == 0 {
			sample = append(sample, us)
		}
	}
	if len(sample) == 0 {
		return c
	}
	slices.Sort(sample)
	low, high := sample[len(sample)/200], sample[len(sample)-1-len(sample)/200]
	if (last-first)/jumpFactor > high-low {
		first, last = low, high
	}
	c.seconds, c.until = float64(last-first)/1e6, last/1e6
	if last-first < buckets*time.Second.Microseconds() {
		return c
	}
	c.begin, c.length = first, (last-first)/buckets+1
	c.of = make([]int8, len(times))
	for i, us := range times {
		c.of[i] = -1
		if us >= first && us <= last {
			c.of[i] = int8((us - first) / c.length)
		}
	}
	return c
}

// valid reports whether the lines have times to speak of.
func (c *clock) valid() bool { return c.length > 0 }

// count counts lines by bucket.
func (c *clock) count(lines []int32) (counts [buckets]int) {
	for _, line := range lines {
		if b := c.of[line]; b >= 0 {
			counts[b]++
		}
	}
	return counts
}

// within returns the lines of the buckets from begin to end, end not included.
func (c *clock) within(lines []int32, begin, end int) []int32 {
	var out []int32
	for _, line := range lines {
		if b := int(c.of[line]); b >= begin && b < end {
			out = append(out, line)
		}
	}
	return out
}

// duration is the length of n buckets.
func (c *clock) duration(n int) time.Duration {
	d := time.Duration(c.length) * time.Microsecond * time.Duration(n)
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(100 * time.Millisecond)
}
