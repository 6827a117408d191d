package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"logsift/adapters/openai/redact"
	"logsift/domain"
	"logsift/ports"
)

// Name is what results give as their analyser if the service took part.
const Name = "openai"

// Source is the source of an anomaly that the detector found and the service
// explained.
const Source = "llm+local"

// PromptVersion names the wording of the prompt. It changes with it, so that
// results of different wordings can be told apart.
const PromptVersion = "2"

// Analyzer is a ports.LogAnalyzer that has an AI service explain what another
// analyser detects. It is safe for concurrent use.
type Analyzer struct {
	cfg      Config
	detector ports.LogAnalyzer
	client   *client
	// dialect is what the server was found to understand.
	dialect atomic.Pointer[dialect]
	prompt  *promptLimit
	breaker *breaker
	budget  *budget
	cache   *cache
	// redactor is nil if nothing is to be replaced.
	redactor *redact.Redactor
	inFlight inFlight
	// sleep waits before a repetition.
	sleep func(context.Context, time.Duration) error
}

var _ ports.LogAnalyzer = (*Analyzer)(nil)

// New returns an analyser that explains what the detector finds, and keeps
// explanations and sums in the store. It calls neither of them nor the service.
// Its errors are *domain.ValidationErrors, joined, that name the settings.
func New(detector ports.LogAnalyzer, states ports.DocumentStore, cfg Config) (*Analyzer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &Analyzer{
		cfg: cfg, detector: detector,
		client:  newClient(cfg.BaseURL, cfg.APIKey, cfg.Now),
		prompt:  &promptLimit{maxTokens: cfg.MaxPromptTokens},
		breaker: &breaker{now: cfg.Now},
		budget:  &budget{states: states, limit: cfg.DailyBudget, currency: cfg.Prices.Currency, now: cfg.Now},
		cache:   newCache(states, &cfg),
		sleep:   sleep,
	}
	if cfg.redacts() {
		a.redactor = redact.New(redact.Config{IPs: cfg.RedactIPs})
	}
	a.cfg.APIKey = "" // The client has it, where no print of this shows it.
	first := firstDialect(cfg.BaseURL)
	first.plainHeat = cfg.Temperature == nil
	a.dialect.Store(&first)
	return a, nil
}

// Degraded says in a sentence why logs are analysed without the AI service for the
// time being, and "" if they are not.
func (a *Analyzer) Degraded() string {
	if reason := a.breaker.open(); reason != "" {
		return reason
	}
	if a.budget.spentToday() {
		return "the daily budget for the AI service is spent (ai-daily-budget)"
	}
	return ""
}

// BreakerOpen is whether the service is not asked for the time being, since it did
// not serve.
func (a *Analyzer) BreakerOpen() bool { return a.breaker.open() != "" }

// BudgetSpent is whether the budget of this day did not suffice for a request.
func (a *Analyzer) BudgetSpent() bool { return a.budget.spentToday() }

// Analyze has the service explain, rank and sum up the detector's result. It does not
// ask the service when there are no anomalies, or when the request is to learn.
//
// A service that fails costs the explanations, not the analysis: the result then has
// a DegradedReason. Analyze returns the fault as an error only where it may pass, the
// task will be tried again, and the breaker is still closed.
//
// Lines that the rules of this package know for instructions to a language model are
// an anomaly of their own, of the category security; they are not sent.
func (a *Analyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	result, err := a.detector.Analyze(ctx, req)
	if err != nil || req.Learn {
		return result, err
	}
	if len(result.Anomalies) > 0 {
		if result, err = a.explain(ctx, req, result); err != nil {
			return domain.AnalysisResult{}, err
		}
	}
	flagInstructions(&result, req.Logs)
	return result, nil
}

// explain has the service explain what the detector found.
func (a *Analyzer) explain(ctx context.Context, req domain.AnalysisRequest, result domain.AnalysisResult) (domain.AnalysisResult, error) {
	limited, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	e := &explanation{
		a: a, caller: ctx, notes: map[string]*note{}, model: a.cfg.Model,
		answerTokens: a.cfg.MaxAnswerTokens, maxItems: maxItems,
		redact: func(s string) string { return s },
	}
	if a.redactor != nil {
		session := a.redactor.Session()
		e.redact, e.redactions = session.Redact, session.Counts
	}
	keys := make([]string, len(result.Anomalies))
	items := make([]item, 0, len(result.Anomalies))
	seen := map[string]bool{}
	for i := range result.Anomalies {
		key := a.cache.noteKey(&result.Anomalies[i])
		if keys[i] = key; !seen[key] {
			seen[key] = true
			items = append(items, item{key: key, anomaly: &result.Anomalies[i]})
		}
	}
	err := e.of(limited, items)
	if ctx.Err() != nil {
		return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", ctx.Err())
	}
	if fault := a.tryAgain(err, req); fault != nil {
		return domain.AnalysisResult{}, fault
	}
	e.mergeInto(ctx, &result, keys, err)
	return result, nil
}

