package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// LimitStore is a store that keeps limits.
type LimitStore interface {
	ports.TaskQueue
	ports.LimitKeeper
}

// LimitStorm has processes work on tasks that are under limits, while they are killed and
// the limits change. See [NewLimitStorm].
type LimitStorm struct {
	stormWorkers

	store  LimitStore
	dir    string
	r      *rand.Rand
	bounds map[string]*bound
	tasks  map[string]*limitedTask
	// kills counts the faults.
	kills int
	// unpaced is when the rate is removed.
	unpaced int64
	// met is what the history shows, for the summary.
	met limitsMet

	mu    sync.Mutex // guards what follows, which two goroutines note
	wrong []Violation
	looks int
	// full is how many looks have seen all slots of the type taken.
	full int
}

// limitedTask is a task of the storm.
type limitedTask struct {
	id uuid.UUID
	// under are the names of its bounds, each of which is for the tasks of one group.
	under []under
	// line is the key whose tasks run in the order of their numbers; "" for none.
	line   string
	number int
}

// under is a group of tasks with the name of its bound.
type under struct{ group, bound string }

// countPrefix begins the groups that the store counts by itself.
const countPrefix = "count "

// The types and queues of the storm, and its limits.
const (
	scarceType, plainType = domain.TaskType("scarce"), domain.TaskType("plain")
	// ordered has tasks of both types, and keys whose tasks run in order, but for loneKey;
	// loose has keys whose tasks overtake each other.
	orderedQueue, looseQueue, pacedQueue = "ordered", "loose", "paced"
	loneKey                              = "k9"
	pacedPerSecond, pacedBurst           = 20, 2
	// pacedTasks are more than begin within the storm.
	pacedTasks = 240
	// Tasks are enqueued in the first three quarters of the storm, some every roundEvery.
	stormLasts = 9 * time.Second
	roundEvery = 300 * time.Millisecond
	// drainLimit is for a machine that is busy with other things.
	drainLimit = 30 * time.Second
	// lookEvery is how often the store is looked at.
	lookEvery = 20 * time.Millisecond
)

// NewLimitStorm starts three workers on the store, which child says how to open. Close it.
func NewLimitStorm(store LimitStore, child ChildConfig, seed uint64) (*LimitStorm, error) {
	s := &LimitStorm{
		store: store, dir: child.Dir, r: rand.New(rand.NewPCG(seed, seed)),
		bounds: map[string]*bound{}, tasks: map[string]*limitedTask{},
	}
	var err error
	s.stormWorkers, err = startWorkers(child, scarceType, plainType)
	return s, err
}

// set sets a limit, or deletes it if concurrency is 0 and there is no rate.
func (s *LimitStorm) set(ctx context.Context, l domain.Limit, concurrency int) error {
	b := s.bounds[l.Name]
	if b == nil {
		b = &bound{spans: []span{{most: math.MaxInt}}}
		s.bounds[l.Name] = b
	}
	l.Concurrency = concurrency
	most := concurrency
	if most == 0 {
		most = math.MaxInt
		if l.Key != "" {
			most = 1 // The rule holds again.
		}
	}
	if concurrency != 1 {
		l.Retries = ""
	}
	b.change(most)
	defer b.changed()
	if concurrency == 0 && l.Rate == (domain.Rate{}) {
		err := s.store.DeleteLimit(ctx, l.Name)
		if errors.Is(err, domain.ErrLimitNotFound) {
			return nil
		}
		return err
	}
	return s.store.SetLimit(ctx, l)
}

// The limits of the storm; set says their concurrency.
var (
	scarceLimit  = domain.Limit{Name: "scarce", Scope: domain.LimitType, Type: scarceType}
	orderedLimit = domain.Limit{Name: "ordered", Scope: domain.LimitKey, Queue: orderedQueue, Retries: domain.RetriesBlock}
	loneLimit    = domain.Limit{Name: "lone", Scope: domain.LimitKey, Queue: orderedQueue, Key: loneKey}
	looseLimit   = domain.Limit{Name: "loose", Scope: domain.LimitKey, Queue: looseQueue, Retries: domain.RetriesOvertake}
	wholeLimit   = domain.Limit{Name: "whole", Scope: domain.LimitQueue, Queue: looseQueue}
	pacedLimit   = domain.Limit{
		Name: "paced", Scope: domain.LimitQueue, Queue: pacedQueue,
		Rate: domain.Rate{Count: pacedPerSecond, Per: time.Second, Burst: pacedBurst},
	}
)

