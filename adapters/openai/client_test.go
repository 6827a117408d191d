package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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
			a := analyzer(t, s)
			var told string
			if (&domain.AnalyzerError{Kind: c.kind}).Retryable() {
				err := fault(t, a, entries("x"))
				require.Equal(t, c.kind, err.Kind, "%v", err)
				require.Equal(t, c.status, err.StatusCode)
				require.Len(t, s.questions(), 3, "two more at once, then the queue has it")
				require.Empty(t, a.Degraded(), "that may pass")
				told = err.Error()
			} else {
				r, err := analyze(t, a, entries("x"))
				told = degraded(t, r, err)
				require.Contains(t, told, fmt.Sprintf("(HTTP %d)", c.status))
				if c.kind == domain.AnalyzerTooLarge {
					require.Len(t, s.questions(), 2, "once more without samples")
				} else {
					require.Len(t, s.questions(), 1, "to repeat it is of no use")
				}
				down := c.kind == domain.AnalyzerQuota || c.kind == domain.AnalyzerMisconfigured
				require.Equal(t, down, a.Degraded() != "", a.Degraded())
			}
			require.Contains(t, told, c.says)
			require.NotContains(t, told, "sk-sec")
			require.NotContains(t, told, "\x1b")
			require.Less(t, len(told), 500)
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
			a := analyzer(t, replies(t, status, body))
			r, err := analyze(t, a, entries(line))
			told := r.DegradedReason + a.Degraded() + fmt.Sprint(r.Warnings)
			if err != nil {
				told += err.Error()
				var known *domain.AnalyzerError
				require.ErrorAs(t, err, &known)
				require.NoError(t, errors.Unwrap(known))
			}
			require.NotContains(t, told, "sk-secret-key", name)
			require.NotContains(t, told, "Jane", name)
			if status != 401 {
				require.Contains(t, told, "the_code", "what is harmless is shown")
			}
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
		"no date of its own":       {[]string{"Retry-After", "Fri, 01 May 2026 12:02:00 GMT", "Date", "today"}, 2 * time.Minute},
	} {
		for status, kind := range map[int]domain.AnalyzerErrorKind{429: domain.AnalyzerRateLimited, 503: domain.AnalyzerUnavailable, 408: domain.AnalyzerUnavailable} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				s := replies(t, status, `{}`, c.header...)
				w := newWorld(s.URL)
				err := fault(t, w.analyzer(t), entries("x"))
				require.Equal(t, kind, err.Kind)
				require.Equal(t, c.want, err.RetryAfter)
				require.True(t, err.Retryable())
				switch {
				case c.want > 3*time.Second:
					require.Empty(t, w.waited(), "the worker is free at once")
					require.Len(t, s.questions(), 1)
				case c.want > 0:
					require.Equal(t, []time.Duration{c.want, c.want}, w.waited())
				default:
					require.Len(t, w.waited(), 2)
					for i, wait := range w.waited() {
						most := 500 * time.Millisecond << i
						require.True(t, wait <= most && wait >= most*3/4, "%v", wait)
					}
				}
			})
		}
	}
}

func TestTheLimitsSayHowLongToWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"the one that is used up": {[]string{"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "20s", "X-Ratelimit-Remaining-Tokens", "99", "X-Ratelimit-Reset-Tokens", "6m0s"}, 20 * time.Second},
		"the later of both":       {[]string{"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "20s", "X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", "6m0s"}, 6 * time.Minute},
		"none is said to be":      {[]string{"X-Ratelimit-Reset-Requests", "4.5", "X-Ratelimit-Reset-Tokens", "20ms"}, 4500 * time.Millisecond},
		"less than nothing":       {[]string{"X-Ratelimit-Remaining-Requests", "-1", "X-Ratelimit-Reset-Requests", "-1"}, 0},
		"Retry-After wins":        {[]string{"Retry-After", "30", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "20s"}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, fault(t, analyzer(t, replies(t, http.StatusTooManyRequests, `{}`, c.header...)), entries("x")).RetryAfter)
		})
	}
}

