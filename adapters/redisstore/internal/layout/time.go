package layout

import "time"

// MicroTime turns microseconds since 1970 into a time, and 0 into the zero time;
// so too what only damage can be, and JSON could not show: a time before 1970 or
// after the year 9999.
func MicroTime(us int64) time.Time {
	const end = 253402300800000000
	if us <= 0 || us >= end {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// TimeMicro is the inverse of MicroTime.
func TimeMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// CeilMicro is a time in microseconds, rounded up.
func CeilMicro(t time.Time) int64 {
	us := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		us++
	}
	return us
}

// DelayMicro rounds a delay up to whole microseconds, so that no task is early
// and none loses its delay.
func DelayMicro(d time.Duration) int64 { return int64((d + time.Microsecond - 1) / time.Microsecond) }
