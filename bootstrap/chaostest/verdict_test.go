package chaostest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/chaostest"
)

func TestAFailoverExcusesWhatItExplains(t *testing.T) {
	t.Parallel()
	// The newest call of newHistory ends at 7.1; one without a reply began at 6.
	lost := func(died float64) (broken, excused []string) {
		h := newHistory()
		h.Final, h.Stats.Completed = nil, 0
		if died > 0 {
			at := epoch + int64(died*float64(second))
			h.MasterDied = chaostest.Moment{From: at, To: at}
		}
		b, e := chaostest.Verdict(h.Observation, t.TempDir())
		for _, v := range b {
			broken = append(broken, v.Invariant)
		}
		for _, v := range e {
			excused = append(excused, v.Invariant)
		}
		return broken, excused
	}
	for name, c := range map[string]struct {
		died            float64
		broken, excused []string
	}{
		"no master has died":          {0, []string{"I1"}, nil},
		"it died soon after a call":   {8, nil, []string{"I1"}},
		"it died long after a call":   {30, []string{"I1"}, nil},
		"it died while a call waited": {7.05, nil, []string{"I1"}},
	} {
		t.Run(name, func(t *testing.T) {
			broken, excused := lost(c.died)
			require.Equal(t, c.broken, broken)
			require.Equal(t, c.excused, excused)
		})
	}

	h := newHistory()
	h.MasterDied = chaostest.Moment{From: epoch + 7*second, To: epoch + 7*second}
	h.Stats.Completed = 2
	broken, excused := chaostest.Verdict(h.Observation, t.TempDir())
	require.Len(t, broken, 1, "the statistics are judged whatever died")
	require.Equal(t, "I9", broken[0].Invariant)
	require.Empty(t, excused)
}
