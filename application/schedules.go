package application

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // The zones of schedules are known where the system has none.

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// changesAtOnce is how often a change of a schedule is tried while others change it.
const changesAtOnce = 100

// ScheduleService sets schedules, and fires them. It is safe for concurrent use.
type ScheduleService struct {
	store ports.ScheduleStore
	queue ports.TaskQueue
	types *TaskTypes
	// changed has room for one signal: a schedule was changed by this process.
	changed chan struct{}
	zones   sync.Map // name: *time.Location
}

// NewScheduleService returns the service of a store. It announces the types of its tasks to
// types, if that is not nil.
func NewScheduleService(store ports.ScheduleStore, queue ports.TaskQueue, types *TaskTypes) *ScheduleService {
	return &ScheduleService{store: store, queue: queue, types: types, changed: make(chan struct{}, 1)}
}

// ScheduledTypes lists the types of the tasks of all schedules.
func ScheduledTypes(store ports.ScheduleStore) TypeSource {
	return func(ctx context.Context) (out []domain.TaskType, err error) {
		for after := ""; ; {
			page, err := store.ListSchedules(ctx, after, ports.MaxSchedulePage)
			if err != nil || len(page.Records) == 0 {
				return out, err
			}
			for i := range page.Records {
				after = page.Records[i].Schedule.Name
				out = append(out, page.Records[i].Schedule.Task.Type)
			}
		}
	}
}

// zone is time.LoadLocation, which reads a file each time.
func (s *ScheduleService) zone(name string) (*time.Location, error) {
	if zone, ok := s.zones.Load(name); ok {
		return zone.(*time.Location), nil //nolint:forcetypeassert // Nothing else is stored.
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		s.zones.Store(name, zone)
	}
	return zone, err //nolint:wrapcheck // The schedule says what is wrong with the name.
}

// PutSchedule stores the definition, if it is another than the stored one, and reports
// whether it is new. Where its ticks are others than before they go on from now; the history and a
// pause stay. Errors: domain.ErrInvalid.
func (s *ScheduleService) PutSchedule(ctx context.Context, def domain.Schedule) (r domain.ScheduleRecord, created bool, err error) {
	r, err = s.change(ctx, def.Name, func(r *domain.ScheduleRecord, now time.Time) (bool, error) {
		created = r.Revision == 0
		table, err := def.Compile(s.zone, now)
		if err != nil {
			return false, err
		}
		if !created && r.Schedule.Same(&def) {
			return false, nil
		}
		if err := table.MustFire(now); err != nil {
			return false, err
		}
		r.Set(def, table, now)
		return true, nil
	})
	if err == nil {
		s.types.announce(ctx, def.Task.Type)
	}
	return r, created, err
}

// GetSchedule returns the schedule, or domain.ErrScheduleNotFound.
func (s *ScheduleService) GetSchedule(ctx context.Context, name string) (domain.ScheduleRecord, error) {
	got, err := s.store.LoadSchedules(ctx, name)
	if err != nil {
		return domain.ScheduleRecord{}, fmt.Errorf("get schedule: %w", err)
	}
	return got.Records[0], found(&got.Records[0], name)
}

// found is domain.ErrScheduleNotFound for a record that is not stored.
func found(r *domain.ScheduleRecord, name string) error {
	if r.Revision == 0 {
		return fmt.Errorf("schedule %q: %w", name, domain.ErrScheduleNotFound)
	}
	return nil
}

// ListSchedules returns a page of the schedules by name, those after one, and whether
// there are more.
func (s *ScheduleService) ListSchedules(ctx context.Context, after string, limit int) (page []domain.ScheduleRecord, more bool, err error) {
	got, err := s.store.ListSchedules(ctx, after, limit)
	if err != nil || len(got.Records) == 0 {
		return nil, false, err
	}
	next, err := s.store.ListSchedules(ctx, got.Records[len(got.Records)-1].Schedule.Name, 1)
	return got.Records, len(next.Records) > 0, err
}

// NextFirings returns when the schedule will fire next, at most n times. One that is
// paused does not.
func (s *ScheduleService) NextFirings(r domain.ScheduleRecord, n int) (out []time.Time) {
	table, err := s.table(&r)
	if err != nil || r.Paused() {
		return nil
	}
	for tick := r.NextTick; !tick.IsZero() && len(out) < n; tick = table.Next(tick) {
		out = append(out, r.Schedule.DueAt(tick))
	}
	return out
}

