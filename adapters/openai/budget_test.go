package openai_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

// spentOf is what the store says was spent on the day of the test's clock.
func spentOf(t *testing.T, w *world) openai.Micros {
	t.Helper()
	kept := w.states.with(t, "openai/spent/"+w.clock.now().Format(time.DateOnly))
	require.LessOrEqual(t, len(kept), 1)
	var doc struct{ Micros openai.Micros }
	for _, d := range kept {
		require.NoError(t, json.Unmarshal(d.Data, &doc))
	}
	return doc.Micros
}

// priced has a service that costs as much as OpenAI's smaller models, and allows
// the budget for a day.
func priced(url string, budget openai.Micros) *world {
	w := newWorld(url)
	w.cfg.Prices = openai.Prices{Input: 400_000, Cached: 100_000, Output: 1_600_000}
	w.cfg.DailyBudget = budget
	return w
}

func TestWhatAnAnalysisCosts(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	w := priced(s.URL, 1_000_000)
	w.cfg.Prices.Currency = "EUR"
	r, err := analyze(t, w.analyzer(t), entries("x"))
	require.NoError(t, err)
	// (1500-7) · 0.40 + 7 · 0.10 + 20 · 1.60 = 629.9 millionths.
	require.Equal(t, &domain.Cost{AmountMicros: 630, Currency: "EUR"}, r.Cost)
	require.EqualValues(t, 630, spentOf(t, w), "what was set aside for more was given back")
	r, err = analyze(t, w.analyzer(t), entries("x"))
	require.NoError(t, err)
	require.Nil(t, r.Cost, "what was known costs nothing")
	require.EqualValues(t, 630, spentOf(t, w))
}

func TestWhenTheBudgetIsSpentTheDetectorCarriesOn(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	// One request sets aside up to 0.0131 for the answer alone.
	w := priced(s.URL, 15_500)
	one, other := w.analyzer(t), w.analyzer(t)
	asked := 0
	var reason string
	for i := 0; reason == "" && i < 100; i++ {
		r, err := analyze(t, []*openai.Analyzer{one, other}[i%2], entries(distinct(i)))
		require.NoError(t, err)
		if reason = r.DegradedReason; reason == "" {
			asked++
		} else {
			degraded(t, r, err)
		}
	}
	require.Equal(t, asked, len(s.questions()))
	require.Greater(t, asked, 1)
	require.Contains(t, reason, "the daily budget for the AI service is spent: ")
	require.Contains(t, reason, " of 0.0155 USD")
	require.LessOrEqual(t, spentOf(t, w), w.cfg.DailyBudget)
	require.Contains(t, one.Degraded()+other.Degraded(), "daily budget")

	// What is known is still explained.
	known, err := analyze(t, one, entries(distinct(0)))
	require.NoError(t, err)
	require.Equal(t, openai.Source, known.Anomalies[0].Source)
	require.Empty(t, known.DegradedReason)

	// The next day has a budget of its own.
	w.clock.advance(12 * time.Hour)
	r, err := analyze(t, one, entries("tomorrow"))
	require.NoError(t, err)
	require.Empty(t, r.DegradedReason)
	require.Equal(t, openai.Name, r.Analyzer)
	require.Empty(t, one.Degraded())
}

func TestManyProcessesKeepToOneBudget(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	w := priced(s.URL, 60_000)
	var wg sync.WaitGroup
	for i := range 12 {
		a := w.analyzer(t)
		wg.Go(func() {
			for n := range 4 {
				_, _ = a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: entries(distinct(4*i + n))})
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 630*len(s.questions()), spentOf(t, w), "each request is counted once, and nothing stays set aside")
	require.LessOrEqual(t, spentOf(t, w), w.cfg.DailyBudget)
	require.NotEmpty(t, s.questions())
}

func TestFailedCallsCount(t *testing.T) {
	t.Parallel()
	usage := `"usage":{"prompt_tokens":1000,"completion_tokens":1000}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		// cost is that of all requests, -1 for an estimate of the prompt.
		cost openai.Micros
	}{
		"a refusal": {func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"choices":[{"message":{"refusal":"no"}}],`+usage+`}`)
		}, 2000},
		"an answer of another form": {func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"choices":[{"message":{"content":"hm"}}],`+usage+`}`)
		}, 3 * 2000},
		"no answer":             {func(w http.ResponseWriter, _ *http.Request) { reply(w, 502, `<html>`) }, -1},
		"a broken connection":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, -1},
		"a rate limit":          {func(w http.ResponseWriter, _ *http.Request) { reply(w, 429, `{}`) }, 0},
		"a request too strange": {func(w http.ResponseWriter, _ *http.Request) { reply(w, 400, `{}`) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request, _ question) { c.answer(w, r) })
			w := priced(s.URL, 10_000_000)
			r := last(t, w.analyzer(t), entries("x"))
			if c.cost >= 0 {
				require.Equal(t, c.cost, spentOf(t, w))
			} else {
				q := s.questions()[0]
				prompt := (len(q.Messages[0].Content) + len(q.Messages[1].Content) + 1) / 2
				require.InDelta(t, 3*float64(prompt)*0.4, float64(spentOf(t, w)), 3)
				require.Equal(t, 3, r.Usage.Calls)
				require.True(t, r.Usage.Estimated)
			}
			if r.Cost != nil {
				require.EqualValues(t, r.Cost.AmountMicros, spentOf(t, w))
			}
		})
	}
}

func TestWithoutTheStoreNothingIsSpent(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	w := priced(s.URL, 1_000_000)
	a := w.analyzer(t)
	w.states.fail(errors.Join(domain.ErrStoreUnavailable))
	err := fault(t, a, entries("x"))
	require.Equal(t, domain.AnalyzerUnavailable, err.Kind, "the queue tries again")
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.Contains(t, degraded(t, last(t, a, entries("x")), nil), "daily budget cannot be read")
	require.Empty(t, s.questions())
	require.Empty(t, a.Degraded(), "it is not the service that fails")
}

func TestASumThatCannotBeReadIsSpent(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	w := priced(s.URL, 1_000_000)
	a := w.analyzer(t)
	_, err := analyze(t, a, entries("x"))
	require.NoError(t, err)
	w.states.overwrite(t, "openai/spent/", "?")
	r, err := analyze(t, a, entries("y"))
	require.Contains(t, degraded(t, r, err), "daily budget")
	require.Len(t, s.questions(), 1)
}

func TestAmountsOfMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]openai.Micros{
		"0": 0, "0.15": 150_000, "2": 2_000_000, "2.5": 2_500_000, "0.000001": 1, "10000": 10_000_000_000, "1.50": 1_500_000, "007": 7_000_000,
	} {
		got, err := openai.ParseMicros(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := openai.ParseMicros(got.String())
		require.NoError(t, err)
		require.Equal(t, want, again, "%s is written as %s", text, got)
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000001", "1,5", "1.5.5", " 1", "NaN", "0x1", strings.Repeat("9", 30)} {
		_, err := openai.ParseMicros(text)
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, "%q", text)
	}
	require.Equal(t, "0.15", openai.Micros(150_000).String())
	require.Equal(t, "0", openai.Micros(0).String())
	require.Equal(t, "-1.000001", openai.Micros(-1_000_001).String())
}
