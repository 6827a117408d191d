package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

const (
	// maxExplained bounds the anomalies of one analysis that are sent, and
	// maxRequests the requests for them, repetitions included.
	maxExplained = 160
	maxRequests  = 16
	// settleTime bounds what is written after an analysis was cut short.
	settleTime = 5 * time.Second
)

// stop is a reason to go on without the service that no waiting in the queue
// mends.
type stop struct{ reason string }

// Error gives the reason.
func (s *stop) Error() string { return s.reason }

// explanation is what one analysis gets from the service and from the cache.
type explanation struct {
	a *Analyzer
	// caller is the context of the caller, without the analyser's own time limit.
	caller context.Context //nolint:containedctx // It lives no longer than the call that it is of.

	// redact replaces what is not to leave the process, by placeholders that are the
	// same for the same value within the analysis; redactions counts them, if it is
	// not nil.
	redact     func(string) string
	redactions func() map[string]int

	notes map[string]*note
	// claimed are the notes in flight that others may wait for.
	claimed   map[string]*sharedNote
	summaries []string
	model     string
	usage     domain.Usage
	cost      Micros
	cached    domain.CacheUse
	dropped   dropped
	warnings  []string
	// answered is whether the service answered, sent how many anomalies were to be
	// sent, left how many were not for want of room.
	answered   bool
	sent, left int

	requests     int
	answerTokens int
	grown, bare  bool
	maxItems     int
	// lower is how many steps below the server's dialect the answer is asked for,
	// after answers that could not be read.
	lower int
}

// of gets the notes on the items, each key once, the most important first. What it
// got it keeps even where it returns an error.
func (e *explanation) of(ctx context.Context, items []item) error {
	pending := items
	for len(pending) > 0 {
		keys := make([]string, len(pending))
		for i := range pending {
			keys[i] = pending[i].key
		}
		claimed, others := e.a.inFlight.claim(keys)
		if err := e.getClaimed(ctx, pending, claimed); err != nil {
			return err
		}
		for key, other := range others {
			select {
			case <-other.done:
				if other.note != nil {
					e.notes[key] = other.note
					e.cached.Hits++
				}
			case <-ctx.Done():
				return e.ended()
			}
		}
		// What another did not get is asked for here.
		pending = slices.DeleteFunc(slices.Clone(pending), func(it item) bool { return others[it.key] == nil || e.notes[it.key] != nil })
	}
	return nil
}

// own gets the notes that this analysis has claimed: from the cache, else from the
// service.
func (e *explanation) getClaimed(ctx context.Context, items []item, claimed map[string]*sharedNote) error {
	e.claimed = claimed
	defer func() { e.a.inFlight.finish(claimed, e.notes) }()
	var keys []string
	for _, it := range items {
		if claimed[it.key] != nil {
			keys = append(keys, it.key)
		}
	}
	known, err := e.a.cache.notes(ctx, keys)
	if err != nil {
		return e.ended()
	}
	var novel []item
	for _, it := range items {
		switch {
		case claimed[it.key] == nil:
		case known[it.key] != nil:
			e.notes[it.key] = known[it.key]
			e.cached.Hits++
		default:
			novel = append(novel, it)
		}
	}
	e.finish(keys)
	e.cached.Misses += len(novel)
	if len(novel) > maxExplained-e.sent {
		e.left += len(novel) - (maxExplained - e.sent)
		novel = novel[:maxExplained-e.sent]
	}
	e.sent += len(novel)
	for i := range novel {
		novel[i].sent = describe(novel[i].anomaly, e.redact)
	}
	return e.ask(ctx, novel)
}

