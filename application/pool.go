package application

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pool counts the workers' slots and holds the claimed tasks that wait for one.
type pool struct {
	size, prefetch, maxUnreported int
	// window is SchedulerConfig.PrefetchWindow.
	window time.Duration
	// freed has an item when there may be room for further claims.
	freed chan struct{}
	// queued has an item when runs may have begun to wait.
	queued chan struct{}
	// idle is closed once the pool is closed and no run is supervised; gone
	// once, besides, every processor has returned.
	idle, gone chan struct{}

	mu              sync.Mutex // guards the fields below
	busy            int        // slots with a processor in them, those that are stuck among them
	stuck           int        // slots whose processor nobody waits for any more
	waiting         []*run     // claimed ahead, first in first out
	completionRate  completionRate
	unreported      int // ended runs whose report is not acknowledged
	unreportedBytes int // bytes of what they report
	closed          bool
}

func newPool(size, prefetch int, window time.Duration) *pool {
	return &pool{
		size: size, prefetch: prefetch, window: window,
		// Enough for workers to go on while a report is under way.
		maxUnreported: max(4*size, maxReports),
		freed:         make(chan struct{}, 1), queued: make(chan struct{}, 1),
		idle: make(chan struct{}), gone: make(chan struct{}),
	}
}

// waitRoom waits until there is room for claims and returns how many, or 0 if
// ctx ended or the pool was closed.
func (p *pool) waitRoom(ctx context.Context) int {
	for {
		p.mu.Lock()
		room := p.roomLocked(time.Now())
		if p.unreported >= p.maxUnreported || p.unreportedBytes >= maxUnreportedBytes || p.stuck >= p.size {
			room = 0
		}
		closed := p.closed
		p.mu.Unlock()
		if closed || ctx.Err() != nil {
			return 0
		}
		if room > 0 {
			return room
		}
		select {
		case <-p.freed:
		case <-ctx.Done():
			return 0
		}
	}
}

// free is how many slots have no run, and none that waits for one.
func (p *pool) free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.size-p.busy-len(p.waiting), 0)
}

// roomLocked is how many runs may be claimed. While some wait already, it is 0
// until it is worth a claim.
func (p *pool) roomLocked(now time.Time) int {
	ahead := p.prefetch + p.completionRate.ended(now, p.window)
	room := p.size + ahead - p.busy - len(p.waiting)
	if len(p.waiting) > p.prefetch && room < ahead/2 {
		return 0
	}
	return room
}

// overdue takes out the runs that were claimed ahead by the window and have
// waited for ten of it, and says when the next will have; zero if none waits.
func (p *pool) overdue(now time.Time) (runs []*run, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	patience := 10 * p.window
	first := min(p.prefetch, len(p.waiting))
	last := first
	for last < len(p.waiting) && now.Sub(p.waiting[last].entered) >= patience {
		last++
	}
	runs = slices.Clone(p.waiting[first:last])
	p.waiting = slices.Delete(p.waiting, first, last)
	if len(p.waiting) > first {
		next = p.waiting[first].entered.Add(patience)
	}
	return runs, next
}

// enter takes claimed runs in. It returns those to start now, each of which has
// a slot until exit, and those to give back, since the pool was closed, or its
// last slot got stuck, while they were claimed.
func (p *pool) enter(runs []*run) (start, refused []*run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.stuck == p.size {
		return nil, runs
	}
	n := min(len(runs), p.size-p.busy)
	p.busy += n
	if n < len(runs) {
		now := time.Now()
		for _, r := range runs[n:] {
			r.entered = now
		}
		p.waiting = append(p.waiting, runs[n:]...)
		notify(p.queued)
	}
	return runs[:n], nil
}

// exit frees a slot, or returns the next run to start in it.
func (p *pool) exit() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exitLocked()
}

func (p *pool) exitLocked() *run {
	defer notify(p.freed)
	p.completionRate.add(time.Now(), p.window)
	if len(p.waiting) > 0 {
		next := p.waiting[0]
		p.waiting[0] = nil
		p.waiting = p.waiting[1:]
		return next
	}
	p.busy--
	p.checkIdle()
	return nil
}

// markStuck notes that a slot's processor did not return in time. If that leaves no
// slot to wait for, it returns the runs that wait, which others should have.
func (p *pool) markStuck() (refused []*run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck++
	notify(p.freed)
	if p.stuck == p.size {
		refused, p.waiting = p.waiting, nil
	}
	p.checkIdle()
	return refused
}

// exitStuck is exit for a slot that was stuck.
func (p *pool) exitStuck() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck--
	return p.exitLocked()
}

// maxUnreportedBytes bounds what waits to be reported while the store is down, beyond
// what the runs under way add to it.
const maxUnreportedBytes = 32 << 20

// reserve counts an ended run whose report has so many bytes; release uncounts it.
func (p *pool) reserve(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unreported++
	p.unreportedBytes += bytes
}

func (p *pool) release(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unreported--
	p.unreportedBytes -= bytes
	notify(p.freed)
}

// close starts no more runs and returns those that wait. It may be called once.
func (p *pool) close() []*run {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	waiting := p.waiting
	p.waiting = nil
	p.checkIdle()
	return waiting
}

// counts returns how many slots are taken, and how many of those are stuck.
func (p *pool) counts() (busy, stuck int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy, p.stuck
}

// notify puts an item into a channel that holds one, unless it has one.
func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// completionRate counts the runs that end, over a window of time that slides.
type completionRate struct {
	begin       time.Time // of the part of time that is counted in now
	now, before int
}

// roll makes the part that t is in the present one.
func (c *completionRate) roll(t time.Time, window time.Duration) {
	switch passed := t.Sub(c.begin); {
	case passed < window:
	case passed < 2*window:
		c.begin, c.now, c.before = c.begin.Add(window), 0, c.now
	default:
		c.begin, c.now, c.before = t, 0, 0
	}
}

func (c *completionRate) add(t time.Time, window time.Duration) {
	if window > 0 {
		c.roll(t, window)
		c.now++
	}
}

// ended is about how many runs ended in the window before t, at most
// maxCall.
func (c *completionRate) ended(t time.Time, window time.Duration) int {
	if window <= 0 {
		return 0
	}
	c.roll(t, window)
	left := 1 - float64(t.Sub(c.begin))/float64(window)
	return min(c.now+int(float64(c.before)*left), maxCall)
}

// checkIdle closes idle and gone when their time has come.
func (p *pool) checkIdle() {
	if !p.closed {
		return
	}
	if p.busy == p.stuck {
		closeOnce(p.idle)
	}
	if p.busy == 0 {
		closeOnce(p.gone)
	}
}

// closeOnce closes ch unless it is closed. The pool's lock is held.
func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}
