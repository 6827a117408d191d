package openai_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

func TestTheDetectorSaysWhatAnAnomalyIsAbout(t *testing.T) {
	t.Parallel()
	logs := entries("job 1 failed", "all is well", "job 2 failed", "disk is full", "slow")
	logs[1].Level, logs[3].Level, logs[4].Level = domain.LogLevelInfo, domain.LogLevelFatal, domain.LogLevelWarn
	logs[3].Source = "db"
	// The anomalies are: 1 the disk, 2 the jobs, 3 what is slow.
	s := replies(t, http.StatusOK, says(found(
		`{"anomalies":[3],"cause":"load","explanation":"It is slow.","suggested_action":"Wait.","category":"network","severity":"critical","relevance":0.2}`,
		`{"anomalies":[2,1],"cause":"disk","explanation":"No room.","suggested_action":"Make room.","category":"resource","severity":"info","relevance":0.9}`,
	)))
	r, err := analyze(t, analyzer(t, s), logs)
	require.NoError(t, err)
	alone, err := detector{}.Analyze(t.Context(), domain.AnalysisRequest{Logs: logs})
	require.NoError(t, err)

	require.Len(t, r.Anomalies, 3)
	disk, jobs, slow := r.Anomalies[0], r.Anomalies[1], r.Anomalies[2]
	if jobs.Template == "slow" {
		jobs, slow = slow, jobs
	}
	require.Equal(t, domain.SeverityCritical, disk.Severity, "what the service sees less in stays")
	require.Equal(t, domain.SeverityHigh, jobs.Severity)
	require.Equal(t, domain.SeverityHigh, slow.Severity, "one step above medium, however much the service asks for")
	require.Equal(t, "jobs before slow", map[bool]string{true: "jobs before slow", false: "slow before jobs"}[r.Anomalies[1].Template == jobs.Template],
		"the more relevant first among those of one severity")
	for i, want := range alone.Anomalies {
		got := []domain.Anomaly{disk, jobs, slow}[i]
		require.Equal(t, openai.Source, got.Source)
		require.Equal(t, []string{"disk", "disk", "load"}[i], got.Cause)
		require.Equal(t, []string{"No room.", "No room.", "It is slow."}[i], got.Explanation)
		require.Equal(t, []string{"Make room.", "Make room.", "Wait."}[i], got.SuggestedAction)
		require.Equal(t, []domain.AnomalyCategory{"resource", "resource", "network"}[i], got.Category)
		got.Source, got.Cause, got.Explanation, got.SuggestedAction = want.Source, want.Cause, want.Explanation, want.SuggestedAction
		got.Category, got.Severity = want.Category, want.Severity
		require.Equal(t, want, got, "all else is the detector's")
	}
	require.Equal(t, openai.Name, r.Analyzer)
	require.Equal(t, "3 anomalies in 5 lines. s", r.Summary, "the count is the detector's")
	require.Equal(t, domain.SeverityCritical, r.Severity)
	require.Equal(t, [3]int{5, 5, 3}, [3]int{r.LogCount, r.AnalysedCount, r.TemplateCount})
	require.Equal(t, "m-1", r.Model)
	require.Equal(t, openai.PromptVersion, r.PromptVersion)
	require.Equal(t, &domain.Usage{PromptTokens: 1500, CachedTokens: 7, CompletionTokens: 20, ReasoningTokens: 5, Calls: 1}, r.Usage)
	require.Equal(t, &domain.CacheUse{Misses: 3}, r.Cache)
	require.Nil(t, r.Cost, "without prices nothing is known of it")
	require.Empty(t, r.Warnings)
	require.Empty(t, r.DegradedReason)
}

func TestASecurityAnomalyStaysOne(t *testing.T) {
	t.Parallel()
	secured := detectorFunc(func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
		r, err := detector{}.Analyze(ctx, req)
		for i := range r.Anomalies {
			r.Anomalies[i].Category = domain.CategorySecurity
		}
		return r, err
	})
	s := replies(t, http.StatusOK, says(found(finding("info", 1))))
	w := newWorld(s.URL)
	a, err := openai.New(secured, w.states, w.cfg)
	require.NoError(t, err)
	r, err := analyze(t, a, entries("x"))
	require.NoError(t, err)
	require.Equal(t, openai.Source, r.Anomalies[0].Source)
	require.Equal(t, domain.CategorySecurity, r.Anomalies[0].Category)
}

