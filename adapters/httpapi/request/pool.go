package request

import (
	"context"
	"sync"
	"time"

	"logsift/adapters/httpapi/problem"
)

// Pool shares something out among callers that all of them use: the memory of
// bodies, searches, streams. No caller gets more than its share, so that none has
// all of it.
type Pool struct {
	// What it is of, for those who are refused, and Name of its limit.
	What, Name string
	// Full is the kind of error when nothing is left for anybody.
	Full error
	// Limit is how much there is, Share how much of it one caller gets, and Reserve
	// how much of both is left to small requests.
	Limit, Share, Reserve int64

	mu      sync.Mutex // guards the others
	used    int64
	callers map[string]int64 // of those that have some
	freed   chan struct{}    // closed when some is given back; nil if nobody waits
}

// poolPatience is how long a request waits for what others use.
const poolPatience = 10 * time.Second

// Take takes n for a caller at once, or returns what refuses the request.
func (p *Pool) Take(caller string, n int64, small bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	reserve := p.Reserve
	if small {
		reserve = 0
	}
	switch {
	case p.used+n > p.Limit-reserve:
		return problem.Beyond(p.Full, p.Name, p.Limit, "all callers together may have %d %s at once", p.Limit, p.What)
	case p.callers[caller]+n > p.Share-reserve:
		return problem.Beyond(problem.ErrRateLimited, p.Name+"_per_caller", p.Share, "a caller may have %d %s at once", p.Share, p.What)
	}
	if p.callers == nil {
		p.callers = map[string]int64{}
	}
	if n > 0 { // An entry of nothing would never be given back.
		p.used += n
		p.callers[caller] += n
	}
	return nil
}

// Await is Take, but waits while others use too much. Whoever waits must have
// nothing that others wait for.
func (p *Pool) Await(ctx context.Context, caller string, n int64, small bool) error {
	patience := time.NewTimer(poolPatience)
	defer patience.Stop()
	for {
		freed := p.nextFreed()
		err := p.Take(caller, n, small)
		if err == nil {
			return nil
		}
		select {
		case <-freed:
		case <-patience.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Pool) nextFreed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freed == nil {
		p.freed = make(chan struct{})
	}
	return p.freed
}

// Give gives back n of what a caller took.
func (p *Pool) Give(caller string, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= n
	if p.callers[caller] -= n; p.callers[caller] <= 0 {
		delete(p.callers, caller)
	}
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
}

// memory is what a request has taken of a pool.
type memory struct {
	pool   *Pool
	caller string
	taken  int64
}

// hold takes what is missing to n bytes.
func (m *memory) hold(n int64) error {
	if n <= m.taken {
		return nil
	}
	more := (n - m.taken + takeStep - 1) / takeStep * takeStep
	if err := m.pool.Take(m.caller, more, m.taken+more <= smallBody); err != nil {
		return err
	}
	m.taken += more
	return nil
}

// free gives back all but n bytes.
func (m *memory) free(n int64) {
	if n < m.taken {
		m.pool.Give(m.caller, m.taken-n)
		m.taken = n
	}
}

// memoryPool returns a pool of so many bytes.
func memoryPool(limit int64) Pool {
	return Pool{What: "bytes of bodies", Name: "buffered_bytes", Full: problem.ErrOverloaded, Limit: limit, Share: limit / 8 * 5, Reserve: limit / 8}
}
