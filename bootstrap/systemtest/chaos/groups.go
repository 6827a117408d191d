package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// The invariants of a storm of groups.
const (
	invTogether  Invariant = "runs of one group"
	invGroupSize Invariant = "size of a group"
	invGroupAge  Invariant = "age of a group"
	invOwnAnswer Invariant = "an answer for each task"
)

const (
	groupType       = domain.TaskType("grouped")
	groupAge        = time.Second
	groupStormLasts = 6 * time.Second
	// groupPatience is how long a task may wait for its first run: until its age, and then
	// for some workers that die with it.
	groupPatience = groupAge + 12*time.Second
)

// GroupStorm has processes run the tasks of groups together, while they are killed.
type GroupStorm struct {
	stormWorkers

	store ports.TaskQueue
	dir   string
	r     *rand.Rand
	tasks map[string]*domain.Task
	kills int
	// full and partial count the runs that had their size, and those of several tasks that
	// had less.
	full, partial int
	wrong         []Violation
}

// NewGroupStorm starts three workers on the store, which child says how to open. Close it.
func NewGroupStorm(store ports.TaskQueue, child ChildConfig, seed uint64) (*GroupStorm, error) {
	s := &GroupStorm{store: store, dir: child.Dir, r: rand.New(rand.NewPCG(seed, seed)), tasks: map[string]*domain.Task{}}
	var err error
	s.stormWorkers, err = startWorkers(child, groupType)
	return s, err
}

// Run carries out the storm, and returns what does not hold once all tasks have ended.
func (s *GroupStorm) Run(ctx context.Context) ([]Violation, error) {
	for began := time.Now(); time.Since(began) < groupStormLasts; {
		if _, err := s.store.Enqueue(ctx, s.some()...); err != nil {
			return nil, err
		}
		pause(ctx, time.Duration(50+s.r.IntN(150))*time.Millisecond)
		if s.r.IntN(3) == 0 {
			p := s.stormWorkers[s.kills%len(s.stormWorkers)]
			p.Kill()
			p.Start()
			s.kills++
		}
	}
	undrained, err := drain(ctx, s.store, drainLimit)
	if err != nil {
		return nil, err
	}
	if undrained != "" {
		s.report(invDrained, "", "%s", undrained)
	}
	for _, p := range s.stormWorkers {
		err = errors.Join(err, p.Stop())
		for _, f := range p.Faults() {
			err = errors.Join(err, errors.New(f))
		}
	}
	if err := errors.Join(append(Crashes(s.dir), err, ctx.Err())...); err != nil {
		return nil, err
	}
	finals, err := listAll(ctx, s.store)
	if err != nil {
		return nil, err
	}
	runs, err := ReadRuns(s.dir)
	if err != nil {
		return nil, err
	}
	s.judge(finals, runs)
	return s.wrong, nil
}

// some are some new tasks of groups.
func (s *GroupStorm) some() []*domain.Task {
	tasks := make([]*domain.Task, 1+s.r.IntN(12))
	for i := range tasks {
		id := uuid.Must(uuid.NewV7())
		plan := taskPlan{Millis: 1 + s.r.IntN(60)}
		switch n := s.r.IntN(100); {
		case n < 12:
			plan.Failures = 1 + s.r.IntN(2)
		case n < 20:
			plan.Snoozes = 1
		case n < 24:
			plan.Permanent = true
		}
		raw, err := json.Marshal(payload{LogIDs: []string{id.String()}, Plan: &plan})
		if err != nil {
			panic(err) // Structs of strings and numbers always marshal.
		}
		t := domain.NewTask(id, groupType, raw)
		n := s.r.IntN(3)
		t.Group, t.GroupSize, t.GroupAge, t.Priority = "g"+strconv.Itoa(n), 3+3*n, groupAge, domain.Priority(s.r.IntN(3))
		tasks[i], s.tasks[id.String()] = t, t
	}
	return tasks
}

// judge judges how the tasks ended, and the runs that processors wrote down.
func (s *GroupStorm) judge(finals []*domain.Task, runs []Run) {
	if len(finals) != len(s.tasks) {
		s.report(invDrained, "", "there are %d tasks of %d", len(finals), len(s.tasks))
	}
	first, together, answered := map[string]int64{}, map[string][]Run{}, map[string]bool{}
	for _, r := range runs {
		if at, ok := first[r.Task]; !ok || r.Start < at {
			first[r.Task] = r.Start
		}
		if r.Together != "" {
			together[r.Together] = append(together[r.Together], r)
		}
		if r.End != 0 {
			answered[r.Task+r.Result] = true
		}
	}
	for _, t := range finals {
		id, plan := t.ID.String(), planOf(t.Payload)
		want := domain.TaskStatusCompleted
		if plan.Permanent {
			want = domain.TaskStatusFailed
		}
		if t.Status != want || t.Attempt != plan.Failures+1 {
			s.report(invOwnAnswer, id, "it is %s after %d attempts, where its plan is %+v", t.Status, t.Attempt, plan)
		}
		if t.Status == domain.TaskStatusCompleted && !answered[id+string(t.Result)] {
			s.report(invOwnAnswer, id, "no run of it gave the result %s", t.Result)
		}
		if waited := time.Duration(first[id] - t.CreatedAt.UnixNano()); waited > groupPatience {
			s.report(invGroupAge, id, "its first run began %v after its creation", waited)
		}
	}
	for _, members := range together {
		s.judgeRun(members)
	}
}

// judgeRun judges the tasks that one call of a processor had.
func (s *GroupStorm) judgeRun(members []Run) {
	of, size := s.tasks[members[0].Task], 0
	seen := map[string]bool{}
	for _, r := range members {
		t := s.tasks[r.Task]
		if t == nil || of == nil || !t.SameGroup(of) {
			s.report(invTogether, r.Task, "it ran together with %s of another group", members[0].Task)
			return
		}
		if seen[r.Task] {
			s.report(invTogether, r.Task, "it was twice in a run")
		}
		seen[r.Task], size = true, t.GroupSize
	}
	switch {
	case len(members) > size:
		s.report(invGroupSize, members[0].Task, "%d tasks ran together, where at most %d may", len(members), size)
	case len(members) == size:
		s.full++
	default:
		s.partial++
	}
}

func (s *GroupStorm) report(invariant Invariant, task, format string, args ...any) {
	s.wrong = append(s.wrong, Violation{Invariant: invariant, Task: task, Detail: fmt.Sprintf(format, args...)})
}

// Summary says what the storm has met.
func (s *GroupStorm) Summary() string {
	return fmt.Sprintf("%d tasks, %d kills; %d runs of full groups, %d of others", len(s.tasks), s.kills, s.full, s.partial)
}

// Weak returns an error if the storm has met too little to show anything.
func (s *GroupStorm) Weak() error {
	if s.kills < 5 || s.full < 5 || s.partial < 5 {
		return errors.New(s.Summary())
	}
	return nil
}
