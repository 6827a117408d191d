package redisstore

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"logsift/ports"
)

const (
	// maxSingle is up to how many calls are sent each by itself: so few have their
	// answers sooner than they would in a batch.
	maxSingle = 4
	// maxInFlight is how many calls to the server carry the tasks of more callers:
	// while the server works on one, the process reads the last and writes the next.
	maxInFlight = 2
)

// enqueueBatcher sends what many callers enqueue at the same time in batches. No call
// waits for others to come: it is sent if it is one of few, if nothing is in flight, or
// once at least half as much waits as the one other batch in flight has. Batches that
// were sent with less had a single task most of the time, at the price of many. The zero
// value is ready for use.
type enqueueBatcher struct {
	running sync.WaitGroup

	mu       sync.Mutex // guards the fields below; without it a call could wait with none under way
	inFlight int
	sent     load // what the calls in flight carry
	waiting  []*enqueueCall
	queued   load // what waits
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

// do has send carry the call out, alone with ctx or in a batch, and
// returns its reply. It returns early if ctx ends.
func (b *enqueueBatcher) do(ctx context.Context, c *enqueueCall, send func(context.Context, []*enqueueCall)) ([]any, error) {
	b.mu.Lock()
	if b.queued.calls == 0 && b.sent.calls < maxSingle {
		single := []*enqueueCall{c}
		b.start(single)
		b.mu.Unlock()
		send(ctx, single)
		b.mu.Lock()
		b.finish(single)
		b.fill(ctx, send)
		b.mu.Unlock()
		return c.reply, c.err
	}
	c.done = make(chan struct{})
	b.waiting = append(b.waiting, c)
	b.queued.add(c)
	b.fill(ctx, send)
	b.mu.Unlock()
	select {
	case <-c.done:
		return c.reply, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("enqueue: %w", ctx.Err())
	}
}

func (b *enqueueBatcher) start(calls []*enqueueCall) {
	b.inFlight++
	b.sent.add(calls...)
}

func (b *enqueueBatcher) finish(calls []*enqueueCall) {
	b.inFlight--
	b.sent.remove(calls...)
}

// fill starts batches of waiting calls, on goroutines of their own, if there are enough
// for one.
func (b *enqueueBatcher) fill(ctx context.Context, send func(context.Context, []*enqueueCall)) {
	// What others gave does not end with the context of this caller. The client
	// bounds each call.
	detached := context.WithoutCancel(ctx)
	for calls := b.take(); len(calls) > 0; calls = b.take() {
		b.running.Go(func() { b.run(detached, calls, send) })
	}
}

// run sends calls, and what waits by then, until nothing does.
func (b *enqueueBatcher) run(ctx context.Context, calls []*enqueueCall, send func(context.Context, []*enqueueCall)) {
	for len(calls) > 0 {
		send(ctx, calls)
		for _, c := range calls {
			close(c.done)
		}
		// Those who have their answer and want more stored at once come along.
		runtime.Gosched()
		b.mu.Lock()
		b.finish(calls)
		calls = b.take()
		b.fill(ctx, send)
		b.mu.Unlock()
	}
}

// take starts a batch of waiting calls of one epoch, if it is time, and returns
// it: half of all that is known of, so that two batches are alike.
func (b *enqueueBatcher) take() []*enqueueCall {
	if b.queued.calls == 0 || b.inFlight >= maxInFlight || 2*b.queued.tasks < b.sent.tasks {
		return nil
	}
	most := min((b.queued.tasks+b.sent.tasks+1)/2, ports.MaxEnqueue)
	n, tasks, bytes := 0, 0, 0
	for n < len(b.waiting) && b.waiting[n].epoch == b.waiting[0].epoch {
		tasks += b.waiting[n].count()
		bytes += b.waiting[n].bytes
		if n > 0 && (tasks > most || bytes > ports.MaxCallBytes || b.waiting[n].replaces || b.waiting[n-1].replaces) {
			break
		}
		n++
	}
	calls := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	b.queued.remove(calls...)
	b.start(calls)
	return calls
}