// ask asks the service about the items, in as many requests as they need. It asks
// again where that can help: with room for a longer answer, about fewer items,
// without samples, or after a short wait.
func (e *explanation) ask(ctx context.Context, items []item) error {
	for again := 0; len(items) > 0; {
		if e.requests == maxRequests {
			e.left += len(items)
			return nil
		}
		p := newPrompt(items[:min(len(items), e.maxItems)], e.a.prompt.bytes(), e.bare)
		ans, err := e.request(ctx, p)
		if err == nil {
			e.take(ctx, p.items, ans)
			items = items[len(p.items):]
			again, e.lower = 0, 0
			continue
		}
		var f *failure
		if !errors.As(err, &f) || f.final {
			return err
		}
		switch {
		case f.cut && !e.grown:
			e.grown = true
			e.answerTokens = min(2*e.answerTokens, maxTokens)
		case f.fault.Kind == domain.AnalyzerTooLarge && len(p.items) > 1:
			e.maxItems = len(p.items) / 2
			if !f.cut {
				e.a.prompt.refused(p.size())
			}
		case f.fault.Kind == domain.AnalyzerTooLarge && !e.bare:
			e.bare = true
		case f.fault.Retryable():
			wait, ok := inlineWait(f.fault, again)
			if !ok {
				return err
			}
			if f.fault.Kind == domain.AnalyzerBadAnswer {
				e.lower++
			}
			again++
			if e.a.sleep(ctx, wait) != nil {
				return e.ended()
			}
		default:
			return err
		}
	}
	return nil
}

// take keeps what the service said about the items.
func (e *explanation) take(ctx context.Context, items []item, ans *answer) {
	e.answered = true
	e.dropped.add(ans.dropped)
	if ans.summary != "" {
		e.summaries = append(e.summaries, ans.summary)
	}
	for _, f := range ans.findings {
		n := &note{
			Cause: f.Cause, Explanation: f.Explanation, SuggestedAction: f.SuggestedAction,
			Category: f.Category, Severity: f.severity, Relevance: *f.Relevance, Model: e.model,
		}
		for _, number := range f.Anomalies {
			e.notes[items[number-1].key] = n
		}
	}
	for _, it := range items {
		if e.notes[it.key] == nil {
			e.notes[it.key] = &note{Silent: true}
		}
		e.a.cache.save(ctx, it.key, e.notes[it.key])
	}
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].key
	}
	e.finish(keys)
}

// finish hands on the notes of those keys that have one: who waits for one does not
// wait for the others too.
func (e *explanation) finish(keys []string) {
	finished := map[string]*sharedNote{}
	for _, key := range keys {
		if own := e.claimed[key]; own != nil && e.notes[key] != nil {
			finished[key] = own
			delete(e.claimed, key)
		}
	}
	e.a.inFlight.finish(finished, e.notes)
}

// request makes one request and reads the answer. Where the server does not
// understand the request, it is put in other words. Errors are a *stop, a *failure,
// a *domain.AnalyzerError of the store, or the caller's context's.
func (e *explanation) request(ctx context.Context, p prompt) (*answer, error) {
	for {
		known := e.a.dialect.Load()
		d := *known
		d.format = min(d.format+answerFormat(e.lower), formatPlain)
		set, err := e.admit(ctx, p)
		if err != nil {
			return nil, err
		}
		e.requests++
		c, next, f, cost := e.observed(ctx, p, d)
		e.usage, e.cost = sum(e.usage, c.usage), e.cost+cost
		e.settle(ctx, set, cost)
		if f != nil && ctx.Err() != nil {
			if e.caller.Err() != nil {
				e.a.breaker.abandoned()
			} else {
				e.a.breaker.failed(e.late().fault)
			}
			return nil, e.ended()
		}
		if next != nil && e.requests < maxRequests {
			e.a.breaker.succeeded()
			if e.lower > 0 && next.format != d.format {
				e.lower++ // It was asked so only after a bad answer: that is not remembered.
				continue
			}
			next.format = known.format + (next.format - d.format)
			// If another call was faster, its finding is tried first.
			e.a.dialect.CompareAndSwap(known, next)
			continue
		}
		var ans *answer
		if f == nil {
			ans, f = readAnswer(c.content, len(p.items))
		}
		if f != nil {
			e.a.breaker.failed(f.fault)
			return nil, f
		}
		e.a.breaker.succeeded()
		e.model = cmp.Or(c.model, e.model)
		return ans, e.checkRead(c, p)
	}
}

// admit asks the breaker and the budget, and sets aside what the request can cost.
func (e *explanation) admit(ctx context.Context, p prompt) (reserve, error) {
	if reason := e.a.breaker.allow(); reason != "" {
		return reserve{}, &stop{"the AI service is not asked for the time being: " + reason}
	}
	most := domain.Usage{PromptTokens: e.a.prompt.tokens(p.size()), CompletionTokens: e.answerTokens}
	set, reason, err := e.a.budget.reserve(ctx, e.a.cfg.Prices.cost(most))
	if err == nil && reason == "" {
		return set, nil
	}
	e.a.breaker.abandoned()
	if err == nil {
		return reserve{}, &stop{reason}
	}
	if ctx.Err() != nil {
		return reserve{}, e.ended()
	}
	return reserve{}, err
}

