package openai_test

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

func TestTheEntriesSayWhatAnAnomalyIsAbout(t *testing.T) {
	t.Parallel()
	logs := entries("job 1 failed", "all is well", "job 2 failed", "disk is full")
	logs[2].Source, logs[3].Source = "other", "db"
	for _, i := range []int{0, 2} {
		logs[i].Level = domain.LogLevelError
	}
	logs[3].Level = domain.LogLevelFatal
	// The groups are: 1 the disk, 2 the jobs, 3 the rest.
	s := replies(t, http.StatusOK, says(found(finding("medium", 3), finding("critical", 2, 1, 2))))
	r, err := analyze(t, analyzer(t, s), logs)
	require.NoError(t, err)

	require.Len(t, r.Anomalies, 2)
	worst := r.Anomalies[0]
	require.Equal(t, []domain.LogID{logs[0].ID, logs[2].ID, logs[3].ID}, worst.LogIDs)
	require.Equal(t, []string{"job 1 failed", "job 2 failed", "disk is full"}, worst.SampleLines)
	require.Equal(t, []string{"app", "other", "db"}, worst.Services)
	require.Equal(t, 3, worst.Count)
	require.Equal(t, logs[0].Timestamp, worst.FirstSeen)
	require.Equal(t, logs[3].Timestamp, worst.LastSeen)
	require.Equal(t, "disk is full", worst.Template)
	require.NotEmpty(t, worst.TemplateID)
	require.Equal(t, domain.AnomalyErrorBurst, worst.Kind)
	require.Equal(t, domain.CategoryCrash, worst.Category)
	require.Equal(t, domain.SeverityCritical, worst.Severity)
	require.InDelta(t, 0.9, worst.Score, 0)
	require.InDelta(t, 0.8, worst.Confidence, 0)
	require.Equal(t, "e", worst.Explanation)
	require.Equal(t, "a", worst.SuggestedAction)
	require.Equal(t, "llm", worst.Source)
	require.Equal(t, []domain.LogID{logs[1].ID}, r.Anomalies[1].LogIDs)

	require.Equal(t, openai.Name, r.Analyzer)
	require.Equal(t, "s", r.Summary)
	require.Equal(t, domain.SeverityCritical, r.Severity)
	require.Equal(t, domain.TimeWindow{From: logs[0].Timestamp, To: logs[3].Timestamp}, r.Window)
	require.Equal(t, [3]int{4, 4, 3}, [3]int{r.LogCount, r.AnalysedCount, r.TemplateCount})
	require.Equal(t, "m-1", r.Model)
	require.Equal(t, openai.PromptVersion, r.PromptVersion)
	require.Equal(t, &domain.Usage{PromptTokens: 1500, CachedTokens: 7, CompletionTokens: 20, ReasoningTokens: 5, Calls: 1}, r.Usage)
	require.Empty(t, r.Warnings)
	require.False(t, r.Truncated)
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
			require.Len(t, r.Anomalies, 1)
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
		"nothing":                   {domain.AnalyzerBadAnswer, ""},
		"HTML":                      {domain.AnalyzerBadAnswer, "<html><body>Welcome to nginx!</body></html>"},
		"half of it":                {domain.AnalyzerBadAnswer, says(found())[:40]},
		"another type":              {domain.AnalyzerBadAnswer, `[1]`},
		"no choices":                {domain.AnalyzerBadAnswer, `{"choices":[]}`},
		"null choices":              {domain.AnalyzerBadAnswer, `{"choices":null}`},
		"an error with status 200":  {domain.AnalyzerBadAnswer, `{"error":{"message":"oops"}}`},
		"null content":              {domain.AnalyzerBadAnswer, choice(`"finish_reason":"stop","message":{"content":null}`)},
		"empty content":             {domain.AnalyzerBadAnswer, says(" ")},
		"content of another type":   {domain.AnalyzerBadAnswer, choice(`"message":{"content":[1]}`)},
		"words":                     {domain.AnalyzerBadAnswer, says("All is well.")},
		"broken JSON":               {domain.AnalyzerBadAnswer, says(`{"summary":"s","anomalies":[}`)},
		"thoughts only":             {domain.AnalyzerBadAnswer, says("<think>{}</think>")},
		"no anomalies":              {domain.AnalyzerBadAnswer, says(`{"summary":"s"}`)},
		"null anomalies":            {domain.AnalyzerBadAnswer, says(`{"summary":"s","anomalies":null}`)},
		"anomalies of another type": {domain.AnalyzerBadAnswer, says(`{"summary":"s","anomalies":{}}`)},
		"only broken anomalies":     {domain.AnalyzerBadAnswer, says(found(finding("terrible", 1)))},
		"a refusal":                 {domain.AnalyzerRefused, choice(`"finish_reason":"stop","message":{"content":null,"refusal":"I cannot help with that."}`)},
		"a filter":                  {domain.AnalyzerRefused, choice(`"finish_reason":"content_filter","message":{"content":"{"}`)},
		"a cut answer":              {domain.AnalyzerTooLarge, choice(`"finish_reason":"length","message":{"content":"{\"summ"}`)},
		"a cut thought":             {domain.AnalyzerTooLarge, choice(`"finish_reason":"length","message":{"content":null}`)},
		"too much":                  {domain.AnalyzerBadAnswer, says(found()) + strings.Repeat(" ", 5<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, http.StatusOK, c.body)
			err := fault(t, analyzer(t, s), entries("x"))
			require.Equal(t, c.kind, err.Kind, "%v", err)
			require.Len(t, s.questions(), 1)
			require.Zero(t, err.RetryAfter)
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

func TestWhatAModelMakesUpIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	sound := finding("high", 1)
	for name, c := range map[string]struct {
		findings []string
		warning  string
		kept     int
	}{
		"a group that was not sent":      {[]string{finding("high", 1, 2, 0, -1, 99999999)}, "4 group numbers", 1},
		"only groups that were not sent": {[]string{finding("high", 7), sound}, "1 anomalies of the answer were dropped: they name no group", 1},
		"no groups":                      {[]string{finding("high")}, "1 anomalies of the answer were dropped: they name no group", 0},
		"a severity":                     {[]string{sound, finding("terrible", 1)}, "1 anomalies of the answer were dropped: not of the form", 1},
		"a kind":                         {[]string{sound, strings.Replace(sound, "error_burst", "strange", 1)}, "not of the form", 1},
		"a score above 1":                {[]string{sound, strings.Replace(sound, "0.9", "90", 1)}, "not of the form", 1},
		"a score below 0":                {[]string{sound, strings.Replace(sound, "0.9", "-0.1", 1)}, "not of the form", 1},
		"a confidence in words":          {[]string{sound, strings.Replace(sound, "0.8", `"very"`, 1)}, "not of the form", 1},
		"no score":                       {[]string{sound, strings.Replace(sound, `"score":0.9,`, "", 1)}, "not of the form", 1},
		"groups in words":                {[]string{sound, strings.Replace(sound, "[1]", `["one"]`, 1)}, "not of the form", 1},
		"a string":                       {[]string{sound, `"all is well"`, `null`}, "2 anomalies of the answer were dropped: not of the form", 1},
		"a category":                     {[]string{strings.Replace(sound, "crash", "weather", 1)}, "", 1},
		"the same twice":                 {[]string{finding("low", 1), sound}, "", 1},
		"nothing":                        {nil, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replies(t, http.StatusOK, says(found(c.findings...)))
			logs := entries("x")
			r, err := analyze(t, analyzer(t, s), logs)
			require.NoError(t, err)
			require.Len(t, r.Anomalies, c.kept)
			for _, a := range r.Anomalies {
				require.Equal(t, []domain.LogID{logs[0].ID}, a.LogIDs)
				require.Equal(t, domain.SeverityHigh, a.Severity)
			}
			require.Contains(t, strings.Join(r.Warnings, "\n"), c.warning)
			require.Equal(t, c.warning != "", len(r.Warnings) > 0, "%v", r.Warnings)
		})
	}
}

