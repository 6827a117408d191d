package openai

import (
	"sync"
	"time"

	"logsift/domain"
)

// Bounds of the breaker.
const (
	// breakAfter is how many transient failures in a row open it.
	breakAfter = 5
	// pauseTransient and pausePermanent are how long it stays open at first: after
	// failures that pass by themselves, and after those that the operator has to
	// mend. Each probe that fails doubles the pause, up to maxPause.
	pauseTransient = 30 * time.Second
	pausePermanent = 5 * time.Minute
	maxPause       = 30 * time.Minute
)

// breaker keeps requests from a service that does not serve, so that analyses do
// not wait for it (M. Nygard, Release It!, Circuit Breaker). It is closed, open, or,
// after its pause, half-open: one request probes the service then, and its outcome
// closes or opens it.
type breaker struct {
	now func() time.Time

	// mu guards all below.
	mu       sync.Mutex
	failures int
	// reason says why it is open; "" is closed.
	reason string
	until  time.Time
	pause  time.Duration
	// probing is whether a request is under way that was let through half-open.
	probing bool
}

// allow returns the reason why there is to be no request, or "". A caller that may
// go on reports the outcome by succeeded, failed or abandoned.
func (b *breaker) allow() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reason == "" {
		return ""
	}
	if b.probing || b.now().Before(b.until) {
		return b.reason
	}
	b.probing = true
	return ""
}

// open returns why it is open, "" if it is closed. A half-open one is open until
// its probe succeeds.
func (b *breaker) open() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason
}

// succeeded closes it: the service does its work.
func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.reason, b.pause, b.probing = 0, "", 0, false
}

// abandoned records a request whose outcome says nothing about the service.
func (b *breaker) abandoned() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

// failed records a request that did not succeed.
func (b *breaker) failed(fault *domain.AnalyzerError) {
	switch fault.Kind {
	case domain.AnalyzerTooLarge, domain.AnalyzerRefused:
		// The service works; it is this request that it does not take.
		b.succeeded()
		return
	case domain.AnalyzerQuota, domain.AnalyzerMisconfigured, domain.AnalyzerUnavailable, domain.AnalyzerRateLimited, domain.AnalyzerBadAnswer:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.probing = false
	first := pauseTransient
	if !fault.Retryable() {
		first = pausePermanent
	} else if b.failures < breakAfter && b.reason == "" {
		return
	}
	// Requests that were under way when it opened are no failed probes.
	if b.reason == "" {
		b.pause = first
	} else if !b.now().Before(b.until) {
		b.pause = min(max(2*b.pause, first), maxPause)
	}
	b.reason = sentence(fault)
	b.until = b.now().Add(max(b.pause, min(fault.RetryAfter, maxPause)))
}
