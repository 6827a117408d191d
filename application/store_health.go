package application

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// callTimeout bounds a call to the store beyond the time that it is asked to
// wait, should the store be frozen.
const callTimeout = 5 * time.Second

// backoff spaces the repeats of a failing call: 100 ms, doubling to 5 s, each
// cut at random by up to a half, so that processes do not repeat in step.
type backoff struct{ failures int }

const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 5 * time.Second
)

// next returns the wait before the next repeat; random is from [0,1).
func (b *backoff) next(random float64) time.Duration {
	d := backoffMax
	if b.failures < 6 {
		d = min(backoffFirst<<b.failures, backoffMax)
	}
	b.failures++
	return d - time.Duration(float64(d)*random/2)
}

func (b *backoff) reset() { b.failures = 0 }

// storeHealth remembers which calls to the store fail, and logs when that begins
// and when it is over. Calls that fail over and over cost one warning a
// minute; a store that comes and goes costs a line a second on average.
type storeHealth struct {
	logger *zap.Logger

	mu       sync.Mutex // guards the fields below
	failing  map[string]struct{}
	last     string    // the newest error while a call fails
	since    time.Time // when the first of the failing calls failed
	logged   bool      // the outage under way was logged
	warnedAt time.Time
}

func newStoreHealth(logger *zap.Logger) *storeHealth {
	return &storeHealth{logger: logger, failing: make(map[string]struct{})}
}

// failed records that a call failed because of the store.
func (h *storeHealth) failed(call string, err error) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) == 0 {
		h.since = now
	}
	h.failing[call] = struct{}{}
	h.last = err.Error()
	quiet := 2 * time.Second
	if h.logged {
		quiet = time.Minute
	}
	if h.warnedAt.IsZero() || now.Sub(h.warnedAt) >= quiet {
		h.logged, h.warnedAt = true, now
		h.logger.Warn("store fails, calls are repeated until it answers",
			zap.String("call", call), zap.Duration("for", now.Sub(h.since)), zap.Error(err))
	}
}

// succeeded records that a call got its answer.
func (h *storeHealth) succeeded(call string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) == 0 {
		return
	}
	delete(h.failing, call)
	if len(h.failing) > 0 {
		return
	}
	h.last = ""
	if h.logged {
		h.logged = false
		h.logger.Info("store answers again", zap.Duration("after", time.Since(h.since)))
	}
}

// lastError returns the newest error, or "" if the store answers.
func (h *storeHealth) lastError() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// sleep waits for d and reports whether it did, rather than ctx ending first.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
