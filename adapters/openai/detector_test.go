package openai_test

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// detector is a small detector: lines of one shape that call themselves warnings
// or worse are an anomaly.
type detector struct{}

var number = regexp.MustCompile(`[0-9]+`)

func (detector) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	if err := ctx.Err(); err != nil {
		return domain.AnalysisResult{}, fmt.Errorf("detect: %w", err)
	}
	r := domain.AnalysisResult{
		Analyzer: "builtin", SchemaVersion: domain.AnalysisSchemaVersion, Anomalies: []domain.Anomaly{},
		LogCount: len(req.Logs), AnalysedCount: len(req.Logs),
	}
	if req.Learn {
		r.Summary = "learned"
		return r, nil
	}
	severities := map[domain.LogLevel]domain.Severity{
		domain.LogLevelWarn: domain.SeverityMedium, domain.LogLevelError: domain.SeverityHigh, domain.LogLevelFatal: domain.SeverityCritical,
	}
	byID := map[string]int{}
	for i := range req.Logs {
		e := &req.Logs[i]
		severity, ok := severities[e.Level]
		if !ok {
			continue
		}
		text := printable(e.Message, domain.MaxAnomalyTemplate)
		template := number.ReplaceAllString(text, "<*>")
		id := fmt.Sprintf("%x", e.Source+"|"+template)
		at, ok := byID[id]
		if !ok {
			at = len(r.Anomalies)
			byID[id] = at
			r.Anomalies = append(r.Anomalies, domain.Anomaly{
				ID: id, Kind: domain.AnomalyErrorBurst, Category: domain.CategoryUnknown, Severity: severity, Confidence: 0.5,
				Template: printable(template, domain.MaxAnomalyTemplate), LogIDs: []domain.LogID{}, SampleLines: []string{}, Evidence: "it calls itself " + e.Level.String(),
				FirstSeen: e.Timestamp, Source: "local",
			})
		}
		a := &r.Anomalies[at]
		a.Count++
		a.LastSeen = e.Timestamp
		a.Score = 1 / float64(a.Count)
		if len(a.LogIDs) < domain.MaxAnomalyLogIDs {
			a.LogIDs = append(a.LogIDs, e.ID)
		}
		if len(a.SampleLines) < domain.MaxAnomalySamples {
			a.SampleLines = append(a.SampleLines, printable(e.Message, domain.MaxSampleLine))
		}
		if e.Source != "" && !slices.Contains(a.Services, e.Source) {
			a.Services = append(a.Services, e.Source)
		}
	}
	slices.SortStableFunc(r.Anomalies, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Score, a.Score))
	})
	r.Anomalies = r.Anomalies[:min(len(r.Anomalies), domain.MaxAnomalies)]
	if len(r.Anomalies) > 0 {
		r.Severity = r.Anomalies[0].Severity
	}
	r.TemplateCount = len(byID)
	r.Summary = fmt.Sprintf("%d anomalies in %d lines", len(r.Anomalies), len(req.Logs))
	return r, nil
}

// detectorFunc is a detector made of a function.
type detectorFunc func(context.Context, domain.AnalysisRequest) (domain.AnalysisResult, error)

func (f detectorFunc) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	return f(ctx, req)
}

// printable cuts at limit bytes, and takes control characters out.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	for len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// states is a store of documents that can fail, and knows their keys.
type states struct {
	ports.DocumentStore

	mu   sync.Mutex
	keys map[string]bool
	// fails is what every call returns, nil for none.
	fails error
}

func newStates(now func() time.Time) *states {
	return &states{DocumentStore: memstore.NewLogRepository(memstore.Config{Now: now}), keys: map[string]bool{}}
}

func (s *states) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return nil, s.fails
	}
	return s.DocumentStore.LoadDocuments(ctx, keys...)
}

func (s *states) SaveDocument(ctx context.Context, state domain.Document, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return 0, s.fails
	}
	s.keys[state.Key] = true
	return s.DocumentStore.SaveDocument(ctx, state, ttl)
}

// with returns the documents whose keys begin so.
func (s *states) with(t *testing.T, prefix string) []domain.Document {
	t.Helper()
	var out []domain.Document
	for key := range s.keys {
		if strings.HasPrefix(key, prefix) {
			docs, err := s.DocumentStore.LoadDocuments(t.Context(), key)
			require.NoError(t, err)
			out = append(out, docs...)
		}
	}
	return slices.DeleteFunc(out, func(d domain.Document) bool { return d.Revision == 0 })
}

// overwrite puts data in the place of all that begins so.
func (s *states) overwrite(t *testing.T, prefix, data string) {
	t.Helper()
	for _, d := range s.with(t, prefix) {
		d.Data = []byte(data)
		_, err := s.DocumentStore.SaveDocument(t.Context(), d, time.Hour)
		require.NoError(t, err)
	}
}

// fail lets every call fail from now on, or none.
func (s *states) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: begin} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
