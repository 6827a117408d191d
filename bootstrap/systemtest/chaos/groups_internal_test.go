package chaos

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestTheStormOfGroupsSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	created := time.Unix(1_000_000, 0)
	// judged is what is found of three tasks of one group of three, that ran together.
	judged := func(change func(tasks []*domain.Task, runs []Run) []Run) (out []Invariant) {
		s := &GroupStorm{r: rand.New(rand.NewPCG(1, 1)), tasks: map[string]*domain.Task{}}
		for len(s.tasks) < 3 {
			s.some()
		}
		var tasks []*domain.Task
		var runs []Run
		for id, task := range s.tasks {
			if len(tasks) == 3 {
				delete(s.tasks, id)
				continue
			}
			task.Group, task.GroupSize, task.CreatedAt = "g", 3, created
			task.Payload = []byte(`{"log_ids":["` + id + `"],"plan":{"ms":1}}`)
			task.Status, task.Attempt, task.Result = domain.TaskStatusCompleted, 1, []byte("well")
			tasks = append(tasks, task)
			start := created.Add(time.Second).UnixNano()
			runs = append(runs, Run{Task: id, Together: "run", Start: start, End: start + 1, Result: "well"})
		}
		s.judge(tasks, change(tasks, runs))
		for _, v := range s.wrong {
			out = append(out, v.Invariant)
		}
		return out
	}
	require.Empty(t, judged(func(_ []*domain.Task, runs []Run) []Run { return runs }))
	for want, change := range map[Invariant]func(tasks []*domain.Task, runs []Run) []Run{
		invTogether: func(tasks []*domain.Task, runs []Run) []Run { tasks[1].Group = "h"; return runs },
		invGroupSize: func(tasks []*domain.Task, runs []Run) []Run {
			for _, task := range tasks {
				task.GroupSize = 2
			}
			return runs
		},
		invGroupAge: func(tasks []*domain.Task, runs []Run) []Run {
			tasks[1].CreatedAt = created.Add(-time.Minute)
			return runs
		},
		invOwnAnswer: func(tasks []*domain.Task, runs []Run) []Run { tasks[1].Result = []byte("of another"); return runs },
	} {
		require.Equal(t, []Invariant{want}, judged(change))
	}
}
