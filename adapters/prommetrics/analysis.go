package prommetrics

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"logsift/domain"
	"logsift/ports"
)

// The values of the label outcome of analyses.
const (
	analysisCompleted = "completed"
	// analysisDegraded: there is a result, but it is less than was asked for.
	analysisDegraded = "degraded"
	analysisFailed   = "failed"
)

func (m *Metrics) analysisEnded(ctx context.Context, c ports.Call) {
	observe(m.analysisTime.WithLabelValues(c.Name), c.Took, m.traceOf(ctx))
	if c.Err != nil {
		m.analyses.WithLabelValues(c.Name, analysisFailed).Inc()
		m.analysisErrors.WithLabelValues(c.Name, analyzerErrorKind(c.Err)).Inc()
		return
	}
	outcome := analysisCompleted
	if c.Result.DegradedReason != "" {
		outcome = analysisDegraded
	}
	m.analyses.WithLabelValues(c.Name, outcome).Inc()
	m.analysed.WithLabelValues(c.Name).Add(float64(c.Result.AnalysedCount))
	for _, a := range c.Result.Anomalies {
		kind := other
		if a.Kind.Valid() {
			kind = string(a.Kind)
		}
		m.anomalies.WithLabelValues(a.Severity.String(), kind).Inc()
	}
	if c.Result.Cache != nil {
		m.ai.cacheHits.Add(float64(c.Result.Cache.Hits))
		m.ai.cacheMisses.Add(float64(c.Result.Cache.Misses))
	}
}

// analyzerErrorKind is the value of the label kind of an analyser's error.
func analyzerErrorKind(err error) string {
	var fault *domain.AnalyzerError
	switch {
	case errors.As(err, &fault):
		switch fault.Kind {
		case domain.AnalyzerUnavailable, domain.AnalyzerRateLimited, domain.AnalyzerBadAnswer, domain.AnalyzerTooLarge,
			domain.AnalyzerRefused, domain.AnalyzerMisconfigured, domain.AnalyzerQuota:
			return string(fault.Kind)
		}
		return other
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return other
	}
}

// aiMetrics are the metrics of requests to an AI service.
type aiMetrics struct {
	requests                             *prometheus.CounterVec
	duration                             *prometheus.HistogramVec
	prompt, cached, completion, thoughts prometheus.Counter
	cost                                 *prometheus.CounterVec
	cacheHits, cacheMisses               prometheus.Counter
}

func newAIMetrics(r *registration) aiMetrics {
	ai := aiMetrics{
		requests:   r.counters("ai_requests_total", "Requests to the AI service: ok, or the kind of error.", "outcome"),
		duration:   r.histogram("ai_request_duration_seconds", "Duration of requests to the AI service.", runBuckets),
		prompt:     r.counter("ai_prompt_tokens_total", "Tokens of the prompts that the AI service read, cached ones included."),
		cached:     r.counter("ai_cached_prompt_tokens_total", "Tokens of the prompts that the AI service had cached."),
		completion: r.counter("ai_completion_tokens_total", "Tokens of the answers of the AI service, those of its thoughts included."),
		thoughts:   r.counter("ai_reasoning_tokens_total", "Tokens of the thoughts of the AI service."),
		cost:       r.counters("ai_cost_total", "What the AI service charged, in whole units of the currency, by the configured prices.", "currency"),
		cacheHits:  r.counter("ai_cache_hits_total", "Anomalies whose explanation was known already."),
		cacheMisses: r.counter("ai_cache_misses_total",
			"Anomalies whose explanation was not known, so that the AI service was to be asked."),
	}
	ai.requests.WithLabelValues("ok")
	return ai
}

func (m *Metrics) chatEnded(ctx context.Context, c ports.Call) {
	outcome := "ok"
	if c.Err != nil {
		outcome = analyzerErrorKind(c.Err)
	}
	m.ai.requests.WithLabelValues(outcome).Inc()
	observe(m.ai.duration.WithLabelValues(), c.Took, m.traceOf(ctx))
	m.ai.prompt.Add(float64(c.Usage.PromptTokens))
	m.ai.cached.Add(float64(c.Usage.CachedTokens))
	m.ai.completion.Add(float64(c.Usage.CompletionTokens))
	m.ai.thoughts.Add(float64(c.Usage.ReasoningTokens))
	if c.Cost.Currency != "" {
		const micros = 1e6
		m.ai.cost.WithLabelValues(c.Cost.Currency).Add(float64(c.Cost.AmountMicros) / micros)
	}
}