// DeleteSchedule removes the schedule with its history, or returns
// domain.ErrScheduleNotFound. Tasks that it enqueued stay.
func (s *ScheduleService) DeleteSchedule(ctx context.Context, name string) error {
	if _, err := s.GetSchedule(ctx, name); err != nil && !errors.Is(err, domain.ErrCorruptRecord) {
		return err
	}
	if err := s.store.DeleteSchedule(ctx, name); err != nil {
		return fmt.Errorf("delete schedule: %w", err)
	}
	return nil
}

// PauseSchedule lets no more ticks fire; those of a pause never do.
func (s *ScheduleService) PauseSchedule(ctx context.Context, name string) (domain.ScheduleRecord, error) {
	return s.change(ctx, name, func(r *domain.ScheduleRecord, now time.Time) (bool, error) {
		paused := r.Paused()
		r.Pause(now)
		return !paused, found(r, name)
	})
}

// ResumeSchedule ends a pause, if there is one.
func (s *ScheduleService) ResumeSchedule(ctx context.Context, name string) (domain.ScheduleRecord, error) {
	return s.change(ctx, name, func(r *domain.ScheduleRecord, now time.Time) (bool, error) {
		if err := found(r, name); err != nil || !r.Paused() {
			return false, err
		}
		table, err := s.table(r)
		if err == nil {
			r.Resume(table, now)
		}
		return true, err
	})
}

// RunSchedule enqueues the schedule's task at once, whatever its overlap policy, also in a
// pause. run names the request, so that a repeat has the same task. The firing of that Run,
// the newest if this is no repeat, tells what became of it. Where the store fails after it
// is Pending, that is no error: it will fire.
func (s *ScheduleService) RunSchedule(ctx context.Context, name string, run uuid.UUID) (domain.ScheduleRecord, error) {
	added := false
	r, err := s.change(ctx, name, func(r *domain.ScheduleRecord, now time.Time) (bool, error) {
		if err := found(r, name); err != nil {
			return false, err
		}
		added = r.RunNow(run, now)
		return added, nil
	})
	if err != nil || !added {
		return r, err
	}
	// Should this be cut short, the record is due until it has succeeded.
	call, cancel := context.WithTimeout(ctx, domain.ScheduleLease)
	defer cancel()
	fired := r
	fired.Pending = slices.Clone(r.Pending)
	if err := s.fire(call, []domain.ScheduleRecord{fired}, time.Time{}); err != nil {
		return r, nil // It is pending.
	}
	if got, err := s.GetSchedule(ctx, name); err == nil {
		return got, nil
	}
	return r, nil
}

// change loads a record and saves what do makes of it, again if another was faster. do
// reports whether it changed anything.
func (s *ScheduleService) change(ctx context.Context, name string, do func(r *domain.ScheduleRecord, now time.Time) (bool, error)) (domain.ScheduleRecord, error) {
	var err error
	for range changesAtOnce {
		var got ports.Schedules
		if got, err = s.store.LoadSchedules(ctx, name); err != nil {
			break
		}
		r := got.Records[0]
		var changed bool
		if changed, err = do(&r, got.Now); err != nil || !changed {
			return r, err
		}
		var saved []domain.ScheduleRecord
		if saved, err = s.store.SaveSchedules(ctx, r); err == nil {
			s.notify()
			return saved[0], nil
		}
		if !errors.Is(err, domain.ErrScheduleConflict) {
			break
		}
	}
	return domain.ScheduleRecord{}, fmt.Errorf("change schedule %q: %w", name, err)
}

// notify wakes who sleeps until the next tick.
func (s *ScheduleService) notify() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// table returns the ticks of a stored schedule.
func (s *ScheduleService) table(r *domain.ScheduleRecord) (*domain.Timetable, error) {
	table, err := r.Schedule.Compile(s.zone, r.Since)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", r.Schedule.Name, err)
	}
	return table, nil
}

// claimedBatch is what became of a claim of schedules.
type claimedBatch struct {
	// count is how many were claimed, next how long it is until more are due; negative
	// for not in sight.
	count int
	next  time.Duration
	// broken are records whose ticks are not known: a zone that is gone, say.
	broken error
}

