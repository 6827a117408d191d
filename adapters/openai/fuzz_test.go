package openai

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzReadCompletion checks that any body is read, with a usage that a budget can
// count.
func FuzzReadCompletion(f *testing.F) {
	for _, seed := range []string{
		``, `[]`, `{"choices":[]}`, `<html>`, `{"error":{"code":429,"message":"m"}}`, `{"error":"x"}`,
		`{"model":"m","choices":[{"finish_reason":"stop","message":{"content":"{}"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`,
		`{"choices":[{"finish_reason":"length","message":{}}],"usage":{"prompt_tokens":9e18,"completion_tokens":-5}}`,
		`{"choices":[{"message":{"refusal":"no"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	c := newClient("http://127.0.0.1", "", time.Now)
	prices := Prices{Input: maxPrice, Output: maxPrice}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &reply{status: http.StatusOK, header: http.Header{}, body: body}
		got, failed := c.readCompletion(r, prompt{user: "user"}, func(bytes int) int { return bytes })
		u := got.usage
		require.GreaterOrEqual(t, min(u.PromptTokens, u.CompletionTokens, u.CachedTokens, u.ReasoningTokens), 0)
		require.GreaterOrEqual(t, prices.cost(u), Micros(0))
		requireClean(t, got.model, maxModel)
		if failed == nil {
			require.NotEmpty(t, strings.TrimSpace(got.content))
			require.Equal(t, 1, u.Calls)
		}
	})
}

// FuzzReadAnswer checks that a model's text is refused as such, or gives findings
// that keep to the schema and name anomalies that were sent, each once.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"findings":[]}`, `{"findings":null}`, "<think>{</think>```json\n{\"summary\":\"s\",\"findings\":[]}\n```",
		`{"findings":[{"anomalies":[3,1,1,-1,99],"cause":"c","category":"x","severity":"high","relevance":0.5,"explanation":"\u001b[1me\u202e","suggested_action":"","log_ids":[1]}]}`,
		`{"findings":[{"anomalies":[1],"severity":"high","relevance":1e999},{"anomalies":[1],"severity":"high","relevance":1,"explanation":"e"},{"anomalies":[1],"severity":"low","relevance":0,"explanation":"e"}]}`,
	} {
		f.Add(seed)
	}
	const sent = 3
	f.Fuzz(func(t *testing.T, content string) {
		got, failed := readAnswer(content, sent)
		if failed != nil {
			require.Equal(t, domain.AnalyzerBadAnswer, failed.fault.Kind)
			return
		}
		requireClean(t, got.summary, maxSummary)
		named := map[int]bool{}
		for _, finding := range got.findings {
			require.NotEmpty(t, finding.Anomalies)
			for _, n := range finding.Anomalies {
				require.True(t, n >= 1 && n <= sent && !named[n], "anomalies %v", finding.Anomalies)
				named[n] = true
			}
			require.True(t, *finding.Relevance >= 0 && *finding.Relevance <= 1)
			require.True(t, finding.severity.Valid())
			require.Contains(t, categories, finding.Category)
			require.NotEmpty(t, finding.Explanation)
			requireClean(t, finding.Cause, maxCause)
			requireClean(t, finding.Explanation, maxExplanation)
			requireClean(t, finding.SuggestedAction, maxAction)
		}
	})
}

// requireClean checks what clean promises.
func requireClean(t *testing.T, text string, limit int) {
	t.Helper()
	require.LessOrEqual(t, len(text), limit)
	require.True(t, utf8.ValidString(text), "%q", text)
	require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
}

// FuzzRetryAfter checks that whatever a server asks for is a wait that is bounded.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "1", "1.5", "-1", "NaN", "+Inf", "1e999", "0x1p-2", "Mon, 02 Jan 2006 15:04:05 GMT", "soon"} {
		f.Add(seed, "", "Mon, 02 Jan 2006 15:04:00 GMT")
		f.Add("", seed, "")
	}
	f.Fuzz(func(t *testing.T, seconds, milliseconds, date string) {
		h := http.Header{"Retry-After": {seconds}, "Retry-After-Ms": {milliseconds}, "Date": {date}}
		c := newClient("http://127.0.0.1", "", time.Now)
		wait := c.retryAfter(&reply{status: http.StatusTooManyRequests, header: h})
		require.True(t, wait >= 0 && wait <= maxRetryAfter, wait)
	})
}

// FuzzRefusal checks that what a server says of a failure quotes neither the key
// nor the logs.
func FuzzRefusal(f *testing.F) {
	const key, data = "sk-0123456789abcdef", `[{"template":"user 4711 logged in from 10.0.0.1"}]`
	for _, seed := range []string{
		``, `{"error":{"message":"m","type":"t","code":429,"param":null}}`, `{"error":"m"}`, `{"message":"bad key ` + key + `"}`,
		`{"detail":[{"loc":["body",0],"msg":"m"}]}`, `{"detail":"user 4711 logged in"}`, `{"error":{"code":"` + key + `"}}`, `[]`, `{"error":[1]}`,
	} {
		for _, status := range []int{300, 400, 401, 404, 413, 429, 500} {
			f.Add(status, []byte(seed))
		}
	}
	f.Add(400, []byte(`{"error":"4711 logged"}`))
	c := newClient("http://127.0.0.1", key, time.Now)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := &reply{status: status, header: http.Header{}, body: body}
		if r.ok() {
			return
		}
		err := c.refusal(r, readError(r.body), data).fault
		require.NotEmpty(t, err.Kind)
		require.NotContains(t, err.Error(), key)
		// Our own words stand before the server's, so that a blank of ours may come
		// before what is too short to be a quotation.
		_, told, _ := strings.Cut(err.Message, ": ")
		for i := 0; i+minEcho <= len(data); i++ {
			require.NotContains(t, told, data[i:i+minEcho])
		}
	})
}

// FuzzOutgoing checks that what is sent of a text is clean, bounded, and holds
// nothing of what is to be hidden.
func FuzzOutgoing(f *testing.F) {
	f.Add("job 1 failed SECRET \x1b[1mred\x1b[0m", 40)
	f.Add("SEC\u200bRET "+strings.Repeat("é ", 300)+"SECRET", 100)
	f.Add(strings.Repeat("x", 490)+" SECRE", 512)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 8), 4096)
		got := outgoing(text, func(s string) string { return strings.ReplaceAll(s, "SECRET", "<s>") }, limit)
		requireClean(t, got, limit)
		require.NotContains(t, got, "SECRET")
	})
}
