package domain

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"time"
)

// RunHistoryPoint tells what happened in one minute, over all processes.
type RunHistoryPoint struct {
	// At is the beginning of the minute, by the store's clock.
	At time.Time
	// Enqueued are the tasks that were taken in. Completed, Failed and Retried are
	// the runs that ended so: done, failed for good, and failed with another attempt
	// to come.
	Enqueued, Completed, Failed, Retried int64
	// Pending and Processing are the tasks that were ready and those that were
	// running, when that was last counted by the end of the minute.
	Pending, Processing int64
	// Wait is how long the tasks that began to run had been ready, Run how long the
	// runs that ended took; nil if there were none.
	Wait, Run *Percentiles
}

// Percentiles are percentiles of some durations. Each is at most 1/32 (3.125 %) beside one
// of the durations, or half a microsecond.
type Percentiles struct{ P50, P95, P99 time.Duration }

// DurationHistogram counts durations in buckets, so that histograms of several
// processes add up without loss. It is that of HdrHistogram (hdrhistogram.org) with
// 16 buckets to each power of two microseconds: a duration is told from others to
// 1/16 of it, and those of less than 32 µs to the microsecond. Longer ones than
// MaxHistogramDuration count as that. The zero value is empty.
type DurationHistogram struct {
	counts []int64 // by bucket, as far as there is something
}

const (
	histogramBits = 4
	histogramSub  = 1 << histogramBits
	// MaxHistogramDuration is some 50 days.
	MaxHistogramDuration = (1<<42 - 1) * time.Microsecond
)

// histogramBucket is the bucket of a duration. Below twice histogramSub each
// microsecond has one; from there on the highest histogramBits+1 bits tell it.
func histogramBucket(d time.Duration) int {
	us := uint64(min(max(d, 0), MaxHistogramDuration) / time.Microsecond)
	shift := max(0, bits.Len64(us)-histogramBits-1)
	return shift*histogramSub + int(us>>shift)
}

// histogramMiddle is the middle of a bucket.
func histogramMiddle(bucket int) time.Duration {
	shift := max(0, bucket/histogramSub-1)
	low := int64(bucket-shift*histogramSub) << shift
	width := int64(1) << shift
	return time.Duration(low)*time.Microsecond + time.Duration(width-1)*time.Microsecond/2
}

// histogramBuckets is how many buckets there are.
var histogramBuckets = histogramBucket(MaxHistogramDuration) + 1

// Add counts a duration.
func (h *DurationHistogram) Add(d time.Duration) { h.add(histogramBucket(d), 1) }

func (h *DurationHistogram) add(bucket int, n int64) {
	for len(h.counts) <= bucket {
		h.counts = append(h.counts, 0)
	}
	h.counts[bucket] += n
}

// Merge adds what another one counted.
func (h *DurationHistogram) Merge(other *DurationHistogram) {
	for bucket, n := range other.counts {
		if n > 0 {
			h.add(bucket, n)
		}
	}
}

// Count is how many durations were counted.
func (h *DurationHistogram) Count() int64 {
	var n int64
	for _, count := range h.counts {
		n += count
	}
	return n
}

// Percentiles returns the percentiles of the durations, nil if there are none. A percentile is
// the smallest duration that at least so many in a hundred do not exceed.
func (h *DurationHistogram) Percentiles() *Percentiles {
	n := h.Count()
	if n == 0 {
		return nil
	}
	at := func(percent int64) time.Duration {
		left := (n*percent + 99) / 100
		for bucket, count := range h.counts {
			if left -= count; left <= 0 {
				return histogramMiddle(bucket)
			}
		}
		return 0 // The counts add up to n, which left is not above.
	}
	return &Percentiles{P50: at(50), P95: at(95), P99: at(99)}
}

// MarshalJSON writes the buckets that are not empty, as pairs of number and count.
func (h DurationHistogram) MarshalJSON() ([]byte, error) {
	pairs := make([]int64, 0, 32)
	for bucket, n := range h.counts {
		if n > 0 {
			pairs = append(pairs, int64(bucket), n)
		}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads what MarshalJSON wrote; the error wraps ErrCorruptRecord.
func (h *DurationHistogram) UnmarshalJSON(data []byte) error {
	var pairs []int64
	if err := json.Unmarshal(data, &pairs); err != nil || len(pairs)%2 != 0 {
		return fmt.Errorf("%w: a histogram is a list of pairs", ErrCorruptRecord)
	}
	h.counts = nil
	for i := 0; i < len(pairs); i += 2 {
		bucket, n := pairs[i], pairs[i+1]
		if bucket < 0 || bucket >= int64(histogramBuckets) || n < 0 || n > 1<<50 {
			return fmt.Errorf("%w: a histogram has %d in bucket %d", ErrCorruptRecord, n, bucket)
		}
		h.add(int(bucket), n)
	}
	return nil
}
