package application

import (
	"context"
	"fmt"
	"sync/atomic"

	"logsift/domain"
	"logsift/ports"
)

// groupRun are the runs of a group that one processor has at once. They share the slot of
// the first, which is the one that the pool knows.
type groupRun struct {
	runs []*run
	// contexts are theirs, once they have begun. Each ends with that of the group, or
	// before if its own lease is lost.
	contexts []context.Context
	// live is how many of the contexts have not ended by themselves.
	live atomic.Int64
}

func (g *groupRun) tasks() []*domain.Task {
	tasks := make([]*domain.Task, len(g.runs))
	for i, r := range g.runs {
		tasks[i] = r.task
	}
	return tasks
}

// all are the runs of the slot of r: those of its group, or r alone.
func (r *run) all() []*run {
	if r.group != nil {
		return r.group.runs
	}
	return r.self[:]
}

// gather puts runs of one group together, if their processor takes them so: behind the first
// as many as it says. It returns the runs that want a slot.
func (f *fetcher) gather(runs []*run) []*run {
	type key struct {
		queue, group string
		typ          domain.TaskType
	}
	var first map[key]*run
	slots := runs[:0]
	for _, r := range runs {
		if r.info.Group == "" {
			slots = append(slots, r)
			continue
		}
		if _, together := f.registry.lookup(r.info.Type).(ports.GroupProcessor); !together {
			slots = append(slots, r)
			continue
		}
		if first == nil {
			first = map[key]*run{}
		}
		at := key{r.info.Queue, r.info.Group, r.info.Type}
		lead := first[at]
		if lead == nil || len(lead.all()) >= lead.info.GroupSize {
			first[at], slots = r, append(slots, r)
			continue
		}
		if lead.group == nil {
			lead.group = &groupRun{runs: []*run{lead}}
		}
		lead.group.runs = append(lead.group.runs, r)
	}
	return slots
}

// beginGroup begins those runs of a group whose leases are held, and gives the others back.
// It returns nil if none is left, and else the context of all.
func (s *DefaultScheduler) beginGroup(held context.Context, cancel context.CancelCauseFunc, lead *run) context.Context {
	g := lead.group
	g.live.Store(int64(len(g.runs)))
	end := func(cause error) {
		if g.live.Add(-1) == 0 {
			cancel(cause)
		}
	}
	claimed := g.runs
	g.runs = make([]*run, 0, len(claimed))
	for _, r := range claimed {
		ctx, cancelOne := context.WithCancelCause(context.WithValue(held, runKey{}, currentRun{DefaultScheduler: s, run: r}))
		stop := func(cause error) {
			cancelOne(cause)
			end(cause)
		}
		if !s.leases.begin(r, stop) {
			stop(nil)
			s.releaseOne(r)
			continue
		}
		g.runs, g.contexts = append(g.runs, r), append(g.contexts, ctx)
		s.noteBegun(r)
	}
	if len(g.runs) == 0 {
		return nil
	}
	return context.WithValue(held, runKey{}, currentRun{DefaultScheduler: s, run: lead, group: g})
}

// processGroup runs a processor of groups.
func processGroup(ctx context.Context, p ports.TaskProcessor, g *groupRun) runResult {
	// A group is gathered for such a processor only.
	answers := p.(ports.GroupProcessor).ProcessGroup(ctx, g.tasks()) //nolint:forcetypeassert // See above.
	if len(answers) != len(g.runs) {
		return runResult{err: fmt.Errorf("the processor gave %d answers for the %d tasks of a group", len(answers), len(g.runs))}
	}
	res := runResult{each: make([]runResult, len(answers))}
	for i, a := range answers {
		res.each[i] = runResult{result: a.Result, err: plainError(a.Err)}
	}
	return res
}

// settle decides what follows a run, or each of a group, that ended for the given cause, and
// hands that to the reporter: of a group at once, so that those that fail together are due
// together again.
func (s *DefaultScheduler) settle(r *run, res runResult, returned bool, cause error) {
	if r.group == nil {
		if rep, ok := s.conclude(r, res, returned, cause); ok {
			s.report(rep)
		}
		return
	}
	reps := make([]report, 0, len(r.group.runs))
	for i, member := range r.group.runs {
		own := res
		if res.each != nil {
			own = res.each[i]
		}
		if rep, ok := s.conclude(member, own, returned, context.Cause(r.group.contexts[i])); ok {
			reps = append(reps, rep)
		}
	}
	s.report(reps...)
}

// MemberContext returns a context for the i-th task that a ports.GroupProcessor was given, of
// whose run ctx is the context, or one made of it: it has the values and the deadline of ctx, ends with it, and
// before if this task was cancelled or its lease is lost, so that its result is not needed any more.
// [Progress] and [Log] with it are of this task, and with ctx of all. Each call makes one that is kept until
// the run ends. For a run of one task it is ctx.
func MemberContext(ctx context.Context, i int) context.Context {
	current, ok := ctx.Value(runKey{}).(currentRun)
	if !ok || current.group == nil {
		return ctx
	}
	member := current.group.contexts[i]
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, runKey{}, member.Value(runKey{})))
	end := func() { cancel(context.Cause(member)) }
	if member.Err() != nil {
		end()
	} else {
		context.AfterFunc(member, end)
	}
	return ctx
}
