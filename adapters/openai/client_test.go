package openai_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

func TestAStatusSaysWhatBecomesOfTheTask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		kind   domain.AnalyzerErrorKind
		says   string
	}{
		"wrong key":             {401, `{"error":{"message":"Incorrect API key provided: sk-sec**-key"}}`, domain.AnalyzerMisconfigured, "LOGSIFT_AI_API_KEY"},
		"forbidden":             {403, `{}`, domain.AnalyzerMisconfigured, "LOGSIFT_AI_API_KEY"},
		"unknown model":         {404, `{"error":{"message":"The model m does not exist","code":"model_not_found"}}`, domain.AnalyzerMisconfigured, "The model m does not exist"},
		"unknown model, as 400": {400, `{"error":{"message":"no such model","code":"model_not_found"}}`, domain.AnalyzerMisconfigured, "ai-model"},
		"not an API":            {405, `<html>`, domain.AnalyzerMisconfigured, "ai-base-url"},
		"rate limit":            {429, `{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}`, domain.AnalyzerRateLimited, "Slow down"},
		"no quota":              {429, `{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}`, domain.AnalyzerQuota, "quota"},
		"billing limit":         {429, `{"error":{"code":"billing_hard_limit_reached"}}`, domain.AnalyzerQuota, "billing_hard_limit_reached"},
		"payment":               {402, `{"error":{"message":"Insufficient Balance","code":402}}`, domain.AnalyzerQuota, "Insufficient Balance"},
		"more than the limit":   {429, `{"error":{"message":"Request too large for m on tokens per min"}}`, domain.AnalyzerTooLarge, "too long"},
		"request timed out":     {408, ``, domain.AnalyzerUnavailable, ""},
		"conflict":              {409, ``, domain.AnalyzerUnavailable, ""},
		"server error":          {500, `{"error":{"message":"The server had an error"}}`, domain.AnalyzerUnavailable, "The server had an error"},
		"bad gateway":           {502, `<html><title>502 Bad Gateway</title></html>`, domain.AnalyzerUnavailable, "not available"},
		"overloaded":            {503, `{"error":"server busy, please try again"}`, domain.AnalyzerUnavailable, "server busy"},
		"gateway time-out":      {504, ``, domain.AnalyzerUnavailable, ""},
		"overloaded too":        {529, ``, domain.AnalyzerUnavailable, ""},
		"body too large":        {413, ``, domain.AnalyzerTooLarge, "too long"},
		"context, OpenAI":       {400, `{"error":{"message":"too many tokens","code":"context_length_exceeded"}}`, domain.AnalyzerTooLarge, "too many tokens"},
		"context, llama.cpp":    {400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, domain.AnalyzerTooLarge, "context size"},
		"context, vLLM":         {400, `{"object":"error","message":"This model's maximum context length is 4096","code":400}`, domain.AnalyzerTooLarge, "4096"},
		"policy":                {400, `{"error":{"message":"flagged","code":"content_policy_violation"}}`, domain.AnalyzerRefused, "flagged"},
		"other field":           {422, `{"detail":[{"loc":["body","messages"],"msg":"too short"}]}`, domain.AnalyzerRefused, "too short"},
		"detail":                {400, `{"detail":"not today"}`, domain.AnalyzerRefused, "not today"},
		"teapot":                {418, `{"error":{"message":null}}`, domain.AnalyzerRefused, "refuses the request"},
		"legal":                 {451, `[]`, domain.AnalyzerRefused, ""},
		"long message":          {400, `{"error":{"message":` + quote(strings.Repeat("\x1b[31mö", 10_000)) + `}}`, domain.AnalyzerRefused, "öö"},
		"a message of any type": {500, `{"error":{"message":{"a":1},"code":{"b":2},"param":3}}`, domain.AnalyzerUnavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, c.status, c.body)
			err := fault(t, analyzer(t, s), entries("x"))
			require.Equal(t, c.kind, err.Kind, "%v", err)
			require.Equal(t, c.status, err.StatusCode)
			require.Contains(t, err.Error(), c.says)
			require.NotContains(t, err.Error(), "sk-sec")
			require.NotContains(t, err.Error(), "\x1b")
			require.Less(t, len(err.Message), 400)
			require.Len(t, s.questions(), 1, "the queue repeats, not this")
		})
	}
}

