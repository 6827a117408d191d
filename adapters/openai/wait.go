package openai

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"logsift/domain"
)

const (
	// maxRetryAfter bounds how long a server can make a task wait.
	maxRetryAfter = time.Hour
	// maxInline is how often a request is repeated within one analysis, and
	// shortWait the longest that it waits for that: for longer, the queue takes the
	// task back and the worker is free.
	maxInline = 2
	shortWait = 3 * time.Second
	// firstWait is the wait before the first repetition; it doubles, and up to a
	// quarter of it is taken off at random, as by OpenAI's own clients.
	firstWait = 500 * time.Millisecond
)

// inlineWait is how long to wait before repetition number n, from 0, and false if
// it is the queue that should wait.
func inlineWait(fault *domain.AnalyzerError, n int) (time.Duration, bool) {
	if n >= maxInline || fault.RetryAfter > shortWait {
		return 0, false
	}
	if fault.RetryAfter > 0 {
		return fault.RetryAfter, true
	}
	wait := firstWait << n
	return wait - time.Duration(rand.Float64()*0.25*float64(wait)), true
}

// sleep waits, and returns the error of a context that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads how long the server asks to wait: milliseconds as OpenAI gives
// them, else seconds, with a fraction or without, or a date. A date is compared
// with the server's own, since clocks differ. A server that only says when its
// limits are reset is waited for until the later of those that are used up.
func (c *client) retryAfter(r *reply) time.Duration {
	h := r.header
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return boundedWait(ms * float64(time.Millisecond))
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		return boundedWait(s * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		if r.status == http.StatusTooManyRequests {
			return limitsReset(h)
		}
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = c.now()
	}
	return boundedWait(float64(at.Sub(now)))
}

// limitsReset is the longest wait until a limit is reset that is used up; if none
// says that it is, until any is reset. Some servers send -1 or nothing.
func limitsReset(h http.Header) time.Duration {
	var used, latest time.Duration
	for _, what := range []string{"Requests", "Tokens"} {
		reset := resetIn(h.Get("X-Ratelimit-Reset-" + what))
		latest = max(latest, reset)
		if h.Get("X-Ratelimit-Remaining-"+what) == "0" {
			used = max(used, reset)
		}
	}
	if used > 0 {
		return used
	}
	return latest
}

// resetIn reads "6m0s", "20ms" or a number of seconds.
func resetIn(s string) time.Duration {
	if d, err := time.ParseDuration(s); err == nil {
		return boundedWait(float64(d))
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return boundedWait(f * float64(time.Second))
	}
	return 0
}

// boundedWait takes whatever a server may send, NaN and infinities included.
func boundedWait(nanoseconds float64) time.Duration {
	if !(nanoseconds > 0) {
		return 0
	}
	return time.Duration(min(nanoseconds, float64(maxRetryAfter)))
}