// tryAgain returns the error by which the queue is to run the task again, or nil
// if there is none, or the result is to be given as it is.
func (a *Analyzer) tryAgain(err error, req domain.AnalysisRequest) error {
	var f *failure
	if errors.As(err, &f) && f.final || req.LastAttempt || a.breaker.open() != "" {
		return nil
	}
	var fault *domain.AnalyzerError
	if errors.As(err, &fault) && fault.Retryable() {
		return fault
	}
	return nil
}

// into puts what was said into the detector's result. err is what kept the service
// from saying all, if anything did.
func (e *explanation) mergeInto(ctx context.Context, r *domain.AnalysisResult, keys []string, err error) {
	found := slices.Clone(r.Anomalies)
	relevance := make(map[string]float64, len(found))
	explained, silent := 0, 0
	var causes []string
	for i := range found {
		n := e.notes[keys[i]]
		if n == nil || n.Silent {
			relevance[found[i].ID] = -1 // after those of its severity that are explained
			if n != nil {
				silent++
			}
			continue
		}
		explained++
		relevance[found[i].ID] = n.Relevance
		n.explain(&found[i])
		e.model = cmp.Or(n.Model, e.model)
	}
	slices.SortStableFunc(found, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(relevance[b.ID], relevance[a.ID]), cmp.Compare(b.Score, a.Score))
	})
	for i := range found {
		if c := found[i].Cause; c != "" && !slices.Contains(causes, c) {
			causes = append(causes, c)
		}
	}
	if e.answered || explained > 0 {
		r.Analyzer, r.Model, r.PromptVersion = Name, e.model, PromptVersion
		r.Summary = shorten(e.summary(ctx, r.Summary, keys, causes, err == nil && e.left == 0), maxSummary)
	}
	r.Anomalies, r.Severity = found, found[0].Severity
	cached, usage := e.cached, e.usage
	r.Cache = &cached
	if e.redactions != nil && e.sent > 0 {
		r.Redactions = e.redactions()
	}
	if usage.Calls > 0 {
		r.Usage = &usage
		if !e.a.cfg.Prices.free() {
			r.Cost = &domain.Cost{AmountMicros: int64(e.cost), Currency: e.a.cfg.Prices.Currency}
		}
	}
	r.Warnings = slices.Concat(r.Warnings, e.warnings, e.dropped.warnings())
	if silent > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the AI service said nothing about %d anomalies", silent))
	}
	e.degrade(r, err, explained+silent)
}

// degrade says why the service did not have its part in the result, if it had not.
func (e *explanation) degrade(r *domain.AnalysisResult, err error, handled int) {
	if err == nil && e.left == 0 {
		return
	}
	reason := "there was no room for more in the requests to the AI service"
	var fault *domain.AnalyzerError
	var halt *stop
	switch {
	case errors.As(err, &halt):
		reason = halt.reason
	case errors.As(err, &fault):
		reason = sentence(fault)
	case err != nil:
		reason = err.Error()
	}
	without := len(r.Anomalies) - handled
	if handled == 0 {
		reason += "; analysed by the built-in analyser"
	} else {
		reason += fmt.Sprintf("; %d of %d anomalies are not explained", without, len(r.Anomalies))
	}
	if r.DegradedReason != "" {
		reason = r.DegradedReason + "; " + reason
	}
	r.DegradedReason = reason
	if e.left > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d anomalies, the least severe, did not fit the requests to the AI service and were not sent", e.left))
	}
}

// explain puts the note onto its anomaly. What the service says stays within what the
// detector found: it raises the severity by one step at most and never lowers it,
// and does not take an anomaly out of the category security.
func (n *note) explain(a *domain.Anomaly) {
	a.Source, a.Cause, a.Explanation, a.SuggestedAction = Source, n.Cause, n.Explanation, n.SuggestedAction
	if n.Severity > a.Severity {
		a.Severity++
	}
	if a.Category != domain.CategorySecurity && n.Category != domain.CategoryUnknown {
		a.Category = n.Category
	}
}

// summary is the detector's, which counts, and after it the service's. Where that
// was not asked anew, it is what it said of the same anomalies before, or else the
// causes that it named. Whole is whether the service has now been asked about all.
func (e *explanation) summary(ctx context.Context, detected string, keys, causes []string, whole bool) string {
	set := slices.Clone(keys)
	slices.Sort(set)
	key := e.a.cache.summaryKey(slices.Compact(set))
	said := strings.Join(e.summaries, " ")
	switch {
	case e.answered && said != "":
		if whole {
			e.a.cache.put(ctx, key, []byte(said), e.a.cfg.CacheTTL)
		}
	case whole:
		said = e.a.cache.summary(ctx, key)
	}
	if said == "" && len(causes) > 0 {
		said = "Causes: " + strings.Join(causes[:min(len(causes), 3)], "; ") + "."
	}
	if said == "" {
		return detected
	}
	return strings.TrimSuffix(detected, ".") + ". " + said
}
