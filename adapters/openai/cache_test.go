package openai_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

func TestOnlyNovelTemplatesAreSent(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	w := newWorld(s.URL)
	first, err := analyze(t, w.analyzer(t), entries("job 1 failed", "disk full"))
	require.NoError(t, err)
	require.Equal(t, &domain.CacheUse{Misses: 2}, first.Cache)

	// Another process, another batch: one of three templates is new.
	second, err := analyze(t, w.analyzer(t), entries("job 7 failed", "job 8 failed", "no route", "disk full"))
	require.NoError(t, err)
	require.Equal(t, &domain.CacheUse{Hits: 2, Misses: 1}, second.Cache)
	require.Len(t, s.questions(), 2)
	sent, err := s.questions()[1].anomalies()
	require.NoError(t, err)
	require.Len(t, sent, 1)
	require.Equal(t, "no route", sent[0].Template)
	for _, a := range second.Anomalies {
		require.Equal(t, openai.Source, a.Source)
		require.Equal(t, "e", a.Explanation)
	}

	// The same set again costs nothing, its summary included.
	third, err := analyze(t, w.analyzer(t), entries("disk full", "no route", "job 9 failed"))
	require.NoError(t, err)
	require.Len(t, s.questions(), 2)
	require.Equal(t, &domain.CacheUse{Hits: 3}, third.Cache)
	require.Nil(t, third.Usage)
	require.Equal(t, openai.Name, third.Analyzer)
	require.Equal(t, "m-1", third.Model, "who explained it")
	require.Equal(t, "3 anomalies in 3 lines. s", third.Summary)

	// Of another set the causes are told.
	fourth, err := analyze(t, w.analyzer(t), entries("disk full"))
	require.NoError(t, err)
	require.Len(t, s.questions(), 2)
	require.Equal(t, "1 anomalies in 1 lines. Causes: c.", fourth.Summary)
}

func TestWhatWouldChangeTheAnswerIsAskedAnew(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, logs []domain.LogEntry, other *server){
		"another server":      func(w *world, _ []domain.LogEntry, other *server) { w.cfg.BaseURL = other.URL },
		"another model":       func(w *world, _ []domain.LogEntry, _ *server) { w.cfg.Model = "m2" },
		"another temperature": func(w *world, _ []domain.LogEntry, _ *server) { w.cfg.Temperature = new(0.0) },
		"another severity":    func(_ *world, logs []domain.LogEntry, _ *server) { logs[0].Level = domain.LogLevelFatal },
		"another template":    func(_ *world, logs []domain.LogEntry, _ *server) { logs[0].Message = "disk empty" },
		"another week":        func(w *world, _ []domain.LogEntry, _ *server) { w.clock.advance(openai.DefaultCacheTTL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, other := serve(t, plausible), serve(t, plausible)
			w := newWorld(s.URL)
			logs := entries("disk full")
			_, err := analyze(t, w.analyzer(t), logs)
			require.NoError(t, err)
			change(w, logs, other)
			r, err := analyze(t, w.analyzer(t), logs)
			require.NoError(t, err)
			require.Equal(t, &domain.CacheUse{Misses: 1}, r.Cache)
			require.Len(t, append(s.questions(), other.questions()...), 2)
		})
	}
}