func TestTextOfTheModelIsReadInAnyWrapping(t *testing.T) {
	t.Parallel()
	text := found(finding("high", 1))
	for name, content := range map[string]string{
		"bare":                       text,
		"with space":                 "\n " + text + "\n",
		"in a fence":                 "```json\n" + text + "\n```",
		"in a fence without name":    "```\n" + text + "\n```",
		"after thoughts":             "<think>Is {this} it?</think>\n" + text,
		"after the end of thoughts":  "Is {this} it?</think>" + text,
		"after thoughts, in a fence": "<think>\n{}\n</think>\n```json\n" + text + "```",
		"within words":               "Here is the analysis:\n" + text + "\nAnything else?",
		"naming the end of thoughts": strings.Replace(text, `"e"`, `"a line with </think> {}"`, 1),
		"with further fields":        strings.Replace(text, `"summary"`, `"note":1,"summary"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := analyze(t, analyzer(t, replies(t, http.StatusOK, says(content))), entries("x"))
			require.NoError(t, err)
			require.Equal(t, "e", strings.ReplaceAll(r.Anomalies[0].Explanation, "a line with ‹/think> {}", "e"))
		})
	}
}

func TestAnswersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	choice := func(fields string) string { return `{"choices":[{` + fields + `}]}` }
	for name, c := range map[string]struct {
		kind domain.AnalyzerErrorKind
		body string
	}{
		"nothing":                  {domain.AnalyzerBadAnswer, ""},
		"HTML":                     {domain.AnalyzerBadAnswer, "<html><body>Welcome to nginx!</body></html>"},
		"half of it":               {domain.AnalyzerBadAnswer, says(found())[:40]},
		"another type":             {domain.AnalyzerBadAnswer, `[1]`},
		"no choices":               {domain.AnalyzerBadAnswer, `{"choices":[]}`},
		"null choices":             {domain.AnalyzerBadAnswer, `{"choices":null}`},
		"null content":             {domain.AnalyzerBadAnswer, choice(`"finish_reason":"stop","message":{"content":null}`)},
		"empty content":            {domain.AnalyzerBadAnswer, says(" ")},
		"content of another type":  {domain.AnalyzerBadAnswer, choice(`"message":{"content":[1]}`)},
		"words":                    {domain.AnalyzerBadAnswer, says("All is well.")},
		"broken JSON":              {domain.AnalyzerBadAnswer, says(`{"summary":"s","findings":[}`)},
		"thoughts only":            {domain.AnalyzerBadAnswer, says("<think>{}</think>")},
		"no findings":              {domain.AnalyzerBadAnswer, says(`{"summary":"s"}`)},
		"null findings":            {domain.AnalyzerBadAnswer, says(`{"summary":"s","findings":null}`)},
		"findings of another type": {domain.AnalyzerBadAnswer, says(`{"summary":"s","findings":{}}`)},
		"only broken findings":     {domain.AnalyzerBadAnswer, says(found(finding("terrible", 1)))},
		"too much":                 {domain.AnalyzerBadAnswer, says(found()) + strings.Repeat(" ", 5<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, http.StatusOK, c.body)
			w := newWorld(s.URL)
			a := w.analyzer(t)
			err := fault(t, a, entries("x"))
			require.Equal(t, c.kind, err.Kind, "%v", err)
			require.Len(t, s.questions(), 3, "twice more at once, then the queue has it")
			require.Zero(t, err.RetryAfter)
			require.Equal(t, []string{"json_schema", "json_object", ""}, s.formats(), "each time with less of a form to keep to")

			// Three more failures open the breaker, and the last attempt is not lost.
			r := last(t, a, entries("x"))
			require.Equal(t, 3, r.Usage.Calls+1, "five failures in a row")
			degraded(t, r, nil)
		})
	}
}

func TestAnswersAreBoundedAfterDecompression(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		w.Header().Set("Content-Encoding", "gzip")
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return
		}
		defer z.Close()
		block := []byte(strings.Repeat(" ", 1<<20))
		for range 5 {
			if _, err := z.Write(block); err != nil {
				return
			}
		}
	})
	require.Equal(t, domain.AnalyzerBadAnswer, fault(t, analyzer(t, s), entries("x")).Kind)
}

func TestAnErrorMayHaveTheStatusOfASuccess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		kind domain.AnalyzerErrorKind
		says string
	}{
		"without a code":            {`{"error":{"message":"oops"}}`, domain.AnalyzerUnavailable, "oops"},
		"with that of a rate limit": {`{"error":{"message":"slow","code":429}}`, domain.AnalyzerRateLimited, "slow"},
		"with that of a wrong key":  {`{"error":{"message":"no","code":401}}`, domain.AnalyzerMisconfigured, "LOGSIFT_AI_API_KEY"},
		"with no number":            {`{"error":{"message":"no","code":"insufficient_quota"}}`, domain.AnalyzerQuota, "no quota left"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := analyzer(t, replies(t, http.StatusOK, c.body))
			if !(&domain.AnalyzerError{Kind: c.kind}).Retryable() {
				r, err := analyze(t, a, entries("x"))
				require.Contains(t, degraded(t, r, err), c.says)
				return
			}
			err := fault(t, a, entries("x"))
			require.Equal(t, c.kind, err.Kind)
			require.Contains(t, err.Message, c.says)
			require.Equal(t, http.StatusOK, err.StatusCode)
		})
	}
}

func TestAnswersThatRefuse(t *testing.T) {
	t.Parallel()
	for name, choice := range map[string]string{
		"a refusal": `"finish_reason":"stop","message":{"content":null,"refusal":"I cannot help with that."}`,
		"a filter":  `"finish_reason":"content_filter","message":{"content":"{"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, http.StatusOK, `{"choices":[{`+choice+`}]}`)
			a := analyzer(t, s)
			r, err := analyze(t, a, entries("x"))
			require.Contains(t, degraded(t, r, err), "the model refused")
			require.Len(t, s.questions(), 1, "to repeat it would be refused again")
			require.Empty(t, a.Degraded(), "the service works")
		})
	}
}

func TestWhatAModelMakesUpIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	sound := finding("high", 1)
	for name, c := range map[string]struct {
		findings  []string
		warning   string
		explained bool
	}{
		"an anomaly that was not sent":      {[]string{finding("high", 1, 2, 0, -1, 99999999)}, "4 numbers in the AI service's answer", true},
		"only anomalies that were not sent": {[]string{finding("high", 7), sound}, "1 findings of the AI service were dropped: they name no anomaly", true},
		"no anomalies":                      {[]string{finding("high")}, "1 findings of the AI service were dropped: they name no anomaly", false},
		"a severity":                        {[]string{sound, finding("terrible", 1)}, "1 findings of the AI service were dropped: not of the form", true},
		"a relevance above 1":               {[]string{sound, strings.Replace(sound, "0.9", "90", 1)}, "not of the form", true},
		"a relevance below 0":               {[]string{sound, strings.Replace(sound, "0.9", "-0.1", 1)}, "not of the form", true},
		"a relevance in words":              {[]string{sound, strings.Replace(sound, "0.9", `"very"`, 1)}, "not of the form", true},
		"no relevance":                      {[]string{sound, strings.Replace(sound, `,"relevance":0.9`, "", 1)}, "not of the form", true},
		"no explanation":                    {[]string{sound, strings.Replace(sound, `"e"`, `" "`, 1)}, "not of the form", true},
		"anomalies in words":                {[]string{sound, strings.Replace(sound, "[1]", `["one"]`, 1)}, "not of the form", true},
		"a string":                          {[]string{sound, `"all is well"`, `null`}, "2 findings of the AI service were dropped: not of the form", true},
		"ids of log entries":                {[]string{strings.Replace(sound, `"cause"`, `"log_ids":["0190b5e0-0000-7000-8000-000000000000"],"cause"`, 1)}, "1 findings of the AI service had fields that were not asked for", true},
		"a count":                           {[]string{strings.Replace(sound, `"cause"`, `"count":999,"cause"`, 1)}, "fields that were not asked for", true},
		"a category":                        {[]string{strings.Replace(sound, "crash", "weather", 1)}, "", true},
		"the same twice":                    {[]string{sound, finding("critical", 1)}, "1 repeated mentions", true},
		"the same twice in one":             {[]string{finding("high", 1, 1)}, "", true},
		"nothing":                           {nil, "the AI service said nothing about 1 anomalies", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, http.StatusOK, says(found(c.findings...)))
			logs := entries("x")
			r, err := analyze(t, analyzer(t, s), logs)
			require.NoError(t, err)
			require.Len(t, r.Anomalies, 1)
			require.Equal(t, []domain.LogID{logs[0].ID}, r.Anomalies[0].LogIDs)
			require.Equal(t, domain.SeverityHigh, r.Anomalies[0].Severity)
			require.Equal(t, 1, r.Anomalies[0].Count)
			require.Contains(t, []domain.AnomalyCategory{domain.CategoryUnknown, domain.CategoryCrash}, r.Anomalies[0].Category, "another is none")
			require.Equal(t, c.explained, r.Anomalies[0].Explanation != "")
			require.Contains(t, strings.Join(r.Warnings, "\n"), c.warning)
			require.Equal(t, c.warning != "", len(r.Warnings) > 0, "%v", r.Warnings)
			require.Len(t, s.questions(), 1)
		})
	}
}

