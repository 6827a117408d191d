package openai

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Name is what results give as their analyser.
const Name = "openai"

// PromptVersion names the wording of the prompt. It changes with it, so that
// results of different wordings can be told apart.
const PromptVersion = "1"

// Bounds of the configuration.
const (
	DefaultTimeout         = 2 * time.Minute
	DefaultMaxPromptBytes  = 48 << 10
	DefaultMaxAnswerTokens = 8192
	// MinPromptBytes holds the instructions and any one group.
	MinPromptBytes = 6 << 10
)

// Config configures an [Analyzer].
type Config struct {
	// BaseURL is the address of the API, up to and without /chat/completions, such
	// as https://api.openai.com/v1 or http://127.0.0.1:11434/v1. It is required.
	BaseURL string
	// Model is the model's name at the service. It is required.
	Model string
	// APIKey is sent to the host of BaseURL only. None is sent if it is empty, as
	// servers of one's own often need none.
	APIKey Secret
	// Timeout bounds one analysis with all its requests. 0 is DefaultTimeout.
	Timeout time.Duration
	// MaxPromptBytes bounds the messages of a request; a token is about two bytes
	// of log. 0 is DefaultMaxPromptBytes, the least MinPromptBytes.
	MaxPromptBytes int
	// MaxAnswerTokens bounds the answer, thoughts included. 0 is
	// DefaultMaxAnswerTokens.
	MaxAnswerTokens int
}

