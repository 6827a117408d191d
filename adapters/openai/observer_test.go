package openai_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// callLog is an observer of requests.
type callLog struct {
	mu    sync.Mutex
	calls []observedCall
}

type observedCall struct {
	model string
	usage domain.Usage
	cost  domain.Cost
	err   error
	done  int
}

// BeginAICall implements openai.CallObserver.
func (l *callLog) BeginAICall(ctx context.Context, model string) (context.Context, func(domain.Usage, domain.Cost, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.calls)
	l.calls = append(l.calls, observedCall{model: model})
	return ctx, func(usage domain.Usage, cost domain.Cost, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		c := &l.calls[i]
		c.usage, c.cost, c.err = usage, cost, err
		c.done++
	}
}

func TestTheObserverIsToldOfEachRequest(t *testing.T) {
	t.Parallel()
	asked := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		if asked++; asked == 1 {
			reply(w, http.StatusTooManyRequests, `{}`)
			return
		}
		plausible(w, r, q)
	})
	w, log := priced(s.URL, 1_000_000), &callLog{}
	w.cfg.Observer = log
	r, err := analyze(t, w.analyzer(t), entries("x"))
	require.NoError(t, err)
	require.Len(t, log.calls, 2)
	refused, answered := log.calls[0], log.calls[1]
	var fault *domain.AnalyzerError
	require.ErrorAs(t, refused.err, &fault)
	require.Equal(t, domain.AnalyzerRateLimited, fault.Kind)
	require.Zero(t, refused.usage)
	require.NoError(t, answered.err)
	require.Equal(t, *r.Usage, answered.usage)
	require.Equal(t, *r.Cost, answered.cost)
	for _, c := range log.calls {
		require.Equal(t, 1, c.done)
		require.Equal(t, w.cfg.Model, c.model)
	}
}

func TestTheStateOfBreakerAndBudgetIsTold(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ question) { reply(w, http.StatusUnauthorized, `{}`) })
	a := newWorld(s.URL).analyzer(t)
	require.False(t, a.BreakerOpen())
	last(t, a, entries("x"))
	require.True(t, a.BreakerOpen())
	require.False(t, a.BudgetSpent())

	poor := priced(serve(t, plausible).URL, 1).analyzer(t)
	last(t, poor, entries("x"))
	require.True(t, poor.BudgetSpent())
	require.False(t, poor.BreakerOpen())
}
