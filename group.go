package logsift

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// Result is what came of one task of a group: a Value, or an error as a handler of [Handle]
// returns one.
type Result[Out any] struct {
	Value Out
	Err   error
}

// HandleGroup is [Handle] for tasks that are better run together, such as those that one call
// to another service does: tasks of one [Group] are gathered until they are as many as
// [GroupSize] says, or one is as old as [GroupAge] says, and f runs them at once, in one slot.
//
// It returns one result for each payload, in their order; each task is then completed,
// retried, failed or snoozed by its own. An error of f, a panic, the shortest of the
// time-outs, and another number of results are those of all. A payload that is no In fails its
// task for good, and f does not get it. A task that has no group, such as one of a workflow,
// is a group of one.
//
// [TaskIn] is for what concerns one task. With the context of f, [Progress] and the log of
// [Task] are of all, and the rest of Task is of the first. So is what middleware sees; an error
// that it returns is that of all.
func HandleGroup[In, Out any](q *Queue, name string, f func(ctx context.Context, in []In) ([]Result[Out], error), opts ...Option) *Type[In, Out] {
	size := func(t *domain.Task) { t.GroupSize = domain.DefaultGroupSize }
	return newType[In, Out](q, name, groupHandler(func(ctx context.Context, tasks []*domain.Task) ([]ports.TaskResult, error) {
		return runGroup(ctx, tasks, f)
	}), append([]Option{size}, opts...))
}

// Group gathers the task with others of its queue and type that have the same group, as
// [HandleGroup] says. It excludes [In], [At] and [Key]. Where there is a [GroupSize] or a
// [GroupAge] and none of these four, the group is "default".
func Group(name string) Option { return func(t *domain.Task) { t.Group = name } }

// GroupSize is how many tasks of a group run at once at most, from 2 to 1000. It is 100 unless
// set.
func GroupSize(n int) Option { return func(t *domain.Task) { t.GroupSize = n } }

// GroupAge is how long a task waits for others of its group at most, to 24 hours. It is 10 s
// unless set.
func GroupAge(d time.Duration) Option { return func(t *domain.Task) { t.GroupAge = d } }

// defaultGroup is the group of tasks that are to be gathered and name none.
const defaultGroup = "default"

// setGroup names the group of a task that is to be gathered, if it can be.
func setGroup(t *domain.Task) {
	switch {
	case t.Group != "" || t.GroupSize == 0 && t.GroupAge == 0:
	case t.Delay == 0 && t.ScheduledAt.IsZero() && t.Key == "":
		t.Group = defaultGroup
	default:
		t.GroupSize, t.GroupAge = 0, 0
	}
}

// TaskIn returns a context for the i-th payload of a handler of [HandleGroup], whose context
// is ctx, or one made of it: [Task] and [Progress] know the task by it. It has the values and the deadline of
// ctx, ends with it, and before if this task was cancelled, so that its result is not needed any more. Each
// call makes one that is kept until the run ends.
func TaskIn(ctx context.Context, i int) context.Context {
	g, ok := ctx.Value(groupKey{}).(*groupRun)
	if !ok {
		return ctx
	}
	place := g.places[i]
	return context.WithValue(application.MemberContext(ctx, place), runKey{}, g.tasks[place])
}

type groupKey struct{}

// groupRun is a run of several tasks, on its way through the middleware.
type groupRun struct {
	tasks   []*domain.Task
	results []ports.TaskResult
	// places are those of the tasks whose payloads the handler gets.
	places []int
}

// groupHandler runs the tasks of a group.
type groupHandler func(ctx context.Context, tasks []*domain.Task) ([]ports.TaskResult, error)

// Process runs what the context says, or the one task.
func (h groupHandler) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	if g, ok := ctx.Value(groupKey{}).(*groupRun); ok {
		var err error
		g.results, err = h(ctx, g.tasks)
		return nil, err
	}
	g := &groupRun{tasks: []*domain.Task{task}}
	results, err := h(context.WithValue(ctx, groupKey{}, g), g.tasks)
	if err != nil {
		return nil, err
	}
	return results[0].Result, results[0].Err
}

// groupProcessor runs the groups of a type through the middleware, each run once.
type groupProcessor struct{ *processor }

func (p groupProcessor) ProcessGroup(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
	g := &groupRun{tasks: tasks}
	result, err := p.Process(context.WithValue(ctx, groupKey{}, g), tasks[0])
	if err != nil || g.results == nil { // Middleware may have answered by itself.
		return slices.Repeat([]ports.TaskResult{{Result: result, Err: err}}, len(tasks))
	}
	return g.results
}

// runGroup runs a handler on the payloads of tasks.
func runGroup[In, Out any](ctx context.Context, tasks []*domain.Task, f func(context.Context, []In) ([]Result[Out], error)) ([]ports.TaskResult, error) {
	results := make([]ports.TaskResult, len(tasks))
	var in []In
	var places []int
	for i, task := range tasks {
		payload, err := decodePayload[In](task)
		if err != nil {
			results[i].Err = err
			continue
		}
		in, places = append(in, payload), append(places, i)
	}
	if len(in) == 0 {
		return results, nil
	}
	if g, ok := ctx.Value(groupKey{}).(*groupRun); ok {
		g.places = places
	}
	out, err := f(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(out) != len(in) {
		return nil, fmt.Errorf("the handler gave %d results for the %d tasks of a group", len(out), len(in))
	}
	for i, r := range out {
		result := &results[places[i]]
		if result.Err = r.Err; r.Err == nil {
			result.Result, result.Err = encodeResult(tasks[places[i]], r.Value)
		}
	}
	return results, nil
}

func decodePayload[In any](task *domain.Task) (in In, err error) {
	if err := json.Unmarshal(task.Payload, &in); err != nil {
		return in, domain.Permanent(fmt.Errorf("payload of a task %s: %w", task.Type, err))
	}
	return in, nil
}

func encodeResult(task *domain.Task, out any) ([]byte, error) {
	result, err := json.Marshal(out)
	if err != nil {
		return nil, domain.Permanent(fmt.Errorf("result of a task %s: %w", task.Type, err))
	}
	return result, nil
}
