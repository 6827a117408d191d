package server

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
)

// Call is one call of a script, to be sent once. Its arguments do not change afterwards.
type Call struct {
	Script *layout.Script
	Keys   []string
	Args   []any
	// Limit is its time limit, from when it is sent.
	Limit time.Duration
	// Bytes is about how much it carries to the server.
	Bytes int
	// Claims is whether it takes what others bring: it is behind them where they are sent
	// together, and once it is sent, the end of its context does not end it.
	Claims bool

	reply any
	err   error
	// sent is closed once others have sent it with theirs, and have the answer. cut is
	// whether the context of their call ended before.
	sent chan struct{}
	cut  bool
}

// maxTogether is the most Bytes of a call that is sent with others: they would wait for more.
const maxTogether = 64 << 10

// Pipeline sends calls whose keys share a hash tag. A claim that may wait is sent with the
// next call that may not, in one round trip, and so are reports that come while it waits:
// a server spends more time on waking up than on most calls. It is safe for concurrent use.
type Pipeline struct {
	client *Client

	mu      sync.Mutex // guards the fields below; without it two calls could send a third
	waiting []*Call
	// unclaimed is whether a call was sent since the last claim that may have brought
	// something.
	unclaimed bool
}

// NewPipeline returns a pipeline for the keys of one hash tag.
func NewPipeline(c *Client) *Pipeline { return &Pipeline{client: c} }

// Run sends a call at once, and with it those that wait; a large one alone.
func (p *Pipeline) Run(ctx context.Context, c *Call) (any, error) {
	p.mu.Lock()
	if c.Bytes > maxTogether {
		p.unclaimed = true
		p.mu.Unlock()
		return p.alone(ctx, c)
	}
	calls := p.takeLocked(c)
	p.mu.Unlock()
	return p.send(ctx, c, calls)
}

// Join has a claim sent with the next call that is Run, or at the given time if none is
// by then; at once if one was since the last claim. If ctx ends before, it is not sent.
func (p *Pipeline) Join(ctx context.Context, c *Call, at time.Time) (any, error) {
	left := time.Until(at)
	p.mu.Lock()
	if left <= 0 || p.unclaimed {
		calls := p.takeLocked(c)
		p.mu.Unlock()
		return p.send(ctx, c, calls)
	}
	p.addLocked(c)
	p.mu.Unlock()
	return p.await(ctx, c, left)
}

// Follow has a call sent with the claims that wait, after most at the latest; alone if
// none waits or if it is large.
func (p *Pipeline) Follow(ctx context.Context, c *Call, most time.Duration) (any, error) {
	p.mu.Lock()
	if len(p.waiting) == 0 || c.Bytes > maxTogether {
		p.mu.Unlock()
		return p.alone(ctx, c)
	}
	p.addLocked(c)
	p.mu.Unlock()
	return p.await(ctx, c, most)
}

func (p *Pipeline) addLocked(c *Call) {
	c.sent = make(chan struct{})
	p.waiting = append(p.waiting, c)
}

// takeLocked takes the calls that wait, to be sent with c, in their order.
func (p *Pipeline) takeLocked(c *Call) []*Call {
	all := append(p.waiting, c)
	calls := make([]*Call, 0, len(all))
	for _, claims := range []bool{false, true} {
		for _, w := range all {
			if w.Claims == claims {
				calls = append(calls, w)
			}
		}
	}
	p.waiting, p.unclaimed = nil, !calls[len(calls)-1].Claims
	return calls
}

// await waits until others have sent c, or sends it, and what waits with it, once the time
// left is over.
func (p *Pipeline) await(ctx context.Context, c *Call, left time.Duration) (any, error) {
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-c.sent:
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	if i := slices.Index(p.waiting, c); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		if ctx.Err() != nil {
			p.mu.Unlock()
			return nil, fmt.Errorf("redis script %s: %w", c.Script.Name, ctx.Err())
		}
		calls := p.takeLocked(c)
		p.mu.Unlock()
		return p.send(ctx, c, calls)
	}
	p.mu.Unlock()
	ended := ctx.Done()
	if c.Claims {
		ended = nil
	}
	select {
	case <-c.sent:
	case <-ended:
		return nil, fmt.Errorf("redis script %s: %w", c.Script.Name, ctx.Err())
	}
	if c.cut {
		return p.alone(ctx, c)
	}
	return c.reply, c.err
}

// alone sends a call by itself.
func (p *Pipeline) alone(ctx context.Context, c *Call) (any, error) {
	if c.Claims {
		ctx = context.WithoutCancel(ctx)
	}
	return p.client.RunWithin(ctx, c.Limit, c.Script, c.Keys, c.Args...)
}

// send sends calls, of which c is the caller's, and tells the others their answers.
func (p *Pipeline) send(ctx context.Context, c *Call, calls []*Call) (any, error) {
	if len(calls) == 1 {
		return p.alone(ctx, c)
	}
	if c.Claims {
		ctx = context.WithoutCancel(ctx)
	}
	// One travels behind the other.
	base := p.client.Config.CallTimeout
	limit := base
	for _, w := range calls {
		limit += max(w.Limit-base, 0)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers := make([]*redis.Cmd, len(calls))
	// Each answer has its own error.
	_, _ = p.client.Redis.Pipelined(bounded, func(pipe redis.Pipeliner) error {
		for i, w := range calls {
			answers[i] = w.Script.EvalSha(bounded, pipe, w.Keys, w.Args...)
		}
		return nil
	})
	for i, w := range calls {
		w.reply, w.err = answers[i].Result()
		if redis.HasErrorPrefix(w.err, "NOSCRIPT") {
			w.reply, w.err = w.Script.Run(bounded, p.client.Redis, w.Keys, w.Args...).Result()
		}
		if w.err != nil {
			w.reply, w.err = nil, fmt.Errorf("redis script %s: %w", w.Script.Name, p.client.Translate(bounded, w.err))
			w.cut = ctx.Err() != nil
		}
		if w != c {
			close(w.sent)
		}
	}
	return c.reply, c.err
}