// validate fills in the defaults and checks the rest. Faults are
// *domain.ValidationErrors, which never show a value: a URL may hold a password.
func (c *Config) validate() error {
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.MaxPromptBytes = cmp.Or(c.MaxPromptBytes, DefaultMaxPromptBytes)
	c.MaxAnswerTokens = cmp.Or(c.MaxAnswerTokens, DefaultMaxAnswerTokens)
	var errs []error
	check := func(ok bool, field, rule string) {
		if !ok {
			errs = append(errs, &domain.ValidationError{Field: field, Rule: rule})
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "",
		"ai-base-url", "must be a URL such as https://api.openai.com/v1")
	check(err != nil || u.User == nil, "ai-base-url", "must not hold a user or password: the key comes from LOGSIFT_AI_API_KEY")
	check(err != nil || u.RawQuery == "" && u.Fragment == "", "ai-base-url", "must not have a query or fragment")
	check(strings.TrimSpace(c.Model) != "", "ai-model", "is needed by the analyzer openai")
	check(c.Timeout > 0, "ai-timeout", "must be positive")
	check(c.MaxPromptBytes >= MinPromptBytes, "ai-max-prompt-bytes", fmt.Sprintf("must be at least %d", MinPromptBytes))
	check(c.MaxAnswerTokens > 0, "ai-max-answer-tokens", "must be positive")
	check(!strings.ContainsFunc(string(c.APIKey), func(r rune) bool { return r <= ' ' || r > '~' }),
		"LOGSIFT_AI_API_KEY", "must be printable ASCII without spaces")
	return errors.Join(errs...)
}

// Analyzer is a ports.LogAnalyzer. It is safe for concurrent use.
type Analyzer struct {
	model           string
	timeout         time.Duration
	maxPromptBytes  int
	maxAnswerTokens int
	client          *client
	// dialect is what the server was found to understand.
	dialect atomic.Pointer[dialect]
}

var _ ports.LogAnalyzer = (*Analyzer)(nil)

// New returns an analyser. It does not call the service. Its errors are
// *domain.ValidationErrors, joined, that name the settings.
func New(cfg Config) (*Analyzer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &Analyzer{
		model: cfg.Model, timeout: cfg.Timeout,
		maxPromptBytes: cfg.MaxPromptBytes, maxAnswerTokens: cfg.MaxAnswerTokens,
		client: newClient(cfg.BaseURL, cfg.APIKey),
	}
	a.dialect.Store(&dialect{format: formatSchema, limit: limitNew})
	return a, nil
}

// Analyze implements ports.LogAnalyzer. Without entries it makes no request.
func (a *Analyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	if err := ctx.Err(); err != nil {
		return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", err)
	}
	if len(req.Logs) == 0 {
		return domain.AnalysisResult{
			Analyzer: Name, SchemaVersion: domain.AnalysisSchemaVersion, Model: a.model, PromptVersion: PromptVersion,
			Anomalies: []domain.Anomaly{}, Summary: "no log lines",
		}, nil
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	result, err := a.analyze(limited, req.Logs)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", ctx.Err())
	case limited.Err() != nil:
		// The context's error is left out: it would look like the caller's.
		return domain.AnalysisResult{}, &domain.AnalyzerError{
			Kind: domain.AnalyzerUnavailable, Message: fmt.Sprintf("the AI service did not answer within %v (ai-timeout)", a.timeout),
		}
	default:
		return domain.AnalysisResult{}, err
	}
}

func (a *Analyzer) analyze(ctx context.Context, logs []domain.LogEntry) (domain.AnalysisResult, error) {
	groups, err := groupLines(ctx, logs)
	if err != nil {
		return domain.AnalysisResult{}, err
	}
	p, answer, usage, err := a.ask(ctx, logs, groups)
	if err != nil {
		return domain.AnalysisResult{}, err
	}
	r := domain.AnalysisResult{
		Analyzer: Name, SchemaVersion: domain.AnalysisSchemaVersion, PromptVersion: PromptVersion,
		Model: cmp.Or(answer.model, a.model), Usage: &usage,
		LogCount: len(logs), AnalysedCount: p.lines, TemplateCount: len(groups), Window: window(logs),
		Summary: answer.summary, Anomalies: anomalies(logs, p.groups, answer.findings), Warnings: answer.warnings,
	}
	if left := len(groups) - len(p.groups); left > 0 {
		r.Truncated = true
		r.DegradedReason = fmt.Sprintf("the prompt holds %d of %d lines", p.lines, len(logs))
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d lines of %d shapes, the least severe, did not fit the prompt and were not analysed", len(logs)-p.lines, left))
	}
	if len(r.Anomalies) > domain.MaxAnomalies {
		r.Anomalies, r.Truncated = r.Anomalies[:domain.MaxAnomalies], true
	}
	if len(r.Anomalies) > 0 {
		r.Severity = r.Anomalies[0].Severity
	}
	r.Summary = cmp.Or(r.Summary, fmt.Sprintf("%d anomalies in %d lines of %d shapes", len(r.Anomalies), p.lines, len(p.groups)))
	return r, nil
}

// ask sends the groups and reads the answer. It asks again, in other words, where
// the server does not understand the request, and with half the prompt where that
// or the answer was too long: repeating the same would not help.
func (a *Analyzer) ask(ctx context.Context, logs []domain.LogEntry, groups []*group) (prompt, *answer, domain.Usage, error) {
	var usage domain.Usage
	p := newPrompt(logs, groups, a.maxPromptBytes)
	for {
		d := a.dialect.Load()
		reply, err := a.client.post(ctx, a.request(p, *d))
		if err != nil {
			return p, nil, usage, err
		}
		if !reply.ok() {
			fault := reply.apiError()
			if next, ok := d.without(reply.status, fault); ok {
				// If another call was faster, its finding is tried first.
				a.dialect.CompareAndSwap(d, &next)
				continue
			}
			err = a.client.refusal(reply, fault, p.data)
		} else {
			var ans *answer
			if ans, err = readAnswer(reply.body, p, &usage); err == nil {
				return p, ans, usage, nil
			}
		}
		var fault *domain.AnalyzerError
		half := p.size() / 2
		if !errors.As(err, &fault) || fault.Kind != domain.AnalyzerTooLarge || half < MinPromptBytes {
			return p, nil, usage, err
		}
		p = newPrompt(logs, groups, half)
	}
}

// window is the span of the times that the entries claim.
func window(logs []domain.LogEntry) (w domain.TimeWindow) {
	for i := range logs {
		w.From, w.To = widen(w.From, w.To, logs[i].Timestamp)
	}
	return w
}

func widen(from, to, t time.Time) (time.Time, time.Time) {
	if t.IsZero() {
		return from, to
	}
	if from.IsZero() || t.Before(from) {
		from = t
	}
	if t.After(to) {
		to = t
	}
	return from, to
}

// maxServices bounds the sources that an anomaly names.
const maxServices = 20

// anomalies makes what the service found into anomalies, the most severe first.
// Whatever names an entry comes from the entries themselves.
func anomalies(logs []domain.LogEntry, groups []*group, findings []finding) []domain.Anomaly {
	out := make([]domain.Anomaly, 0, len(findings))
	for _, f := range findings {
		var lines []int32
		var templates []string
		for _, n := range f.Groups {
			g := groups[n-1]
			lines = append(lines, g.lines...)
			templates = append(templates, g.template)
		}
		slices.Sort(lines)
		a := domain.Anomaly{
			Kind: f.Kind, Category: f.Category, Severity: f.severity, Score: *f.Score, Confidence: *f.Confidence,
			Template: templates[0], TemplateID: shortHash("template", templates[0]),
			Count: len(lines), LogIDs: []domain.LogID{}, SampleLines: []string{}, Source: "llm",
			Evidence:    fmt.Sprintf("%d of %d lines, of %d shapes", len(lines), len(logs), len(templates)),
			Explanation: f.Explanation, SuggestedAction: f.SuggestedAction,
		}
		for _, line := range lines {
			e := &logs[line]
			if len(a.LogIDs) < domain.MaxAnomalyLogIDs {
				a.LogIDs = append(a.LogIDs, e.ID)
			}
			if len(a.SampleLines) < domain.MaxAnomalySamples {
				a.SampleLines = append(a.SampleLines, clean(e.Message, domain.MaxSampleLine))
			}
			if e.Source != "" && len(a.Services) < maxServices && !slices.Contains(a.Services, e.Source) {
				a.Services = append(a.Services, e.Source)
			}
			a.FirstSeen, a.LastSeen = widen(a.FirstSeen, a.LastSeen, e.Timestamp)
		}
		slices.Sort(templates)
		a.ID = shortHash(append([]string{a.Source, string(a.Kind)}, templates...)...)
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	// An answer may say the same twice; the more severe is kept.
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(a domain.Anomaly) bool {
		again := seen[a.ID]
		seen[a.ID] = true
		return again
	})
}

// shortHash is a stable name for what is unusual.
func shortHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
