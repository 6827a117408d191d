package redisstore

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"logsift/ports"
)

// gatherBytes bounds what travels together, beyond the first call.
const gatherBytes = 4 << 20

const (
	// mostAlone is how many callers travel each by themselves: so few have their
	// answers sooner than they would together.
	mostAlone = 4
	// mostFlights is how many calls to the server carry the tasks of more callers:
	// while the server works on one, the process reads the last and writes the next.
	mostFlights = 2
)

// gatherer lets what many callers enqueue at the same time travel together. No call
// waits for others to come: it sets out if it is one of few, if nothing is under
// way, or once at least half as much waits as the one other flight carries. Flights
// that set out with less carried a single task for most of the time, at the price of
// many. The zero value is ready for use.
type gatherer struct {
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below; without it a call could wait with none under way
	flights int
	away    load // what is under way
	waiting []*enqueueCall
	due     load // what waits
}

// load is how much some calls carry.
type load struct{ calls, tasks int }

func (l *load) add(calls ...*enqueueCall) {
	for _, c := range calls {
		l.calls++
		l.tasks += c.count()
	}
}

func (l *load) remove(calls ...*enqueueCall) {
	for _, c := range calls {
		l.calls--
		l.tasks -= c.count()
	}
}

// do has send carry the call out, alone with ctx or together with others, and
// returns its reply. It returns early if ctx ends.
func (g *gatherer) do(ctx context.Context, c *enqueueCall, send func(context.Context, []*enqueueCall)) ([]any, error) {
	g.mu.Lock()
	if g.due.calls == 0 && g.away.calls < mostAlone {
		alone := []*enqueueCall{c}
		g.depart(alone)
		g.mu.Unlock()
		send(ctx, alone)
		g.mu.Lock()
		g.land(alone)
		g.fill(ctx, send)
		g.mu.Unlock()
		return c.reply, c.err
	}
	c.done = make(chan struct{})
	g.waiting = append(g.waiting, c)
	g.due.add(c)
	g.fill(ctx, send)
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.reply, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("enqueue: %w", ctx.Err())
	}
}

func (g *gatherer) depart(calls []*enqueueCall) {
	g.flights++
	g.away.add(calls...)
}

func (g *gatherer) land(calls []*enqueueCall) {
	g.flights--
	g.away.remove(calls...)
}

// fill has waiting calls set out, on goroutines of their own, if there are enough
// for a flight.
func (g *gatherer) fill(ctx context.Context, send func(context.Context, []*enqueueCall)) {
	// What others gave does not end with the context of this caller. The client
	// bounds each call.
	detached := context.WithoutCancel(ctx)
	for calls := g.take(); len(calls) > 0; calls = g.take() {
		g.running.Go(func() { g.fly(detached, calls, send) })
	}
}

// fly sends calls, and what has gathered meanwhile, until nothing has.
func (g *gatherer) fly(ctx context.Context, calls []*enqueueCall, send func(context.Context, []*enqueueCall)) {
	for len(calls) > 0 {
		send(ctx, calls)
		for _, c := range calls {
			close(c.done)
		}
		// Those who have their answer and want more stored at once come along.
		runtime.Gosched()
		g.mu.Lock()
		g.land(calls)
		calls = g.take()
		g.fill(ctx, send)
		g.mu.Unlock()
	}
}

// take has waiting calls of one generation set out together, if it is time, and
// returns them: half of all that is known of, so that two flights are alike.
func (g *gatherer) take() []*enqueueCall {
	if g.due.calls == 0 || g.flights >= mostFlights || 2*g.due.tasks < g.away.tasks {
		return nil
	}
	most := min((g.due.tasks+g.away.tasks+1)/2, ports.MaxEnqueue)
	n, tasks, bytes := 0, 0, 0
	for n < len(g.waiting) && g.waiting[n].generation == g.waiting[0].generation {
		tasks += g.waiting[n].count()
		bytes += g.waiting[n].bytes
		if n > 0 && (tasks > most || bytes > gatherBytes) {
			break
		}
		n++
	}
	calls := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.due.remove(calls...)
	g.depart(calls)
	return calls
}
