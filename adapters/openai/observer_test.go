package openai_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// callLog is an observer of requests.
type callLog struct {
	mu    sync.Mutex
	calls []ports.Call
}

func (l *callLog) Begin(ctx context.Context, _ ports.Call) context.Context { return ctx }

func (l *callLog) End(_ context.Context, call ports.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
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
	w.cfg.Observers = ports.Observers{log}
	r, err := analyze(t, w.analyzer(t), entries("x"))
	require.NoError(t, err)
	require.Len(t, log.calls, 2)
	refused, answered := log.calls[0], log.calls[1]
	var fault *domain.AnalyzerError
	require.ErrorAs(t, refused.Err, &fault)
	require.Equal(t, domain.AnalyzerRateLimited, fault.Kind)
	require.Zero(t, refused.Usage)
	require.NoError(t, answered.Err)
	require.Equal(t, *r.Usage, answered.Usage)
	require.Equal(t, *r.Cost, answered.Cost)
	for _, c := range log.calls {
		require.Equal(t, ports.OpChat, c.Op)
		require.Equal(t, w.cfg.Model, c.Name)
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