func TestACorruptEntryOfTheCacheIsAMiss(t *testing.T) {
	t.Parallel()
	const note = "openai/note/"
	for name, data := range map[string]string{
		"nothing":         "",
		"half":            `{"explanation":"e`,
		"another form":    `[1,2]`,
		"no explanation":  `{"severity":"high","category":"crash","relevance":1}`,
		"no severity":     `{"explanation":"e","category":"crash","relevance":1}`,
		"a category":      `{"explanation":"e","severity":"high","category":"weather","relevance":1}`,
		"a relevance":     `{"explanation":"e","severity":"high","category":"crash","relevance":7}`,
		"escapes":         `{"explanation":"\u001b[31me","severity":"high","category":"crash","relevance":1}`,
		"a hidden action": `{"explanation":"e","suggested_action":"\u202ee","severity":"high","category":"crash","relevance":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, plausible)
			w := newWorld(s.URL)
			a := w.analyzer(t)
			for range 2 {
				_, err := analyze(t, a, entries("x"))
				require.NoError(t, err)
			}
			require.Len(t, s.questions(), 1)
			require.Len(t, w.states.with(t, note), 1)
			w.states.overwrite(t, note, data)
			r, err := analyze(t, a, entries("x"))
			require.NoError(t, err)
			require.Equal(t, &domain.CacheUse{Misses: 1}, r.Cache)
			require.Equal(t, "e", r.Anomalies[0].Explanation)
			r, err = analyze(t, a, entries("x"))
			require.NoError(t, err)
			require.Equal(t, &domain.CacheUse{Hits: 1}, r.Cache, "it was replaced")
		})
	}
}

func TestACacheThatIsAwayCostsRequestsOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, plausible)
	w := newWorld(s.URL)
	w.states.fail(domain.ErrStoreUnavailable)
	a := w.analyzer(t)
	for n := range 2 {
		r, err := analyze(t, a, entries("x"))
		require.NoError(t, err)
		require.Equal(t, openai.Source, r.Anomalies[0].Source)
		require.Len(t, s.questions(), n+1)
	}
}

func TestWhatTheServiceHasNothingToSayAboutIsNotAskedAtOnce(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusOK, says(found()))
	w := newWorld(s.URL)
	a := w.analyzer(t)
	for range 3 {
		r, err := analyze(t, a, entries("x"))
		require.NoError(t, err)
		require.Equal(t, "local", r.Anomalies[0].Source)
		require.Contains(t, strings.Join(r.Warnings, "\n"), "the AI service said nothing about 1 anomalies")
		require.Empty(t, r.DegradedReason)
	}
	require.Len(t, s.questions(), 1)
	w.clock.advance(time.Hour)
	_, err := analyze(t, a, entries("x"))
	require.NoError(t, err)
	require.Len(t, s.questions(), 2)
}

func TestWorkersAskOnceForTheSame(t *testing.T) {
	t.Parallel()
	const workers = 8
	// The service answers the first question when all workers are at work.
	var at atomic.Int32
	all := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		select {
		case <-all:
		case <-r.Context().Done():
		}
		plausible(w, r, q)
	})
	w := newWorld(s.URL)
	counted := detectorFunc(func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
		r, err := detector{}.Analyze(ctx, req)
		if at.Add(1) == workers {
			close(all)
		}
		return r, err
	})
	a, err := openai.New(counted, w.states, w.cfg)
	require.NoError(t, err)
	results := make([]domain.AnalysisResult, workers)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			// Each has one in common with all, and one of its own.
			logs := entries("disk full", "only of "+strings.Repeat("x", i+1))
			results[i], errs[i] = a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs})
		})
	}
	wg.Wait()
	sent := map[string]int{}
	for _, q := range s.questions() {
		anomalies, err := q.anomalies()
		require.NoError(t, err)
		for _, a := range anomalies {
			sent[a.Template]++
		}
	}
	require.Len(t, sent, workers+1)
	for template, n := range sent {
		require.Equal(t, 1, n, "%s was paid for once", template)
	}
	for i := range workers {
		require.NoError(t, errs[i])
		for _, a := range results[i].Anomalies {
			require.Equal(t, openai.Source, a.Source)
		}
	}
}

func TestAWorkerThatWaitsForAnotherAsksItselfIfThatFails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := make(chan struct{})
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		if n.Add(1) == 1 {
			close(asked)
			<-r.Context().Done()
			return
		}
		plausible(w, r, q)
	})
	a := analyzer(t, s)
	first := make(chan error, 1)
	go func() {
		_, err := a.Analyze(ctx, domain.AnalysisRequest{Logs: entries("x")})
		first <- err
	}()
	<-asked
	second := make(chan domain.AnalysisResult, 1)
	go func() {
		r, _ := a.Analyze(context.WithoutCancel(ctx), domain.AnalysisRequest{Logs: entries("x")})
		second <- r
	}()
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	r := <-second
	require.Equal(t, openai.Source, r.Anomalies[0].Source)
	require.EqualValues(t, 2, n.Load())
}