func TestTheServiceSaysWhetherToRepeat(t *testing.T) {
	t.Parallel()
	t.Run("not what would else be repeated", func(t *testing.T) {
		t.Parallel()
		s := replies(t, http.StatusServiceUnavailable, `{}`, "X-Should-Retry", "false")
		r, err := analyze(t, analyzer(t, s), entries("x"))
		require.Contains(t, degraded(t, r, err), "not available (HTTP 503)")
		require.Len(t, s.questions(), 1)
	})
	t.Run("what would else not be repeated", func(t *testing.T) {
		t.Parallel()
		s := replies(t, http.StatusBadRequest, `{}`, "X-Should-Retry", "true")
		require.Equal(t, domain.AnalyzerUnavailable, fault(t, analyzer(t, s), entries("x")).Kind)
		require.Len(t, s.questions(), 3)
	})
	for name, c := range map[string]struct {
		status int
		body   string
	}{
		"a wrong key":       {401, `{}`},
		"a forbidden model": {403, `{}`},
		"a spent quota":     {429, `{"error":{"code":"insufficient_quota"}}`},
	} {
		t.Run("never "+name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, c.status, c.body, "X-Should-Retry", "true")
			r, err := analyze(t, analyzer(t, s), entries("x"))
			degraded(t, r, err)
			require.Len(t, s.questions(), 1)
		})
	}
}

func TestAFaultThatPassesCostsNothing(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]http.HandlerFunc{
		"overload": func(w http.ResponseWriter, _ *http.Request) { reply(w, 529, "") },
		"a break":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"nonsense": func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, says("All is well.")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
				if asked.Add(1) <= 2 {
					failure(w, r)
					return
				}
				plausible(w, r, q)
			})
			r, err := analyze(t, analyzer(t, s), entries("x"))
			require.NoError(t, err)
			require.Equal(t, openai.Source, r.Anomalies[0].Source)
			require.Empty(t, r.DegradedReason)
			require.EqualValues(t, 3, asked.Load())
		})
	}
}

func TestALastAttemptIsNotLost(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*server{
		"overload":   replies(t, 503, `{"error":"server busy"}`),
		"rate limit": replies(t, 429, `{}`, "Retry-After", "600"),
		"nonsense":   replies(t, 200, says("All is well.")),
		"no network": {Server: &httptest.Server{URL: "http://127.0.0.1:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := analyzer(t, s)
			err := fault(t, a, entries("x"))
			require.Contains(t, degraded(t, last(t, a, entries("x")), nil), err.Message)
		})
	}
}

func TestAServerThatRefusesEverythingIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusBadRequest, `{"error":{"message":"response_format and max_tokens and temperature are wrong, whatever they are"}}`)
	a := analyzer(t, s, func(c *openai.Config) { c.Temperature = new(0.5) })
	r, err := analyze(t, a, entries("x"))
	require.Contains(t, degraded(t, r, err), "refuses the request")
	require.Len(t, s.questions(), 6, "two forms, two names of the limit, and the temperature were given up")
}

func TestTheBodyCountsWhateverItsType(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/html", "text/plain; charset=utf-8", "application/octet-stream", "nonsense"} {
		s := replies(t, http.StatusOK, says(found(finding("high", 1))), "Content-Type", contentType)
		r, err := analyze(t, analyzer(t, s), entries("x"))
		explained(t, r, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := serve(t, plausible)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := replies(t, status, "", "Location", other.URL+"/v1/chat/completions")
		r, err := analyze(t, analyzer(t, s), entries("x"))
		require.Contains(t, degraded(t, r, err), "redirect")
	}
	require.Empty(t, other.questions(), "no key and no log goes elsewhere")
}

func TestAServiceThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	refused := fault(t, newWorld("http://127.0.0.1:1").analyzer(t), entries("x")) // a port that nobody is given
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