// fireDue claims schedules that are due and enqueues the tasks of their ticks. A process
// that ends at any step of it leaves records that are due when the claim has ended:
//
//   - What is decided so or so, depending on when, is stored before anything is enqueued.
//   - A task's id is made of the tick, so that who repeats it enqueues it once.
//   - ctx ends before the claim does: who comes late enqueues nothing.
func (s *ScheduleService) fireDue(ctx context.Context) (claimedBatch, error) {
	ctx, cancel := context.WithTimeout(ctx, domain.ScheduleLease)
	defer cancel()
	claimed, err := s.store.ClaimSchedules(ctx, maxCall, domain.ScheduleLease)
	out := claimedBatch{count: len(claimed.Records), next: claimed.Next}
	if err != nil || out.count == 0 {
		return out, err
	}
	records, err := s.decide(ctx, &out, claimed.Records, claimed.Now)
	return out, errors.Join(err, s.fire(ctx, records, claimed.Now))
}

// decide decides what is to be done with records that were claimed, and returns those
// that are still this process's.
func (s *ScheduleService) decide(ctx context.Context, batch *claimedBatch, records []domain.ScheduleRecord, now time.Time) ([]domain.ScheduleRecord, error) {
	busy, err := s.busy(ctx, records)
	var out, first []domain.ScheduleRecord
	for i := range records {
		r := &records[i]
		table, tableErr := s.table(r)
		switch {
		case tableErr != nil:
			batch.broken = errors.Join(batch.broken, tableErr)
		case busy[i] == unknown:
		case r.Decide(table, now, busy[i] == unfinished):
			first = append(first, *r)
		default:
			out = append(out, *r)
		}
	}
	if len(first) == 0 {
		return out, err
	}
	saved, saveErr := s.store.SaveSchedules(ctx, first...)
	for i := range saved {
		if domain.ItemError(saveErr, i) == nil && len(saved[i].Pending) > 0 {
			out = append(out, saved[i])
		}
	}
	return out, errors.Join(err, lost(saveErr, len(first)))
}

// lost is an error of a save without the conflicts: those records are another's now.
func lost(err error, n int) error {
	var errs []error
	for i := range n {
		if item := domain.ItemError(err, i); item != nil && !errors.Is(item, domain.ErrScheduleConflict) {
			errs = append(errs, item)
		}
	}
	return errors.Join(errs...)
}

// business is what is known of the last task of a schedule.
type business uint8

const (
	finished business = iota
	unfinished
	unknown
)

// busyAtOnce is how many tasks are looked at at the same time.
const busyAtOnce = 16

// busy tells whether the last tasks of schedules are unfinished, where they ask.
func (s *ScheduleService) busy(ctx context.Context, records []domain.ScheduleRecord) ([]business, error) {
	out, errs := make([]business, len(records)), make([]error, len(records))
	var callers sync.WaitGroup
	turns := make(chan struct{}, busyAtOnce)
	for i := range records {
		r := &records[i]
		if r.Schedule.Overlap != domain.OverlapSkip || r.LastTask == uuid.Nil || len(r.Pending) > 0 {
			continue
		}
		turns <- struct{}{}
		callers.Go(func() {
			defer func() { <-turns }()
			task, err := s.queue.GetTask(ctx, r.LastTask)
			switch {
			case err == nil && !task.Status.Terminal():
				out[i] = unfinished
			case err != nil && !errors.Is(err, domain.ErrTaskNotFound) && !errors.Is(err, domain.ErrCorruptRecord):
				out[i], errs[i] = unknown, err
			}
		})
	}
	callers.Wait()
	return out, errors.Join(errs...)
}

// firing is a pending tick of a record.
type firing struct {
	record int
	domain.Firing
}

// fire enqueues the tasks of pending ticks, and notes what became of them. now is the
// store's; if it is zero, each tick is.
func (s *ScheduleService) fire(ctx context.Context, records []domain.ScheduleRecord, now time.Time) error {
	var firings []firing
	var tasks []*domain.Task
	var replaced []domain.TaskID
	for i := range records {
		r := &records[i]
		for _, f := range r.Pending {
			if f.At = now; now.IsZero() {
				f.At = f.Tick
			}
			firings, tasks = append(firings, firing{i, f}), append(tasks, r.TaskOf(f))
			if r.Schedule.Overlap == domain.OverlapReplace && !f.Manual && r.LastTask != uuid.Nil && r.LastTask != f.TaskID {
				replaced = append(replaced, r.LastTask)
			}
		}
	}
	if err := s.cancel(ctx, replaced); err != nil {
		return err
	}
	stored, err := s.queue.Enqueue(ctx, tasks...)
	done := make([][]domain.Firing, len(records))
	var errs []error
	for i, f := range firings {
		var task *domain.Task
		if i < len(stored) {
			task = stored[i]
		}
		if stops(&records[f.record], f.Firing, task, domain.ItemError(err, i)) {
			continue
		}
		if err := outcomeOf(&f.Firing, domain.ItemError(err, i)); err != nil {
			errs = append(errs, err)
		} else {
			if task != nil {
				heldBy(&f.Firing, tasks[i], task)
			}
			done[f.record] = append(done[f.record], f.Firing)
		}
	}
	return errors.Join(append(errs, s.settle(ctx, records, done))...)
}