// Run carries out the storm, and returns what does not hold once all tasks have ended.
func (s *LimitStorm) Run(ctx context.Context) ([]Violation, error) {
	err := errors.Join(
		s.set(ctx, scarceLimit, 3), s.set(ctx, orderedLimit, 1), s.set(ctx, loneLimit, 2),
		s.set(ctx, looseLimit, 1), s.set(ctx, wholeLimit, 4), s.set(ctx, pacedLimit, 0),
	)
	if err != nil {
		return nil, err
	}
	looking, stop := context.WithCancel(ctx)
	defer stop()
	var others sync.WaitGroup
	var looked, loaded error
	others.Go(func() { looked = s.look(looking) })
	done := make(chan struct{})
	loader := rand.New(rand.NewPCG(s.r.Uint64(), 0))
	go func() {
		defer close(done)
		loaded = s.load(ctx, loader)
	}()
	s.breakWorkers(ctx, done)
	if loaded == nil {
		// What the rate holds back is ready at once when it is gone.
		s.unpaced = time.Now().UnixNano()
		loaded = s.store.DeleteLimit(ctx, pacedLimit.Name)
	}
	var undrained string
	if loaded == nil {
		undrained, loaded = drain(ctx, s.store, drainLimit)
	}
	stop()
	others.Wait()
	if err := errors.Join(loaded, looked, ctx.Err()); err != nil {
		return nil, err
	}
	if undrained != "" {
		s.report(invDrained, "", "%s", undrained)
	}
	if err := s.judgeEnd(ctx); err != nil {
		return nil, err
	}
	for _, p := range s.stormWorkers {
		err = errors.Join(err, p.Stop())
		for _, f := range p.Faults() {
			err = errors.Join(err, errors.New(f))
		}
	}
	if err := errors.Join(append(Crashes(s.dir), err)...); err != nil {
		return nil, err
	}
	err = s.judgeHistory()
	return s.wrong, err
}

// breakWorkers kills one worker after another until the load has ended, and pauses some for
// longer than a lease.
func (s *LimitStorm) breakWorkers(ctx context.Context, done <-chan struct{}) {
	for ; ; s.kills++ {
		select {
		case <-done:
			return
		case <-time.After(time.Duration(250+s.r.IntN(300)) * time.Millisecond):
		}
		p := s.stormWorkers[s.kills%len(s.stormWorkers)]
		if s.kills%4 == 3 {
			p.Pause()
			pause(ctx, stormSettings().Lease*3/2)
			p.Resume()
			continue
		}
		p.Kill()
		p.Start()
	}
}

// load enqueues tasks and changes limits.
func (s *LimitStorm) load(ctx context.Context, r *rand.Rand) error {
	numbers := map[string]int{}
	began := time.Now()
	for round := 0; time.Since(began) < stormLasts; round++ {
		var batch []*domain.Task
		add := func(queue string, typ domain.TaskType, key string, millis int) {
			id, err := uuid.NewV7()
			if err != nil {
				panic(err) // The random source of the system gives no errors.
			}
			plan := taskPlan{Millis: millis}
			if queue != pacedQueue {
				switch n := r.IntN(100); {
				case n < 12:
					plan.Failures = 1 + r.IntN(2)
				case n < 22:
					plan.Snoozes = 1
				case n < 25:
					plan.Permanent = true
				}
			}
			raw, err := json.Marshal(payload{LogIDs: []string{id.String()}, Plan: &plan})
			if err != nil {
				panic(err) // Structs of strings and numbers always marshal.
			}
			task := domain.NewTask(id, typ, raw)
			task.Queue, task.Key = queue, key
			batch = append(batch, task)

			known := &limitedTask{id: id, number: numbers[queue+key]}
			numbers[queue+key]++
			if typ == scarceType {
				known.under = append(known.under, under{"type " + string(typ), scarceLimit.Name})
			}
			switch {
			case queue == orderedQueue && key == loneKey:
				known.under = append(known.under, under{"key " + key, loneLimit.Name})
			case queue == orderedQueue:
				known.under, known.line = append(known.under, under{"key " + key, orderedLimit.Name}), key
			case queue == looseQueue:
				known.under = append(known.under, under{"key loose " + key, looseLimit.Name}, under{"queue " + queue, wholeLimit.Name})
			}
			s.mu.Lock()
			s.tasks[id.String()] = known
			s.mu.Unlock()
		}
		typeOf := func() domain.TaskType { return []domain.TaskType{scarceType, plainType, plainType}[r.IntN(3)] }
		if round == 0 {
			for range pacedTasks {
				add(pacedQueue, plainType, "", 1+r.IntN(10))
			}
		}
		if time.Since(began) < stormLasts*3/4 {
			for range 6 {
				add(orderedQueue, typeOf(), "k"+strconv.Itoa(r.IntN(10)), 5+r.IntN(80))
			}
			for range 5 {
				add(looseQueue, plainType, "l"+strconv.Itoa(r.IntN(4)), 5+r.IntN(80))
			}
			for range 6 {
				add(domain.DefaultQueue, scarceType, "", 20+r.IntN(120))
			}
		}
		if _, err := s.store.Enqueue(ctx, batch...); len(batch) > 0 && err != nil {
			return err
		}
		if err := s.changeLimits(ctx, r); err != nil {
			return err
		}
		pause(ctx, roundEvery)
	}
	return errors.Join(s.set(ctx, scarceLimit, 3), s.set(ctx, orderedLimit, 1), s.set(ctx, looseLimit, 1))
}