func TestAnUnknownCategoryIsUnknown(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusOK, says(found(strings.Replace(finding("low", 1), "crash", "weather", 1))))
	r, err := analyze(t, analyzer(t, s), entries("x"))
	require.NoError(t, err)
	require.Equal(t, domain.CategoryUnknown, r.Anomalies[0].Category)
}

func TestTextOfTheModelIsCutAndCleaned(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 10_000)
	text := fmt.Sprintf(`{"summary":%s,"anomalies":[%s]}`, quote("\x1b[31mred\x1b[0m\x00 "+long),
		strings.NewReplacer(`"e"`, quote("\u202e"+long), `"a"`, quote("rm -rf /\n"+long)).Replace(finding("info", 1)))
	r, err := analyze(t, analyzer(t, replies(t, http.StatusOK, says(text))), entries("x"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(r.Summary, "red ää"))
	require.True(t, strings.HasPrefix(r.Anomalies[0].Explanation, "ää"))
	require.True(t, strings.HasPrefix(r.Anomalies[0].SuggestedAction, "rm -rf / ää"))
	for _, s := range []string{r.Summary, r.Anomalies[0].Explanation, r.Anomalies[0].SuggestedAction} {
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
	require.Contains(t, strings.Join(r.Warnings, "\n"), "the service read 150 tokens")
}

func TestWithoutLinesNobodyIsAsked(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	r, err := analyze(t, analyzer(t, s), nil)
	require.NoError(t, err)
	require.Empty(t, s.questions())
	require.NotNil(t, r.Anomalies, "an empty list in JSON")
	require.Empty(t, r.Anomalies)
	require.NotEmpty(t, r.Summary)
}
