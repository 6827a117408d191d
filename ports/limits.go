package ports

import "time"

// MaxCallBytes is about how many bytes of tasks travel in one call to a store, or in
// its answer: a claim, reports, an enqueue, a page of a list. A single task may have
// more and travels alone.
const MaxCallBytes = 4 << 20

// slowestLine is the fewest bytes a second that a line to a store is expected to
// carry, beside what others send on it: half of 4 Mbit/s.
const slowestLine = 256 << 10

// TransferTime returns how long so many bytes may be under way on the slowest line
// that is expected. A call that moves tasks may take that much longer than others.
func TransferTime(bytes int) time.Duration {
	return time.Duration(bytes) * time.Second / slowestLine
}
