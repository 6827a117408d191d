package builtin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/adapters/memstore"
	"logsift/domain"
)

// TestASessionThatTakesLongIsFound delays one step of one session.
func TestASessionThatTakesLongIsFound(t *testing.T) {
	t.Parallel()
	log := madeUpLogs()["traces with dots"]
	log.change = func(i int, steps []step) []step {
		if i == 99 {
			steps[2].after = 8200 * time.Millisecond
		}
		return steps
	}
	var found []domain.Anomaly
	for _, a := range analyse(t, log.write(300)).Anomalies {
		if strings.Contains(a.Evidence, "took") {
			found = append(found, a)
		}
	}
	require.Len(t, found, 1)
	require.Equal(t, domain.AnomalyNumericOutlier, found[0].Kind)
	require.Equal(t, []string{log.id(99)}, found[0].Sessions)
	require.Regexp(t, `took 8\.2 s between ".*stock is asked" and ".*order stored", where 3\d\d ms is usual`, found[0].Evidence)
	require.Contains(t, found[0].Template, "order stored")
}

// TestTheServiceThatBecameSlowComesFirst has traces through a gateway, shops, and stores
// behind them, and makes one of them slow.
func TestTheServiceThatBecameSlowComesFirst(t *testing.T) {
	t.Parallel()
	calls := []struct{ service, what string }{
		{"gateway", "request came"}, {"gateway", "token checked"}, {"shop", "basket asked"}, {"stock", "goods asked"}, {"stock", "rows fetched"}, {"stock", "goods found"},
		{"shop", "goods priced"}, {"price", "price asked"}, {"price", "price found"}, {"shop", "basket made"}, {"gateway", "request answered"},
	}
	write := func(slow string, times int) []domain.LogEntry {
		type line struct {
			at            time.Duration
			service, text string
		}
		var all []line
		for i := range 200 {
			at, before := time.Duration(i)*time.Second, ""
			for k, call := range calls {
				took := time.Duration(5+(i*7+k*3)%9) * time.Millisecond
				if (call.service == slow || before == slow) && i > 60 {
					took *= time.Duration(times)
				}
				at, before = at+took, call.service
				all = append(all, line{at, call.service, fmt.Sprintf("INFO trace=%s %s", hexID(i), call.what)})
			}
		}
		slices.SortStableFunc(all, func(a, b line) int { return int(a.at - b.at) })
		lines := make([]string, len(all))
		for i, l := range all {
			lines[i] = at(l.at, "%s", l.text)
		}
		out := entries("mesh", lines...)
		for i, l := range all {
			out[i].Attributes = map[string]string{"service": l.service}
		}
		return out
	}
	a := builtin.New(builtin.Config{Documents: memstore.NewLogRepository(memstore.Config{})})
	analyze := func(logs []domain.LogEntry, learn bool) domain.AnalysisResult {
		r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs, Baseline: "normal", Learn: learn})
		require.NoError(t, err)
		return r
	}
	analyze(write("", 1), true)
	require.Empty(t, analyze(write("", 1), false).Anomalies)
	for _, slow := range []string{"gateway", "shop", "stock", "price"} {
		for _, times := range []int{3, 30} {
			r := analyze(write(slow, times), false)
			require.NotEmpty(t, r.Anomalies, "%s, %d times slower", slow, times)
			require.Equal(t, slow, domain.RankServices(r.Anomalies)[0].Name, "%d times slower: %v", times, r.Anomalies[0].Evidence)
			require.Equal(t, domain.SeverityHigh, r.Anomalies[0].Severity)
			require.Contains(t, r.Anomalies[0].Evidence, "usual by what was learned")
		}
	}
}
