package chaos

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The judge of limits finds each fault of a history that has one.
func TestTheJudgeOfLimits(t *testing.T) {
	t.Parallel()
	const ms = int64(time.Millisecond)
	bounds := map[string]*bound{
		"one": {spans: []span{{to: 1000 * ms, most: 1}, {from: 900 * ms, most: 2}}},
	}
	tasks := map[string]*limitedTask{}
	for i := range 3 {
		tasks[fmt.Sprint("t", i)] = &limitedTask{under: []under{{"g", "one"}}}
		tasks[fmt.Sprint("l", i)] = &limitedTask{line: "k", number: i}
	}
	tasks["p"] = &limitedTask{}
	claim := func(task string, granted, ends int64) limitedRun {
		return limitedRun{task: task, granted: granted * ms, ends: ends * ms}
	}
	var fast []limitedRun
	for i := range int64(64) {
		c := claim("p", i*40, i*40+1)
		c.queue = pacedQueue
		fast = append(fast, c)
	}
	for name, test := range map[string]struct {
		claims []limitedRun
		wrong  Invariant
	}{
		"one after the other":          {[]limitedRun{claim("t0", 1, 50), claim("t1", 50, 90)}, ""},
		"two at once":                  {[]limitedRun{claim("t0", 1, 80), claim("t1", 50, 90)}, invRunLimit},
		"beside one whose lease ended": {[]limitedRun{claim("t0", 1, 0), claim("t1", 50, 90)}, ""},
		"two while it is raised":       {[]limitedRun{claim("t0", 850, 980), claim("t1", 950, 990)}, ""},
		"three after that":             {[]limitedRun{claim("t0", 1100, 1180), claim("t1", 1110, 1190), claim("t2", 1120, 1130)}, invRunLimit},
		"again and then the next":      {[]limitedRun{claim("l0", 1, 10), claim("l0", 20, 30), claim("l1", 30, 40)}, ""},
		"overtaken":                    {[]limitedRun{claim("l0", 1, 10), claim("l1", 20, 30), claim("l0", 30, 40)}, invOrder},
		"at the rate":                  {fast[:63], ""},
		"too fast":                     {fast, invRate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &LimitStorm{bounds: bounds, tasks: tasks, unpaced: math.MaxInt64}
			s.judgeRuns(test.claims)
			if test.wrong == "" {
				require.Empty(t, s.wrong)
				return
			}
			require.Len(t, s.wrong, 1)
			require.Equal(t, test.wrong, s.wrong[0].Invariant)
		})
	}
}

// A look may see more than a limit only of those that it saw before.
func TestTheLooksAtLimits(t *testing.T) {
	t.Parallel()
	g, counted := under{"g", "two"}, under{countPrefix + "two", "two"}
	for name, test := range map[string]struct {
		before, now map[under]int
		wrong       int
	}{
		"as many as may":   {nil, map[under]int{g: 2}, 0},
		"more":             {map[under]int{g: 2}, map[under]int{g: 3}, 1},
		"lowered":          {map[under]int{g: 3}, map[under]int{g: 3}, 0},
		"more are counted": {map[under]int{counted: 1}, map[under]int{counted: 3}, 1},
		"new":              {nil, map[under]int{counted: 3}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &LimitStorm{bounds: map[string]*bound{"two": {spans: []span{{most: 2}}}}}
			s.note(test.now, test.before, time.Now(), time.Now())
			require.Len(t, s.wrong, test.wrong)
		})
	}
}