func TestTextOfTheModelIsCutAndCleaned(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 10_000)
	text := fmt.Sprintf(`{"summary":%s,"findings":[%s]}`, quote("\x1b[31mred\x1b[0m\x00 "+long),
		strings.NewReplacer(`"e"`, quote("\u202e"+long), `"a"`, quote("rm -rf /\n"+long), `"c"`, quote(long)).Replace(finding("info", 1)))
	r, err := analyze(t, analyzer(t, replies(t, http.StatusOK, says(text))), entries("x"))
	require.NoError(t, err)
	found := r.Anomalies[0]
	require.Contains(t, r.Summary, ". red ää")
	require.True(t, strings.HasPrefix(found.Explanation, "ää"))
	require.True(t, strings.HasPrefix(found.SuggestedAction, "rm -rf / ää"))
	require.LessOrEqual(t, len(found.Cause), 120)
	for _, s := range []string{r.Summary, found.Explanation, found.SuggestedAction, found.Cause} {
		require.LessOrEqual(t, len(s), 2000)
		require.True(t, strings.HasSuffix(s, "ä…"))
	}
}

func TestUsageIsEstimatedWhereTheServiceTellsNone(t *testing.T) {
	t.Parallel()
	text := found()
	s := replies(t, http.StatusOK, `{"choices":[{"message":{"content":`+quote(text)+`}}]}`)
	r, err := analyze(t, analyzer(t, s), entries("x"))
	require.NoError(t, err)
	q := s.questions()[0]
	require.Equal(t, &domain.Usage{
		PromptTokens: (len(q.Messages[0].Content) + len(q.Messages[1].Content) + 1) / 2, CompletionTokens: (len(text) + 1) / 2,
		Calls: 1, Estimated: true,
	}, r.Usage)
	require.Equal(t, "m", r.Model, "the one that was asked for")
}

func TestAPromptThatTheServiceCutsIsNoticed(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusOK, strings.Replace(says(found()), "1500", "150", 1))
	r, err := analyze(t, analyzer(t, s), entries("x"))
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "the AI service read 150 tokens")
}

func TestNobodyIsAskedAboutNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	quiet := entries("x")
	quiet[0].Level = domain.LogLevelInfo
	for name, req := range map[string]domain.AnalysisRequest{
		"no entries":   {},
		"no anomalies": {Logs: quiet},
		"learning":     {Logs: entries("x"), Learn: true},
	} {
		alone, err := detector{}.Analyze(t.Context(), req)
		require.NoError(t, err)
		r, err := analyzer(t, s).Analyze(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, alone, r, name)
	}
	require.Empty(t, s.questions())
}

func TestAnErrorOfTheDetectorIsTheAnswer(t *testing.T) {
	t.Parallel()
	fault := &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: "no state"}
	s := serve(t, plausible)
	w := newWorld(s.URL)
	a, err := openai.New(detectorFunc(func(context.Context, domain.AnalysisRequest) (domain.AnalysisResult, error) {
		return domain.AnalysisResult{}, fault
	}), w.states, w.cfg)
	require.NoError(t, err)
	_, err = analyze(t, a, entries("x"))
	require.ErrorIs(t, err, fault)
	require.Empty(t, s.questions())
}
