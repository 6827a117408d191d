package chaos_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap/systemtest/chaos"
	"logsift/domain"
)

// graph is a workflow and what its handlers do.
type graph struct {
	// nodes are in an order in which each comes after its predecessors.
	nodes  []wire.WorkflowTask
	places map[string]int
	// fails are whose runs fail for good, broken those of which fail until they are mended.
	fails, broken []bool
}

// ends returns how the nodes end. What has completed stays so.
func (g *graph) ends(first []domain.TaskStatus, mended bool) []domain.TaskStatus {
	out := make([]domain.TaskStatus, len(g.nodes))
	for i := range out {
		if first != nil && first[i] == completed {
			out[i] = completed
			continue
		}
		out[i] = g.own(i, mended)
		if !g.met(i, out) {
			out[i] = cancelled
		}
	}
	return out
}

// own is how a node ends if it runs.
func (g *graph) own(i int, mended bool) domain.TaskStatus {
	if g.fails[i] || g.broken[i] && !mended {
		return failed
	}
	return completed
}

// met reports whether these ends are what a node waits for.
func (g *graph) met(i int, ends []domain.TaskStatus) bool {
	when, err := domain.ParseWhen(g.nodes[i].When)
	return err == nil && !slices.ContainsFunc(g.nodes[i].After, func(ref string) bool {
		end := ends[g.places[ref]]
		return !end.Terminal() || !when.Met(end)
	})
}

// judge says what is wrong with a workflow and the runs of its tasks.
func (f *flow) judge(runs map[string][]chaos.Run) []string {
	first := statuses(f.first)
	rounds := []round{{flow: f, tasks: f.first, want: f.graph.ends(nil, false), cancelled: f.cancelledAt}}
	if f.second != nil {
		rounds = append(rounds, round{flow: f, tasks: f.second, before: f.first, want: f.graph.ends(first, true), mended: true})
	}
	var wrong []string
	ended := make([]int64, len(f.graph.nodes))
	for n := range rounds {
		for i := range f.graph.nodes {
			if fault := rounds[n].judge(i, runs[f.first[i].ID.String()], ended); fault != "" {
				wrong = append(wrong, fmt.Sprintf("workflow %v, round %d, %s (%s after %v): %s", f.id, n+1, f.graph.nodes[i].Ref, f.graph.nodes[i].When, f.graph.nodes[i].After, fault))
			}
		}
	}
	return wrong
}

func statuses(tasks []*domain.Task) []domain.TaskStatus {
	out := make([]domain.TaskStatus, len(tasks))
	for i, t := range tasks {
		out[i] = t.Status
	}
	return out
}

// round is a workflow from its begin, or from when it was run again, to its end.
type round struct {
	*flow

	// tasks are as they are at its end, before as they were at its begin, nil for the first.
	tasks, before []*domain.Task
	want          []domain.TaskStatus
	mended        bool
	// cancelled is when its cancellation began, 0 for none. Then want is not all that may be.
	cancelled int64
}

// judge says what is wrong with a node, and notes the earliest time at which it can have ended
// in ended, which has those of its predecessors.
func (o *round) judge(i int, runs []chaos.Run, ended []int64) string {
	task, from := o.tasks[i], 0
	if o.before != nil {
		from = o.before[i].Deliveries
		if o.before[i].Status == completed {
			if task.Status != completed || task.Deliveries != from {
				return fmt.Sprintf("it was completed, and is %v after %d more runs", task.Status, task.Deliveries-from)
			}
			return ""
		}
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r chaos.Run) bool { return r.Fence <= from || r.Fence > task.Deliveries })
	byPerson := o.cancelled != 0 && task.Status == cancelled
	switch {
	case byPerson:
	case o.cancelled == 0 && task.Status != o.want[i],
		o.cancelled != 0 && (task.Status != o.graph.own(i, o.mended) || !o.graph.met(i, statuses(o.tasks))):
		return fmt.Sprintf("it is %v, not %v", task.Status, o.want[i])
	}
	begin := int64(0) // when it may have begun: its predecessors have ended
	for _, ref := range o.graph.nodes[i].After {
		begin = max(begin, ended[o.graph.places[ref]])
	}
	for _, run := range runs {
		if run.Start < begin {
			return fmt.Sprintf("the run %d of %s began %v before its predecessors had ended", run.Fence, run.Proc, time.Duration(begin-run.Start))
		}
	}
	switch task.Status {
	case cancelled:
		if !byPerson && len(runs) > 0 {
			return fmt.Sprintf("it was dropped and has run: %+v", runs)
		}
		// The first predecessor that ended otherwise has ended it, or a person.
		ended[i] = o.cancelled
		for _, ref := range o.graph.nodes[i].After {
			if at := ended[o.graph.places[ref]]; ended[i] == 0 || at < ended[i] {
				ended[i] = at
			}
		}
		return ""
	case completed:
		var result struct{ Fence int }
		if err := json.Unmarshal(task.Result, &result); err != nil {
			return err.Error()
		}
		n := slices.IndexFunc(runs, func(r chaos.Run) bool { return r.Fence == result.Fence })
		if n < 0 || runs[n].Result != string(task.Result) || result.Fence != task.Deliveries {
			return fmt.Sprintf("no run has its result %s of %d: %+v", task.Result, task.Deliveries, runs)
		}
		ended[i] = runs[n].End
		return o.looked(i, runs[n])
	default:
		// Of the failures the first counts: a retry that is repeated makes more.
		for _, run := range runs {
			if run.End != 0 && run.Result == "" && (ended[i] == 0 || run.End < ended[i]) {
				ended[i] = run.End
			}
		}
		if ended[i] == 0 {
			return "it has failed without a run"
		}
		return ""
	}
}

