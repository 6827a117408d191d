package openai_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

// question is one request as a server sees it.
type question struct {
	header http.Header
	method string
	path   string
	body   string

	Model    string
	Messages []struct{ Role, Content string }
	// Fields that a server may refuse are nil where they were not sent.
	MaxTokens           *int `json:"max_tokens"`
	MaxCompletionTokens *int `json:"max_completion_tokens"`
	Temperature         *float64
	ResponseFormat      *struct {
		Type       string
		JSONSchema struct {
			Name   string
			Strict bool
			Schema map[string]any
		} `json:"json_schema"`
	} `json:"response_format"`
}

// sentAnomaly is one element of the data.
type sentAnomaly struct {
	Anomaly, Count           int
	Kind, Severity, Category string
	First, Last              string
	Template, Evidence       string
	Services, Samples        []string
}

// anomalies reads the data between the marks, as a service that obeys the prompt.
func (q question) anomalies() ([]sentAnomaly, error) {
	if len(q.Messages) != 2 || q.Messages[0].Role != "system" || q.Messages[1].Role != "user" {
		return nil, fmt.Errorf("not a system and a user message")
	}
	user := q.Messages[1].Content
	intro, rest, _ := strings.Cut(user, "\n")
	mark := intro[strings.Index(intro, "==="):]
	_, rest, _ = strings.Cut(rest, mark+"\n")
	data, _, ok := strings.Cut(rest, "\n"+mark+"\n")
	if !ok {
		return nil, fmt.Errorf("no data between marks")
	}
	var out []sentAnomaly
	return out, json.Unmarshal([]byte(data), &out)
}

// server is a fake AI service that records what it was asked.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []question
}

func (s *server) questions() []question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]question(nil), s.asked...)
}

// formats are the forms of answer that were asked for.
func (s *server) formats() []string {
	var out []string
	for _, q := range s.questions() {
		format := ""
		if q.ResponseFormat != nil {
			format = q.ResponseFormat.Type
		}
		out = append(out, format)
	}
	return out
}

// sizes are how many anomalies each request held.
func (s *server) sizes() []int {
	var out []int
	for _, q := range s.questions() {
		anomalies, err := q.anomalies()
		if err != nil {
			return nil
		}
		out = append(out, len(anomalies))
	}
	return out
}

// serve starts a fake service that answers each question by answer.
func serve(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, q question)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := question{header: r.Header, method: r.Method, path: r.URL.Path, body: string(body)}
		if err := json.Unmarshal(body, &q); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, q)
		s.mu.Unlock()
		answer(w, r, q)
	}))
	t.Cleanup(s.Close)
	return s
}

// replies starts a service that always answers with the same.
func replies(t *testing.T, status int, body string, header ...string) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		reply(w, status, body, header...)
	})
}

func reply(w http.ResponseWriter, status int, body string, header ...string) {
	w.Header().Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// says makes a chat completion with the given text.
func says(content string) string {
	return fmt.Sprintf(`{"model":"m-1","choices":[{"finish_reason":"stop","message":{"content":%s}}],
		"usage":{"prompt_tokens":1500,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":7},"completion_tokens_details":{"reasoning_tokens":5}}}`, quote(content))
}

func quote(s string) string {
	out, _ := json.Marshal(s)
	return string(out)
}

// finding makes one finding of an answer.
func finding(severity string, anomalies ...int) string {
	list, _ := json.Marshal(append([]int{}, anomalies...))
	return fmt.Sprintf(`{"anomalies":%s,"cause":"c","explanation":"e","suggested_action":"a","category":"crash","severity":%q,"relevance":0.9}`, list, severity)
}

// found makes the text of an answer.
func found(findings ...string) string {
	return `{"summary":"s","findings":[` + strings.Join(findings, ",") + `]}`
}

// world is what an analyser of a test works in.
type world struct {
	clock  *clock
	states *states
	cfg    openai.Config

	mu sync.Mutex
	// waits are those before repetitions, which take no time.
	waits []time.Duration
}

func newWorld(url string) *world {
	w := &world{clock: newClock()}
	w.states = newStates(w.clock.now)
	w.cfg = openai.Config{BaseURL: url + "/v1/", Model: "m", APIKey: "sk-secret-key", Now: w.clock.now}
	return w
}

// analyzer makes an analyser, as one process of those that share the world.
func (w *world) analyzer(t *testing.T) *openai.Analyzer {
	t.Helper()
	a, err := openai.New(detector{}, w.states, w.cfg)
	require.NoError(t, err)
	a.SetSleep(func(ctx context.Context, d time.Duration) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waits = append(w.waits, d)
		return ctx.Err()
	})
	return a
}

func (w *world) waited() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.waits...)
}

// analyzer makes an analyser that asks s.
func analyzer(t *testing.T, s *server, change ...func(*openai.Config)) *openai.Analyzer {
	t.Helper()
	w := newWorld(s.URL)
	for _, f := range change {
		f(&w.cfg)
	}
	return w.analyzer(t)
}

// begin is the time of the first of the test's lines.
var begin = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// entries makes an entry of each line, an error, a second apart.
func entries(lines ...string) []domain.LogEntry {
	out := make([]domain.LogEntry, len(lines))
	for i, line := range lines {
		out[i] = domain.LogEntry{ID: uuid.New(), Source: "app", Message: line, Level: domain.LogLevelError, Timestamp: begin.Add(time.Duration(i) * time.Second)}
	}
	return out
}

func analyze(t *testing.T, a *openai.Analyzer, logs []domain.LogEntry) (domain.AnalysisResult, error) {
	t.Helper()
	return a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs})
}

// last is analyze for a task that will not be tried again.
func last(t *testing.T, a *openai.Analyzer, logs []domain.LogEntry) domain.AnalysisResult {
	t.Helper()
	r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs, LastAttempt: true})
	require.NoError(t, err)
	return r
}

// degraded returns the reason why the detector's result is all that there is.
func degraded(t *testing.T, r domain.AnalysisResult, err error) string {
	t.Helper()
	require.NoError(t, err)
	require.NotEmpty(t, r.Anomalies, "an AI service that fails costs no anomalies")
	require.Equal(t, "builtin", r.Analyzer)
	require.NotEmpty(t, r.Summary)
	for _, a := range r.Anomalies {
		require.Equal(t, "local", a.Source)
		require.Empty(t, a.Explanation)
	}
	require.Contains(t, r.DegradedReason, "; analysed by the built-in analyser")
	return r.DegradedReason
}

// fault returns the *domain.AnalyzerError that the service's answer leads to.
func fault(t *testing.T, a *openai.Analyzer, logs []domain.LogEntry) *domain.AnalyzerError {
	t.Helper()
	_, err := analyze(t, a, logs)
	var out *domain.AnalyzerError
	require.ErrorAs(t, err, &out)
	return out
}
