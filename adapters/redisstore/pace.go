package redisstore

import (
	"sync"
	"time"
)

const (
	// claimSpacing is between a claim in a steady flow and the next, if no enqueue of this
	// process takes that along before.
	claimSpacing = time.Millisecond
	// steadyGap is between two tasks of a steady flow at most, on average.
	steadyGap = 1500 * time.Microsecond
	// steadyBytes are the most bytes of a claim in a steady flow: an enqueue that takes a
	// claim along waits for its answer too.
	steadyBytes = 64 << 10
)

// claimTime is when a claim is made, the zero time for at once, and whether it is to be
// notified if it finds nothing.
type claimTime struct {
	at     time.Time
	notify bool
}

// pace tells when to claim. While tasks come one after another, claims that wait for tasks
// are made at intervals, so that one has several, and one that finds none is not notified
// but made once more: notices would cost most tasks a message. The zero value is ready for use.
type pace struct {
	mu sync.Mutex // guards the fields below
	// last is when a claim was answered last, got when one with tasks was.
	last, got time.Time
	steady    bool
}

// next is when to make a claim that waits for tasks; again is whether it was made before
// without being notified.
func (p *pace) next(again bool) claimTime {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.steady {
		return claimTime{notify: true}
	}
	return claimTime{at: p.last.Add(claimSpacing), notify: again}
}

// answered notes that a claim for most tasks got so many, with so many bytes.
func (p *pace) answered(tasks, bytes, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	p.steady = tasks < most && bytes <= steadyBytes && p.last.Sub(p.got) < time.Duration(max(tasks, 1))*steadyGap
	if tasks > 0 {
		p.got = p.last
	}
}
