package request

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/wire"
)

// maxCallers is how many callers a limiter tells apart; beyond it, those that are
// new share one bucket.
const maxCallers = 10_000

// Limiter bounds the requests of each caller by a token bucket. It forgets nobody
// whose bucket is not full, so that no crowd of callers buys another one time.
type Limiter struct {
	rate  float64 // tokens a second
	burst float64 // tokens of a full bucket

	mu      sync.Mutex // guards the others
	buckets map[string]bucket
	swept   time.Time
}

// bucket had this many tokens at a time, and has more since.
type bucket struct {
	tokens float64
	at     time.Time
}

// NewLimiter returns nil, which limits nothing, for a rate of 0.
func NewLimiter(rate int) *Limiter {
	if rate <= 0 {
		return nil
	}
	return &Limiter{rate: float64(rate), burst: float64(burstOf(rate)), buckets: map[string]bucket{}}
}

// burstOf is how many requests may come at once: those of two seconds, and always
// as many as a page of the dashboard needs.
func burstOf(rate int) int { return max(2*rate, 20) }

// take takes a token of the caller's bucket. It returns how many are left, or how
// long it takes until there is one.
func (l *Limiter) take(caller string, now time.Time) (left float64, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.buckets[caller]; !known && len(l.buckets) >= maxCallers {
		if caller = "others"; now.Sub(l.swept) >= time.Second {
			l.swept = now
			l.sweep(now)
		}
	}
	b, known := l.buckets[caller]
	if !known {
		b = bucket{tokens: l.burst, at: now}
	}
	b.tokens, b.at = l.filled(b, now), now
	if b.tokens < 1 {
		l.buckets[caller] = b
		return 0, time.Duration((1 - b.tokens) / l.rate * float64(time.Second))
	}
	b.tokens--
	l.buckets[caller] = b
	return b.tokens, 0
}

func (l *Limiter) filled(b bucket, now time.Time) float64 {
	return min(l.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate)
}

// sweep forgets full buckets: a new one is the same.
func (l *Limiter) sweep(now time.Time) {
	for caller, b := range l.buckets {
		if l.filled(b, now) >= l.burst {
			delete(l.buckets, caller)
		}
	}
}

// Check takes a token of the caller's bucket, or refuses the request. It tells the client
// what is left, by the headers of draft-ietf-httpapi-ratelimit-headers-10.
func (l *Limiter) Check(h http.Header, caller string, now time.Time) error {
	left, wait := l.take(caller, now)
	window := math.Ceil(l.burst / l.rate)
	h.Set("RateLimit-Policy", fmt.Sprintf(`"requests";q=%.0f;w=%.0f`, l.burst, window))
	h.Set("RateLimit", fmt.Sprintf(`"requests";r=%.0f;t=%.0f`, math.Floor(left), math.Ceil((l.burst-left)/l.rate)))
	if wait == 0 {
		return nil
	}
	return &problem.Error{
		Kind: problem.ErrRateLimited, Detail: "a caller may send " + strconv.Itoa(int(l.rate)) + " requests a second",
		Limit: &wire.Limit{Name: "requests_per_second", Value: int64(l.rate)}, RetryAfter: int(math.Ceil(wait.Seconds())),
	}
}