// changeLimits changes some of the limits. The order of keys and the rate are set again as
// they were: they hold for the whole storm.
func (s *LimitStorm) changeLimits(ctx context.Context, r *rand.Rand) error {
	switch r.IntN(8) {
	case 0, 1:
		return s.set(ctx, scarceLimit, []int{1, 2, 3, 3, 5}[r.IntN(5)])
	case 2:
		if err := s.set(ctx, scarceLimit, 0); err != nil {
			return err
		}
		pause(ctx, time.Duration(r.IntN(100))*time.Millisecond)
		return s.set(ctx, scarceLimit, 3)
	case 3:
		return s.set(ctx, loneLimit, r.IntN(4))
	case 4:
		return s.set(ctx, looseLimit, r.IntN(3))
	case 5:
		return s.set(ctx, wholeLimit, r.IntN(5))
	case 6:
		return s.set(ctx, orderedLimit, 1)
	default:
		return s.set(ctx, pacedLimit, 0)
	}
}

// look looks at the store until ctx ends: both at what it counts and at what it lists.
func (s *LimitStorm) look(ctx context.Context) error {
	seen := map[under]int{} // what the last look saw
	since := time.Now()
	for pause(ctx, lookEvery) {
		from := time.Now()
		uses, err := s.store.ListLimits(ctx)
		now, processing := map[under]int{}, map[under]int{}
		for _, filter := range []domain.TaskFilter{{Type: scarceType}, {Queue: orderedQueue}, {Queue: looseQueue}} {
			filter.Status, filter.Limit = domain.TaskStatusProcessing, domain.MaxPageSize
			page, listErr := s.store.ListTasks(ctx, filter)
			err = errors.Join(err, listErr)
			of := map[under]int{}
			s.mu.Lock()
			for _, t := range page.Tasks {
				for _, u := range s.tasks[t.ID.String()].under {
					of[u]++
				}
			}
			s.mu.Unlock()
			for group, n := range of {
				processing[group] = max(processing[group], n)
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // The storm is over, which ends a look.
		case err != nil:
			return err
		}
		for _, u := range uses {
			// The slots of all keys have no bound together.
			if u.Scope != domain.LimitKey || u.Key != "" {
				now[under{countPrefix + u.Name, u.Name}] = int(u.Running)
			}
		}
		for group, n := range processing {
			now[group] = n
		}
		s.note(now, seen, since, from)
		seen, since = now, from
	}
	return nil
}

// note judges one look. More than the bounds since the look before may run only if that
// saw as many.
func (s *LimitStorm) note(now, before map[under]int, since, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	for at, n := range now {
		group, name := at.group, at.bound
		most := s.bounds[name].most(since.UnixNano(), time.Now().UnixNano())
		if name == scarceLimit.Name && n == most {
			s.full++
		}
		had, known := before[at]
		if strings.HasPrefix(group, countPrefix) && !known {
			continue // There was no such limit to count for.
		}
		if n > most && n > had {
			s.wrong = append(s.wrong, Violation{Invariant: invStoreLimit, Detail: fmt.Sprintf("%s: %d run where %d may, and %d did before (look of %v)", group, n, most, had, from)})
		}
	}
}

func (s *LimitStorm) report(invariant Invariant, task, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, Violation{Invariant: invariant, Task: task, Detail: fmt.Sprintf(format, args...)})
}

// bound is how many tasks may run, by time.
type bound struct {
	mu    sync.Mutex // guards spans; one goroutine changes them while another asks
	spans []span
}

// span is when a bound may have been so high, to 0 if it still is.
type span struct {
	from, to int64
	most     int
}

// change notes that the bound may be another one from now on, and changed that it is.
func (b *bound) change(most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spans = append(b.spans, span{from: time.Now().UnixNano(), most: most})
}

func (b *bound) changed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spans[len(b.spans)-2].to = time.Now().UnixNano()
}

// most is the highest that the bound may have been between two times.
func (b *bound) most(from, to int64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := 0
	for _, s := range b.spans {
		if s.from <= to+limitSlack && (s.to == 0 || s.to >= from-limitSlack) {
			out = max(out, s.most)
		}
	}
	return out
}
