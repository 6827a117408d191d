package openai_test

import (
	"context"
	"encoding/json"
	"fmt"
	"index/suffixarray"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/adapters/openai/redact/redacttest"
	"logsift/domain"
)

// plantsAtOnce keeps to what one analysis sends.
const plantsAtOnce = 100

// digitWord is a word with a digit in it, as template miners mask it: words end at
// white space and at the punctuation of lists, assignments and quotes.
var digitWord = regexp.MustCompile("[^\\s=:,()\\[\\]{}\"'`;|<>#@&?!]*[0-9][^\\s=:,()\\[\\]{}\"'`;|<>#@&?!]*")

// wordwise is a detector to which each entry is an anomaly. It shows lines as the
// built-in analyser does: on one line, control characters replaced, cut.
func wordwise(_ context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	r := domain.AnalysisResult{Analyzer: "builtin", LogCount: len(req.Logs), Summary: "found"}
	for _, e := range req.Logs {
		line := strings.Map(func(c rune) rune {
			switch {
			case c == '\n' || c == '\t':
				return ' '
			case c < ' ':
				return '\uFFFD'
			}
			return c
		}, e.Message)
		r.Anomalies = append(r.Anomalies, domain.Anomaly{
			ID: e.ID.String(), Kind: domain.AnomalyRareTemplate, Severity: domain.SeverityLow, Count: 1, LogIDs: []domain.LogID{e.ID},
			Template: shape(e.ID) + " " + printable(digitWord.ReplaceAllString(line, "<*>"), domain.MaxAnomalyTemplate), SampleLines: []string{printable(line, domain.MaxSampleLine)},
			Services: []string{e.Source}, Evidence: "seen once: " + printable(line, 200), Source: "local",
		})
	}
	return r, nil
}

// shape makes a word of letters of an id: what is said of a template is asked once
// only, and each line is to be sent.
func shape(id domain.LogID) string {
	return strings.Map(func(c rune) rune { return 'g' + c%16 }, id.String())
}

// sendPlants analyses logs with all planted secrets, and returns everything that
// the service received: request lines, headers and bodies.
func sendPlants(t *testing.T, mode openai.RedactMode) (received []string, s *server, redactions map[string]int) {
	t.Helper()
	s = serve(t, plausible)
	w := newWorld(s.URL)
	w.cfg.Redact = mode
	a, err := openai.New(detectorFunc(wordwise), w.states, w.cfg)
	require.NoError(t, err)
	redactions = map[string]int{}
	for batch := range slices.Chunk(redacttest.Corpus(1), plantsAtOnce) {
		var logs []domain.LogEntry
		for i, p := range batch {
			e := entries(p.Text)
			e[0].Source = fmt.Sprintf("app%d", i)
			if p.Class == "email" || p.Class == "github_token" {
				e[0].Source = p.Text // a source may hold a secret as well
			}
			logs = append(logs, e...)
		}
		req := domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs}
		r, err := a.Analyze(t.Context(), req)
		require.NoError(t, err)
		for class, n := range r.Redactions {
			redactions[class] += n
		}
		for _, q := range s.questions() {
			require.NotContains(t, q.body, req.TaskID.String())
			require.NotContains(t, q.body, logs[0].ID.String())
		}
	}
	for _, q := range s.questions() {
		var all strings.Builder
		fmt.Fprintln(&all, q.method, q.path)
		for name, values := range q.header {
			fmt.Fprintln(&all, name, values)
		}
		received = append(received, all.String()+q.body)
	}
	return received, s, redactions
}

// visible returns the plants of which a secret can be read in what was received.
func visible(received []string) (out []string) {
	index := suffixarray.New([]byte(strings.Join(received, "\n")))
	contains := func(part string) bool { return index.Lookup([]byte(part), 1) != nil }
	for _, p := range redacttest.Corpus(1) {
		if slices.ContainsFunc(p.Secrets, func(secret string) bool { return redacttest.VisibleBy(contains, secret) }) {
			out = append(out, p.Class+" ("+p.Form+"): "+p.Text)
		}
	}
	return out
}

func TestTheServiceReceivesNoPlantedSecret(t *testing.T) {
	t.Parallel()
	received, s, redactions := sendPlants(t, openai.RedactAlways)
	require.Greater(t, len(received), 5)
	leaked := visible(received)
	t.Logf("%d secrets planted, %d bytes received in %d requests, %d secrets in them", len(redacttest.Corpus(1)), len(strings.Join(received, "")), len(received), len(leaked))
	require.Empty(t, leaked, "%s", strings.Join(leaked, "\n"))
	require.Greater(t, len(redactions), 25, "redactions are counted by class: %v", redactions)

	for _, q := range s.questions() {
		headers := slices.Sorted(maps.Keys(q.header))
		require.Equal(t, []string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent"}, headers)
		require.Equal(t, "logsift", q.header.Get("User-Agent"), "neither version nor machine")
		require.Equal(t, http.MethodPost+" /v1/chat/completions", q.method+" "+q.path)
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(q.body), &fields))
		require.Subset(t, []string{"model", "messages", "response_format", "max_tokens", "temperature"}, slices.Collect(maps.Keys(fields)), "no user, no metadata, no tools")
		require.Len(t, q.Messages, 2)
	}
}

// The test above can fail: without redaction most secrets are received.
func TestPlantedSecretsAreReceivedWithoutRedaction(t *testing.T) {
	t.Parallel()
	received, _, redactions := sendPlants(t, openai.RedactNever)
	require.Greater(t, len(visible(received)), len(redacttest.Corpus(1))*8/10)
	require.Empty(t, redactions)
}