// settle tells the budget what a request did cost, also where the time is up.
func (e *explanation) settle(ctx context.Context, set reserve, cost Micros) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	e.a.budget.settle(ctx, set, cost)
}

// observed is exchange with its cost, and tells the observers.
func (e *explanation) observed(ctx context.Context, p prompt, d dialect) (completion, *dialect, *failure, Micros) {
	call := ports.Call{Op: ports.OpChat, Name: e.a.cfg.Model}
	ctx = e.a.cfg.Observers.Begin(ctx, &call)
	c, next, f := e.exchange(ctx, p, d)
	cost := e.a.cfg.Prices.cost(c.usage)
	call.Usage, call.Cost = c.usage, domain.Cost{AmountMicros: int64(cost), Currency: e.a.cfg.Prices.Currency}
	var err error
	if f != nil {
		err = f.fault
	}
	e.a.cfg.Observers.End(ctx, &call, err)
	return c, next, f, cost
}

// exchange sends one request and reads what comes back. Next is not nil if the
// server is to be asked in other words. The usage of a request that failed, but on
// which the service may have worked, is an estimate.
func (e *explanation) exchange(ctx context.Context, p prompt, d dialect) (completion, *dialect, *failure) {
	r, f := e.a.client.post(ctx, e.a.request(p, d, e.answerTokens))
	var next *dialect
	if f == nil && r.ok() {
		var c completion
		if c, f = e.a.client.readCompletion(r, p, e.a.prompt.tokens); f == nil || c.usage.Calls > 0 {
			return c, nil, f
		}
	} else if f == nil {
		told := readError(r.body)
		if other, ok := d.without(r.status, told); ok {
			next = &other
		}
		f = e.a.client.refusal(r, told, p.data)
	}
	if !f.charged {
		return completion{}, next, f
	}
	return completion{usage: domain.Usage{PromptTokens: e.a.prompt.tokens(p.size()), Calls: 1, Estimated: true}}, next, f
}

// checkRead learns from an answer how many bytes a token has, and whether the
// service read the whole prompt: one such as Ollama cuts what is longer than its
// context, and does not say so.
func (e *explanation) checkRead(c completion, p prompt) error {
	if !c.told {
		return nil
	}
	if c.usage.PromptTokens*maxBytesPerToken >= p.size() {
		e.a.prompt.learn(p.size(), c.usage.PromptTokens)
		return nil
	}
	e.a.prompt.fits(c.usage.PromptTokens)
	told := fmt.Sprintf("the AI service read %d tokens of a prompt of %d bytes: its context is probably too small for all of it", c.usage.PromptTokens, p.size())
	if len(p.items) > 1 && p.size() > minPromptBytes {
		return &failure{fault: &domain.AnalyzerError{Kind: domain.AnalyzerTooLarge, Message: told}}
	}
	if !slices.Contains(e.warnings, told) {
		e.warnings = append(e.warnings, told)
	}
	return nil
}

// ended is the error of a context that ended: the caller's, or that the time for
// the service is up.
func (e *explanation) ended() error {
	if err := e.caller.Err(); err != nil {
		return fmt.Errorf("analyse logs: %w", err)
	}
	return e.late()
}

// late says that the time is up. The context's error is left out: it would look
// like the caller's.
func (e *explanation) late() *failure {
	return &failure{fault: &domain.AnalyzerError{
		Kind: domain.AnalyzerUnavailable, Message: fmt.Sprintf("the AI service did not answer within %v (ai-timeout)", e.a.cfg.Timeout),
	}}
}

func sum(a, b domain.Usage) domain.Usage {
	return domain.Usage{
		PromptTokens: a.PromptTokens + b.PromptTokens, CachedTokens: a.CachedTokens + b.CachedTokens,
		CompletionTokens: a.CompletionTokens + b.CompletionTokens, ReasoningTokens: a.ReasoningTokens + b.ReasoningTokens,
		Calls: a.Calls + b.Calls, Estimated: a.Estimated || b.Estimated,
	}
}
