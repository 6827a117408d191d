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

// FuzzReadAnswer checks that an answer is refused as such, or gives findings that
// keep to the schema and name groups that were sent.
func FuzzReadAnswer(f *testing.F) {
	content := func(s string) []byte {
		return []byte(`{"model":"m","choices":[{"finish_reason":"stop","message":{"content":` + encode(s) + `}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}
	for _, seed := range []string{
		``, `{}`, `{"anomalies":[]}`, `{"anomalies":null}`, "<think>{</think>```json\n{\"summary\":\"s\",\"anomalies\":[]}\n```",
		`{"anomalies":[{"groups":[3,1,1,-1,99],"kind":"error","category":"x","severity":"high","score":0.5,"confidence":1,"explanation":"\u001b[1me\u202e","suggested_action":""}]}`,
		`{"anomalies":[{"groups":[1],"kind":"error","severity":"high","score":1e999,"confidence":2}]}`,
	} {
		f.Add(content(seed))
	}
	f.Add([]byte(`{"choices":[{"message":{"refusal":"no"}}]}`))
	f.Add([]byte(`{"choices":[{"finish_reason":"length","message":{}}],"usage":{"prompt_tokens":-1}}`))
	f.Add([]byte(`[]`))
	sent := prompt{groups: make([]*group, 3), user: "user"}
	f.Fuzz(func(t *testing.T, body []byte) {
		var usage domain.Usage
		got, err := readAnswer(body, sent, &usage)
		require.Equal(t, 1, usage.Calls)
		require.GreaterOrEqual(t, min(usage.PromptTokens, usage.CompletionTokens, usage.CachedTokens, usage.ReasoningTokens), 0)
		if err != nil {
			var known *domain.AnalyzerError
			require.ErrorAs(t, err, &known)
			return
		}
		requireClean(t, got.summary, maxSummary)
		requireClean(t, got.model, maxModel)
		for _, finding := range got.findings {
			require.NotEmpty(t, finding.Groups)
			for i, n := range finding.Groups {
				require.True(t, n >= 1 && n <= len(sent.groups) && (i == 0 || finding.Groups[i-1] < n), "groups %v", finding.Groups)
			}
			require.True(t, *finding.Score >= 0 && *finding.Score <= 1 && *finding.Confidence >= 0 && *finding.Confidence <= 1)
			require.Contains(t, categories, finding.Category)
			require.Contains(t, kinds, finding.Kind)
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
		wait := retryAfter(h)
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
	c := newClient("http://127.0.0.1", key)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := &reply{status: status, header: http.Header{}, body: body}
		if r.ok() {
			return
		}
		err := c.refusal(r, r.apiError(), data)
		require.NotEmpty(t, err.Kind)
		require.NotContains(t, err.Error(), key)
		for i := 0; i+minEcho <= len(data); i++ {
			require.NotContains(t, err.Message, data[i:i+minEcho])
		}
	})
}

// FuzzGroupLines checks that each line is in one group, whose template is clean.
func FuzzGroupLines(f *testing.F) {
	f.Add("job 1 failed\njob 2 failed\n\x1b[1mred\x1b[0m")
	f.Add("deadbeefdeadbeef-0000 \xff\u202e\n\n" + strings.Repeat("é1 ", 3000))
	f.Fuzz(func(t *testing.T, text string) {
		var logs []domain.LogEntry
		for line := range strings.SplitSeq(text, "\n") {
			logs = append(logs, domain.LogEntry{Message: line, ReceivedAt: time.Unix(1, 0)})
		}
		groups, err := groupLines(t.Context(), logs)
		require.NoError(t, err)
		lines := 0
		for _, g := range groups {
			requireClean(t, g.template, domain.MaxAnomalyTemplate)
			require.NotEmpty(t, g.lines)
			lines += len(g.lines)
		}
		require.Len(t, logs, lines)
		p := newPrompt(logs, groups, len(system)+1000)
		require.LessOrEqual(t, len(p.groups), len(groups))
	})
}