// stops reports whether the task that a tick replaces keeps their unique key, since its run
// has not stopped yet: the tick fires when it has. stored and err are what the enqueue returned.
func stops(r *domain.ScheduleRecord, f domain.Firing, stored *domain.Task, err error) bool {
	if r.Schedule.Overlap != domain.OverlapReplace || r.Schedule.Task.UniqueFor > 0 || f.Manual || r.LastTask == f.TaskID {
		return false
	}
	var duplicate *domain.DuplicateError
	holder := uuid.Nil
	if errors.As(err, &duplicate) {
		holder = duplicate.Holder
	} else if stored != nil {
		holder = stored.ID
	}
	return holder != uuid.Nil && holder == r.LastTask
}

// outcomeOf notes what became of a tick whose enqueue ended so. It returns the error if
// that is not known, so that the tick is to be repeated.
func outcomeOf(f *domain.Firing, err error) error {
	switch {
	// Other contents are those of an earlier definition.
	case err == nil, errors.Is(err, domain.ErrTaskExists):
		f.Outcome = domain.FiringFired
	case errors.Is(err, domain.ErrDuplicateTask):
		f.Outcome, f.Detail = domain.FiringSkipped, err.Error()
	case errors.Is(err, domain.ErrInvalid), errors.Is(err, domain.ErrQueueFull):
		f.Outcome, f.Detail = domain.FiringFailed, err.Error()
	default:
		return err
	}
	return nil
}

// heldBy notes which task has the unique key of the tick's task, for which Enqueue returned
// stored.
func heldBy(f *domain.Firing, task, stored *domain.Task) {
	f.TaskID = stored.ID
	if task.EnqueueOutcome(stored) == domain.EnqueueExisting {
		f.Outcome, f.Detail = domain.FiringSkipped, "its unique key is held, and that task is kept"
	}
}

// cancel ends tasks that others replace; those that are done stay.
func (s *ScheduleService) cancel(ctx context.Context, ids []domain.TaskID) error {
	err := s.queue.CancelTask(ctx, ids...)
	var errs []error
	for i := range ids {
		item := domain.ItemError(err, i)
		if item != nil && !errors.Is(item, domain.ErrTaskNotFound) && !errors.Is(item, domain.ErrInvalidTransition) && !errors.Is(item, domain.ErrCorruptRecord) {
			errs = append(errs, item)
		}
	}
	return errors.Join(errs...)
}

// settle saves what became of ticks. A record that a person changed meanwhile is told of
// them by another change.
func (s *ScheduleService) settle(ctx context.Context, records []domain.ScheduleRecord, done [][]domain.Firing) error {
	save, places := make([]domain.ScheduleRecord, 0, len(records)), make([]int, 0, len(records))
	var errs []error
	for i := range records {
		table, err := s.table(&records[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if records[i].Settle(table, done[i]); len(done[i]) > 0 || len(records[i].Pending) == 0 {
			save, places = append(save, records[i]), append(places, i)
		}
	}
	_, err := s.store.SaveSchedules(ctx, save...)
	for n, i := range places {
		item := domain.ItemError(err, n)
		if errors.Is(item, domain.ErrScheduleConflict) {
			_, item = s.change(ctx, records[i].Schedule.Name, func(r *domain.ScheduleRecord, _ time.Time) (bool, error) {
				if r.Revision == 0 { // deleted
					return false, nil
				}
				table, err := s.table(r)
				if err == nil {
					r.Settle(table, done[i])
				}
				return true, err
			})
		}
		if item != nil {
			errs = append(errs, item)
		}
	}
	return errors.Join(errs...)
}