// looked says what is wrong with what a run saw of its predecessors.
func (o *round) looked(i int, run chaos.Run) string {
	after := o.graph.nodes[i].After
	seen := make([]domain.TaskStatus, len(o.tasks))
	for n, status := range run.Before {
		if n < len(after) {
			seen[o.graph.places[after[n]]] = status
		}
	}
	if len(run.Before) != len(after) || !o.graph.met(i, seen) {
		return fmt.Sprintf("it ran and saw %v", run.Before)
	}
	return ""
}

// TestTheJudgeOfWorkflows has it find each thing that can be wrong.
func TestTheJudgeOfWorkflows(t *testing.T) {
	t.Parallel()
	type seen struct {
		first, second []*domain.Task
		runs          []chaos.Run
	}
	for name, c := range map[string]struct {
		harm func(s *seen)
		want string
	}{
		"nothing":                  {func(*seen) {}, ""},
		"another end":              {func(s *seen) { s.first[2].Status = failed }, "n2 ( after [n0]): it is FAILED, not COMPLETED"},
		"run too early":            {func(s *seen) { s.runs[2].Start = 1 }, "the run 1 of p began 1ns before its predecessors had ended"},
		"saw another state":        {func(s *seen) { s.runs[2].Before[0] = failed }, "it ran and saw [FAILED]"},
		"saw nothing":              {func(s *seen) { s.runs[2].Before = nil }, "it ran and saw []"},
		"dropped and run":          {func(s *seen) { s.first[3].Deliveries, s.runs[3].Fence = 1, 1; s.second[3].Deliveries = 1 }, "it was dropped and has run"},
		"a result of no run":       {func(s *seen) { s.runs[0].Result = "{}" }, "no run has its result"},
		"failed by itself":         {func(s *seen) { s.runs = s.runs[2:] }, "it has failed without a run"},
		"not run again":            {func(s *seen) { s.second[1].Status = failed }, "round 2, n1 ( after []): it is FAILED, not COMPLETED"},
		"completed and run again":  {func(s *seen) { s.second[0].Deliveries++ }, "it was completed, and is COMPLETED after 1 more runs"},
		"run again before another": {func(s *seen) { s.runs[3].Start = 5 }, "round 2, n3 ( after [n1]): the run 1 of p began 1ns before"},
	} {
		g := &graph{places: map[string]int{"n0": 0, "n1": 1, "n2": 2, "n3": 3}, fails: make([]bool, 4), broken: []bool{false, true, false, false}}
		g.nodes = []wire.WorkflowTask{{Ref: "n0"}, {Ref: "n1"}, {Ref: "n2", After: []string{"n0"}}, {Ref: "n3", After: []string{"n1"}}}
		tasks := func(ends ...domain.TaskStatus) (out []*domain.Task) {
			for i, end := range ends {
				out = append(out, &domain.Task{ID: uuid.UUID{byte(i)}, Status: end, Deliveries: 1, Result: fmt.Appendf(nil, `{"fence":1,"of":%d}`, i)})
			}
			return out
		}
		s := seen{first: tasks(completed, failed, completed, cancelled), second: tasks(completed, completed, completed, completed)}
		s.first[3].Deliveries = 0
		s.second[1].Deliveries, s.second[1].Result = 2, []byte(`{"fence":2}`)
		run := func(i int, fence int, end int64, result string, before ...domain.TaskStatus) {
			s.runs = append(s.runs, chaos.Run{Start: end - 1, End: end, Proc: "p", Task: s.first[i].ID.String(), Fence: fence, Result: result, Before: before})
		}
		run(0, 1, 2, string(s.first[0].Result))
		run(1, 1, 3, "")
		run(2, 1, 4, string(s.first[2].Result), completed)
		run(3, 1, 8, string(s.second[3].Result), completed)
		run(1, 2, 6, string(s.second[1].Result))
		c.harm(&s)
		runs := map[string][]chaos.Run{}
		for _, r := range s.runs {
			runs[r.Task] = append(runs[r.Task], r)
		}
		wrong := strings.Join((&flow{graph: g, first: s.first, second: s.second}).judge(runs), "\n")
		if c.want == "" {
			require.Empty(t, wrong, name)
		} else {
			require.Contains(t, wrong, c.want, name)
		}
	}
}
