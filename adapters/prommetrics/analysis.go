package prommetrics

import (
	"context"
	"errors"
	"time"

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

// Analyzer returns an analyser that does what the given one does, and counts and
// measures it. The name is the value of the label analyzer.
func (m *Metrics) Analyzer(name string, analyzer ports.LogAnalyzer) ports.LogAnalyzer {
	for _, outcome := range []string{analysisCompleted, analysisDegraded, analysisFailed} {
		m.analyses.WithLabelValues(name, outcome)
	}
	m.analysisErrors.WithLabelValues(name, string(domain.AnalyzerUnavailable))
	return &logAnalyzer{analyzer: analyzer, name: name, m: m}
}

// logAnalyzer is an analyser whose work is measured.
type logAnalyzer struct {
	analyzer ports.LogAnalyzer
	name     string
	m        *Metrics
}

// Analyze implements ports.LogAnalyzer.
func (a *logAnalyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	begun := time.Now()
	result, err := a.analyzer.Analyze(ctx, req)
	observe(a.m.analysisTime.WithLabelValues(a.name), time.Since(begun), a.m.traceOf(ctx))
	if err != nil {
		a.m.analyses.WithLabelValues(a.name, analysisFailed).Inc()
		a.m.analysisErrors.WithLabelValues(a.name, analyzerErrorKind(err)).Inc()
		return result, err
	}
	outcome := analysisCompleted
	if result.DegradedReason != "" {
		outcome = analysisDegraded
	}
	a.m.analyses.WithLabelValues(a.name, outcome).Inc()
	a.m.analysed.WithLabelValues(a.name).Add(float64(result.AnalysedCount))
	for i := range result.Anomalies {
		kind := other
		if result.Anomalies[i].Kind.Valid() {
			kind = string(result.Anomalies[i].Kind)
		}
		a.m.anomalies.WithLabelValues(result.Anomalies[i].Severity.String(), kind).Inc()
	}
	if result.Cache != nil {
		a.m.ai.cacheHits.Add(float64(result.Cache.Hits))
		a.m.ai.cacheMisses.Add(float64(result.Cache.Misses))
	}
	return result, nil
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

// aiMetrics are those of the requests to an AI service.
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

// BeginAICall notes a request to an AI service, and returns what to call when it is
// answered.
func (m *Metrics) BeginAICall(ctx context.Context, _ string) (context.Context, func(domain.Usage, domain.Cost, error)) {
	begun := time.Now()
	return ctx, func(usage domain.Usage, cost domain.Cost, err error) {
		outcome := "ok"
		if err != nil {
			outcome = analyzerErrorKind(err)
		}
		m.ai.requests.WithLabelValues(outcome).Inc()
		observe(m.ai.duration.WithLabelValues(), time.Since(begun), m.traceOf(ctx))
		m.ai.prompt.Add(float64(usage.PromptTokens))
		m.ai.cached.Add(float64(usage.CachedTokens))
		m.ai.completion.Add(float64(usage.CompletionTokens))
		m.ai.thoughts.Add(float64(usage.ReasoningTokens))
		if cost.Currency != "" {
			const micros = 1e6
			m.ai.cost.WithLabelValues(cost.Currency).Add(float64(cost.AmountMicros) / micros)
		}
	}
}
