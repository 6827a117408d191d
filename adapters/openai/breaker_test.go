package openai_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

// moody is a service whose mood a test sets: plausible, or a status with a body.
type moody struct {
	*server
	status atomic.Int32
	body   atomic.Pointer[string]
	header []string
}

func newMoody(t *testing.T) *moody {
	t.Helper()
	m := &moody{}
	m.server = serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		if status := int(m.status.Load()); status != 0 {
			reply(w, status, *m.body.Load(), m.header...)
			return
		}
		plausible(w, r, q)
	})
	return m
}

func (m *moody) set(status int, body string) {
	m.body.Store(&body)
	m.status.Store(int32(status))
}

func TestPermanentFaultsOpenTheBreakerAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"a wrong key":       {401, `{}`, "the AI service refuses the key (LOGSIFT_AI_API_KEY) (HTTP 401)"},
		"a forbidden one":   {403, `{}`, "the AI service refuses the key (LOGSIFT_AI_API_KEY) (HTTP 403)"},
		"no quota":          {429, `{"error":{"code":"insufficient_quota"}}`, "the account at the AI service has no quota left: insufficient_quota (HTTP 429)"},
		"the billing limit": {429, `{"error":{"code":"billing_hard_limit_reached"}}`, "no quota left"},
		"no such model":     {404, `{}`, "the AI service does not know the model"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMoody(t)
			w := newWorld(m.URL)
			a := w.analyzer(t)
			require.Empty(t, a.Degraded())
			m.set(c.status, c.body)
			r, err := analyze(t, a, entries("x"))
			require.Contains(t, degraded(t, r, err), c.says)
			require.Contains(t, a.Degraded(), c.says)

			// While it is open nobody is asked, and nothing fails.
			r, err = analyze(t, a, entries("y"))
			require.Contains(t, degraded(t, r, err), "not asked for the time being: "+a.Degraded())
			require.Len(t, m.questions(), 1)

			// After its pause one request probes; it fails, and the pause doubles.
			w.clock.advance(5 * time.Minute)
			_, err = analyze(t, a, entries("y"))
			require.NoError(t, err)
			require.Len(t, m.questions(), 2)
			w.clock.advance(10*time.Minute - time.Second)
			_, err = analyze(t, a, entries("y"))
			require.NoError(t, err)
			require.Len(t, m.questions(), 2)

			// The operator mends it.
			m.set(0, "")
			w.clock.advance(time.Second)
			r, err = analyze(t, a, entries("y"))
			require.NoError(t, err)
			require.Equal(t, openai.Source, r.Anomalies[0].Source)
			require.Empty(t, a.Degraded())
		})
	}
}

func TestTransientFaultsOpenTheBreakerWhenTheyLast(t *testing.T) {
	t.Parallel()
	m := newMoody(t)
	w := newWorld(m.URL)
	a := w.analyzer(t)
	m.set(503, `{}`)
	fault(t, a, entries("x")) // three requests
	require.Empty(t, a.Degraded())
	r, err := analyze(t, a, entries("x"))
	require.Contains(t, degraded(t, r, err), "not available (HTTP 503)", "attempts are left, but the breaker is open")
	require.Len(t, m.questions(), 5)
	require.NotEmpty(t, a.Degraded())

	w.clock.advance(30 * time.Second)
	m.set(0, "")
	r, err = analyze(t, a, entries("x"))
	require.NoError(t, err)
	require.Equal(t, openai.Source, r.Anomalies[0].Source)
	require.Empty(t, a.Degraded())

	// Only failures in a row count.
	m.set(503, `{}`)
	fault(t, a, entries("y"))
	m.set(0, "")
	_, err = analyze(t, a, entries("y"))
	require.NoError(t, err)
	m.set(503, `{}`)
	fault(t, a, entries("z"))
	require.Empty(t, a.Degraded())
}

func TestThePauseIsAsLongAsTheServiceAsks(t *testing.T) {
	t.Parallel()
	m := newMoody(t)
	m.header = []string{"Retry-After", "600"}
	w := newWorld(m.URL)
	a := w.analyzer(t)
	m.set(429, `{}`)
	for range 4 {
		require.Equal(t, 10*time.Minute, fault(t, a, entries("x")).RetryAfter)
	}
	r, err := analyze(t, a, entries("x"))
	degraded(t, r, err)
	m.set(0, "")
	w.clock.advance(10*time.Minute - time.Second)
	r, err = analyze(t, a, entries("x"))
	degraded(t, r, err)
	w.clock.advance(time.Second)
	r, err = analyze(t, a, entries("x"))
	require.NoError(t, err)
	require.Equal(t, openai.Name, r.Analyzer)
}

func TestOneRequestProbes(t *testing.T) {
	t.Parallel()
	probing, answer := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		switch n.Add(1) {
		case 1:
			reply(w, http.StatusUnauthorized, `{}`)
		default:
			close(probing)
			<-answer
			plausible(w, r, q)
		}
	})
	w := newWorld(s.URL)
	a := w.analyzer(t)
	r, err := analyze(t, a, entries("x"))
	degraded(t, r, err)
	w.clock.advance(5 * time.Minute)
	var wg sync.WaitGroup
	var probed domain.AnalysisResult
	wg.Go(func() {
		probed, _ = a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: entries("x")})
	})
	<-probing
	r, err = analyze(t, a, entries("y"))
	degraded(t, r, err)
	require.NotEmpty(t, a.Degraded(), "open until the probe succeeds")
	close(answer)
	wg.Wait()
	require.Equal(t, openai.Name, probed.Analyzer)
	require.Empty(t, a.Degraded())
	require.EqualValues(t, 2, n.Load())
}

// A probe that the caller gives up must not leave the breaker half-open for ever.
func TestAProbeThatIsGivenUpIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		switch n.Add(1) {
		case 1:
			reply(w, http.StatusUnauthorized, `{}`)
		case 2:
			cancel()
			<-r.Context().Done()
		default:
			plausible(w, r, q)
		}
	})
	w := newWorld(s.URL)
	a := w.analyzer(t)
	r, err := analyze(t, a, entries("x"))
	degraded(t, r, err)
	w.clock.advance(5 * time.Minute)
	_, err = a.Analyze(ctx, domain.AnalysisRequest{Logs: entries("x")})
	require.ErrorIs(t, err, context.Canceled)
	r, err = analyze(t, a, entries("x"))
	require.NoError(t, err)
	require.Equal(t, openai.Name, r.Analyzer)
}
