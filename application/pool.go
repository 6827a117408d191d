package application

import (
	"context"
	"sync"
)

// pool counts the workers' slots and holds the claimed tasks that wait for one.
type pool struct {
	size, prefetch, maxUnreported int
	// freed has an item when there may be room for further claims.
	freed chan struct{}
	// idle is closed once the pool is closed and no run is supervised; gone
	// once, besides, every processor has returned.
	idle, gone chan struct{}

	mu         sync.Mutex // guards the fields below
	busy       int        // slots with a processor in them, those that are stuck among them
	stuck      int        // slots whose processor nobody waits for any more
	waiting    []*run     // claimed ahead, first in first out
	unreported int        // ended runs whose report is not acknowledged
	closed     bool
}

func newPool(size, prefetch int) *pool {
	return &pool{
		size: size, prefetch: prefetch,
		// Enough for workers to go on while a report is under way, and few
		// enough for the results to fit into memory while the store is down.
		maxUnreported: max(4*size, 100),
		freed:         make(chan struct{}, 1),
		idle:          make(chan struct{}), gone: make(chan struct{}),
	}
}

// waitRoom waits until there is room for claims and returns how many, or 0 if
// ctx ended or the pool was closed.
func (p *pool) waitRoom(ctx context.Context) int {
	for {
		p.mu.Lock()
		room := p.size + p.prefetch - p.busy - len(p.waiting)
		if p.unreported >= p.maxUnreported || p.stuck >= p.size {
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

// admit takes claimed runs in. It returns those to start now, each of which has
// a slot until leave, and those to give back, since the pool was closed, or its
// last slot got stuck, while they were claimed.
func (p *pool) admit(runs []*run) (start, refused []*run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.stuck == p.size {
		return nil, runs
	}
	n := min(len(runs), p.size-p.busy)
	p.busy += n
	p.waiting = append(p.waiting, runs[n:]...)
	return runs[:n], nil
}

// leave frees a slot, or returns the next run to start in it.
func (p *pool) leave() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leaveLocked()
}

func (p *pool) leaveLocked() *run {
	defer p.signal()
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

// stick notes that a slot's processor did not return in time. If that leaves no
// slot to wait for, it returns the runs that wait, which others should have.
func (p *pool) stick() (refused []*run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck++
	if p.stuck == p.size {
		refused, p.waiting = p.waiting, nil
	}
	p.checkIdle()
	return refused
}

// unstick is leave for a slot that was stuck.
func (p *pool) unstick() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck--
	return p.leaveLocked()
}

// owe counts an ended run that is to be reported; paid uncounts it.
func (p *pool) owe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unreported++
}

func (p *pool) paid() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unreported--
	p.signal()
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

func (p *pool) signal() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
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