func TestErrorsQuoteNeitherKeyNorLogs(t *testing.T) {
	t.Parallel()
	const line = "patient Jane Doe paged her doctor"
	for name, message := range map[string]string{
		"the key":          "bad header Bearer sk-secret-key",
		"a line":           "cannot parse: " + line,
		"a part of a line": "near 'Jane Doe paged'",
	} {
		for _, status := range []int{400, 401, 404, 422, 429, 500} {
			body := `{"error":{"message":` + quote(message) + `,"code":"the_code"}}`
			err := fault(t, analyzer(t, replies(t, status, body)), entries(line))
			require.NotContains(t, err.Error(), "sk-secret-key", name)
			require.NotContains(t, err.Error(), "Jane", name)
			if status != 401 {
				require.Contains(t, err.Error(), "the_code", "what is harmless is shown")
			}
			require.NoError(t, errors.Unwrap(err))
		}
	}
}

func TestTheServiceSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	const now = "Fri, 01 May 2026 12:00:00 GMT"
	for name, c := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"none":                     {nil, 0},
		"seconds":                  {[]string{"Retry-After", "20"}, 20 * time.Second},
		"a fraction":               {[]string{"Retry-After", "0.25"}, 250 * time.Millisecond},
		"milliseconds":             {[]string{"Retry-After-Ms", "1500"}, 1500 * time.Millisecond},
		"milliseconds win":         {[]string{"Retry-After", "20", "Retry-After-Ms", "1500"}, 1500 * time.Millisecond},
		"seconds if those are not": {[]string{"Retry-After", "20", "Retry-After-Ms", "soon"}, 20 * time.Second},
		"a date":                   {[]string{"Retry-After", "Fri, 01 May 2026 12:01:30 GMT", "Date", now}, 90 * time.Second},
		"a date that has passed":   {[]string{"Retry-After", "Fri, 01 May 2026 11:59:00 GMT", "Date", now}, 0},
		"a date far off":           {[]string{"Retry-After", "Fri, 01 May 2099 12:00:00 GMT", "Date", now}, time.Hour},
		"far too long":             {[]string{"Retry-After", "1e300"}, time.Hour},
		"for ever":                 {[]string{"Retry-After", "+Inf"}, time.Hour},
		"no number":                {[]string{"Retry-After", "NaN"}, 0},
		"the past":                 {[]string{"Retry-After", "-5"}, 0},
		"nonsense":                 {[]string{"Retry-After", "soon"}, 0},
	} {
		for status, kind := range map[int]domain.AnalyzerErrorKind{429: domain.AnalyzerRateLimited, 503: domain.AnalyzerUnavailable, 408: domain.AnalyzerUnavailable} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				err := fault(t, analyzer(t, replies(t, status, `{}`, c.header...)), entries("x"))
				require.Equal(t, kind, err.Kind)
				require.Equal(t, c.want, err.RetryAfter)
				require.True(t, err.Retryable())
			})
		}
	}
}

func TestADialectIsFoundAndRemembered(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, field string) {
		reply(w, http.StatusBadRequest, `{"error":{"message":"Unsupported parameter: '`+field+`'","param":"`+field+`","code":"unsupported_parameter"}}`)
	}
	for name, c := range map[string]struct {
		// refuses tells which field the server complains about, or "".
		refuses func(q question) string
		calls   int
		format  string
		limit   string
	}{
		"a modern server": {func(question) string { return "" }, 1, "json_schema", "max_completion_tokens"},
		"no schema": {func(q question) string {
			if q.ResponseFormat.Type == "json_schema" {
				return "response_format"
			}
			return ""
		}, 2, "json_object", "max_completion_tokens"},
		"no format": {func(q question) string {
			if q.ResponseFormat != nil {
				return "response_format"
			}
			return ""
		}, 3, "", "max_completion_tokens"},
		"no room for the limit, vLLM": {func(q question) string {
			if q.MaxCompletionTokens != nil || q.MaxTokens != nil {
				return "'max_tokens' or 'max_completion_tokens' is too large. This model's maximum context length is 4096"
			}
			return ""
		}, 3, "json_schema", ""},
		"the old limit": {func(q question) string {
			if q.MaxCompletionTokens != nil {
				return "max_completion_tokens"
			}
			return ""
		}, 2, "json_schema", "max_tokens"},
		"an old server": {func(q question) string {
			switch {
			case q.MaxCompletionTokens != nil:
				return "max_completion_tokens"
			case q.MaxTokens != nil:
				return "max_tokens"
			case q.ResponseFormat != nil:
				return "response_format"
			}
			return ""
		}, 5, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
				if field := c.refuses(q); field != "" {
					refuse(w, field)
					return
				}
				plausible(w, r, q)
			})
			a := analyzer(t, s)
			r, err := analyze(t, a, entries("x"))
			require.NoError(t, err)
			require.Equal(t, 1, r.Usage.Calls, "what was refused costs nothing")
			require.Len(t, s.questions(), c.calls)
			_, err = analyze(t, a, entries("x"))
			require.NoError(t, err)
			require.Len(t, s.questions(), c.calls+1, "the dialect is remembered")

			q := s.questions()[c.calls]
			format, limit := "", ""
			if q.ResponseFormat != nil {
				format = q.ResponseFormat.Type
			}
			switch {
			case q.MaxCompletionTokens != nil && q.MaxTokens == nil:
				limit = "max_completion_tokens"
			case q.MaxTokens != nil && q.MaxCompletionTokens == nil:
				limit = "max_tokens"
			}
			require.Equal(t, c.format, format)
			require.Equal(t, c.limit, limit)
		})
	}
}

func TestAServerThatRefusesEverythingIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusBadRequest, `{"error":{"message":"response_format and max_tokens are wrong, whatever they are"}}`)
	require.Equal(t, domain.AnalyzerRefused, fault(t, analyzer(t, s), entries("x")).Kind)
	require.Len(t, s.questions(), 5)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := serve(t, plausible)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := replies(t, status, "", "Location", other.URL+"/v1/chat/completions")
		err := fault(t, analyzer(t, s), entries("x"))
		require.Equal(t, domain.AnalyzerMisconfigured, err.Kind)
		require.Contains(t, err.Error(), "redirect")
	}
	require.Empty(t, other.questions(), "no key and no log goes elsewhere")
}

func TestAServiceThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	a, err := openai.New(openai.Config{BaseURL: "http://127.0.0.1:1/v1", Model: "m"}) // a port that nobody is given
	require.NoError(t, err)
	refused := fault(t, a, entries("x"))
	require.Equal(t, domain.AnalyzerUnavailable, refused.Kind)
	require.ErrorIs(t, refused, syscall.ECONNREFUSED)
	require.Contains(t, refused.Error(), "connection refused")
}

func TestBrokenConnectionsAreUnavailable(t *testing.T) {
	t.Parallel()
	const line = "a line that nobody may see"
	for name, answer := range map[string]http.HandlerFunc{
		"before the answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"within the answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"choices":[`)
		},
		"with nonsense": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, line+"\r\n\r\n")
			_ = conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request, _ question) { answer(w, r) })
			err := fault(t, analyzer(t, s), entries(line))
			require.Equal(t, domain.AnalyzerUnavailable, err.Kind)
			require.NotContains(t, err.Error(), "nobody may see")
			for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
				require.NotContains(t, cause.Error(), "nobody may see")
			}
		})
	}
}

// slow answers when the client has gone.
func slow(afterHeader bool) func(w http.ResponseWriter, r *http.Request, _ question) {
	return func(w http.ResponseWriter, r *http.Request, _ question) {
		if afterHeader {
			_, _ = io.WriteString(w, `{"choices":[`)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

func TestTheTimeOutIsTotal(t *testing.T) {
	t.Parallel()
	for name, afterHeader := range map[string]bool{"no header": false, "no end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := analyzer(t, serve(t, slow(afterHeader)), func(c *openai.Config) { c.Timeout = 50 * time.Millisecond })
			err := fault(t, a, entries("x"))
			require.Equal(t, domain.AnalyzerUnavailable, err.Kind)
			require.Contains(t, err.Error(), "50ms")
			require.NotErrorIs(t, err, context.DeadlineExceeded, "it is not the caller's context that ended")
		})
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, afterHeader := range map[string]bool{"no header": false, "no end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answer := slow(afterHeader)
			a := analyzer(t, serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
				cancel()
				answer(w, r, q)
			}))
			_, err := a.Analyze(ctx, domain.AnalysisRequest{TaskID: uuid.New(), Logs: entries("x")})
			require.ErrorIs(t, err, context.Canceled)
			var fault *domain.AnalyzerError
			require.NotErrorAs(t, err, &fault, "the task is not to blame")
		})
	}
}
