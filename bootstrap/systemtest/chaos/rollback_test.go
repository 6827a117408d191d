package chaos_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/chaos"
	"logsift/domain"
)

// at is a time of a history made by hand, in nanoseconds.
func at(seconds float64) int64 { return epoch + int64(seconds*float64(second)) }

// verdict judges a history in which Redis went back to what it had between the
// first two times, at the third, and served again at the last.
func verdict(t *testing.T, h history, times ...float64) (broken string, lost int) {
	t.Helper()
	if len(times) > 0 {
		h.Rollbacks = []chaos.Rollback{{From: at(times[0]), Known: at(times[1]), To: at(times[2]), Back: at(times[3])}}
	}
	found, lost := chaos.Verdict(h.Observation, t.TempDir())
	var out []string
	for _, v := range found {
		out = append(out, v.String())
	}
	return strings.Join(out, "\n"), lost
}

func TestARollbackExcusesWhatItHasTakenBack(t *testing.T) {
	t.Parallel()
	endAgain := func(h history) {
		h.claim(10, "c", 3)
		h.report(11, chaos.OpComplete, "c", 3)
		h.completed("c", 2, 3, 1)
	}
	look := func(seconds float64) func(history) {
		return func(h history) {
			h.add(seconds, chaos.Event{Proc: "client", Op: chaos.OpGet, Outcome: chaos.Fail, Out: chaos.NotFound})
			endAgain(h)
		}
	}
	for name, c := range map[string]struct {
		change func(h history)
		times  []float64
		want   string
		lost   int
	}{
		"no rollback": {
			change: func(h history) { h.Final, h.Stats = nil, domain.QueueStats{} },
			want:   "an acknowledged task is never lost: it is not in the store",
		},
		"an enqueue in its time is lost": {
			change: func(h history) { h.Final, h.Stats = nil, domain.QueueStats{} },
			times:  []float64{0, .1, 8, 9},
			lost:   1,
		},
		"an enqueue before its time is lost": {
			change: func(h history) { h.Final, h.Stats = nil, domain.QueueStats{} },
			times:  []float64{2, 2.1, 8, 9},
			want:   "an acknowledged task is never lost: it is not in the store",
		},
		"an enqueue after its time is lost": {
			change: func(h history) { h.Final, h.Stats = nil, domain.QueueStats{} },
			times:  []float64{0, .1, .2, .3},
			want:   "an acknowledged task is never lost: it is not in the store",
		},
		"an end in its time is undone, and another follows": {
			change: endAgain,
			times:  []float64{4, 4.1, 8, 9},
		},
		"a look in its time finds a task no more that had ended": {
			change: look(7.5),
			times:  []float64{4, 4.1, 8, 9},
		},
		"a look after it finds a task no more": {
			change: look(9.5),
			times:  []float64{4, 4.1, 8, 9},
			want:   "it was not found after it was acknowledged",
		},
		"an end in its time is there all the same": {
			change: func(h history) {
				h.anew()
				h.report(6, chaos.OpComplete, "a", 1)
				h.completed("a", 1, 1, 0)
			},
			times: []float64{4, 4.1, 8, 9},
			want:  "no task is invented or doubled: it is COMPLETED, and nobody has asked for that",
		},
		"a run that was undone is accepted": {
			change: func(h history) { h.report(10, chaos.OpRetry, "b", 3); h.final(domain.TaskStatusFailed, 2, 3, 1) },
			times:  []float64{4, 4.1, 5.6, 9},
			want:   "fences strictly increase, and no report with an older one is accepted: no order of the calls explains",
		},
		"two ends are accepted after it": {
			change: func(h history) {
				h.claim(10, "c", 3)
				h.report(11, chaos.OpComplete, "c", 3)
				h.claim(14, "d", 4)
				h.report(15, chaos.OpComplete, "d", 4)
				h.completed("d", 3, 4, 1)
			},
			times: []float64{4, 4.1, 8, 9},
			want:  "at most one end of a task is accepted, and its result is kept: 2 reports",
		},
		"the statistics are judged in full": {
			change: func(h history) { h.Stats.Completed = 2 },
			times:  []float64{20, 20, 21, 22},
			want:   string(chaos.CountedOnce),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory()
			c.change(h)
			broken, lost := verdict(t, h, c.times...)
			if c.want == "" {
				require.Empty(t, broken)
			} else {
				require.Contains(t, broken, c.want)
			}
			require.Equal(t, c.lost, lost)
		})
	}
}
