package application_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// mortal is a process's way to a store, whose calls never return once it has died.
type mortal struct {
	ports.TaskQueue
	ports.ScheduleStore

	mu    sync.Mutex
	calls int
	// dies is the number of the call that it dies in, from 1; 0 for never. late is
	// whether that call is carried out.
	dies int
	late bool
	// stall is how long each enqueue is held up on its way, whatever its context says.
	stall time.Duration
}

// step is one call; it reports whether to carry it out, and whether to return.
func (m *mortal) step() (do, lives bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	lives = m.dies == 0 || m.calls < m.dies
	return lives || m.calls == m.dies && m.late, lives
}

// through is a call of a process that may die.
func through[T any](ctx context.Context, m *mortal, call func() (T, error)) (out T, err error) {
	do, lives := m.step()
	if do {
		out, err = call()
	}
	if !lives {
		<-ctx.Done()
		return out, ctx.Err()
	}
	return out, err
}

func (m *mortal) ClaimSchedules(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
	return through(ctx, m, func() (ports.ClaimedSchedules, error) { return m.ScheduleStore.ClaimSchedules(ctx, limit, lease) })
}

func (m *mortal) SaveSchedules(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error) {
	return through(ctx, m, func() ([]domain.ScheduleRecord, error) { return m.ScheduleStore.SaveSchedules(ctx, records...) })
}

func (m *mortal) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if m.stall > 0 {
		pass(m.stall)
	}
	return through(ctx, m, func() ([]*domain.Task, error) { return m.TaskQueue.Enqueue(ctx, tasks...) })
}

func (m *mortal) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	_, err := through(ctx, m, func() (struct{}, error) { return struct{}{}, m.TaskQueue.CancelTask(ctx, ids...) })
	return err
}

// awayQueue is a store that takes no tasks.
type awayQueue struct{ ports.TaskQueue }

func (awayQueue) Enqueue(context.Context, ...*domain.Task) ([]*domain.Task, error) {
	return nil, domain.ErrStoreUnavailable
}

// scheduleWorld is a store that several processes share.
type scheduleWorld struct {
	t       *testing.T
	store   *memstore.Store
	service *application.ScheduleService
}

func newScheduleWorld(t *testing.T) *scheduleWorld {
	t.Helper()
	store := memstore.New(memstore.Config{})
	return &scheduleWorld{t, store, application.NewScheduleService(store, store, nil)}
}

// start starts a process that fires schedules.
func (w *scheduleWorld) start(m *mortal) (stop func()) {
	w.t.Helper()
	m.TaskQueue, m.ScheduleStore = w.store, w.store
	s, err := application.NewScheduler(w.store, application.SchedulerConfig{
		Workers: application.NoWorkers, Maintain: true, Retention: time.Minute, Schedules: application.NewScheduleService(m, m, nil),
	}, nil)
	require.NoError(w.t, err)
	require.NoError(w.t, s.Start(w.t.Context()))
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), time.Second)
		defer cancel()
		_ = s.Stop(ctx)
	}
}

func (w *scheduleWorld) put(change func(s *domain.Schedule)) domain.ScheduleRecord {
	w.t.Helper()
	s := domain.Schedule{Name: "s", Every: time.Second, Task: domain.NewTask(uuid.Nil, "work", []byte(`{}`))}
	change(&s)
	r, _, err := w.service.PutSchedule(w.t.Context(), s)
	require.NoError(w.t, err)
	return r
}

func (w *scheduleWorld) get() domain.ScheduleRecord {
	w.t.Helper()
	r, err := w.service.GetSchedule(w.t.Context(), "s")
	require.NoError(w.t, err)
	return r
}

// tasks are the tasks of the store, by their id.
func (w *scheduleWorld) tasks() map[domain.TaskID]*domain.Task {
	w.t.Helper()
	page, err := w.store.ListTasks(w.t.Context(), domain.TaskFilter{Limit: domain.MaxPageSize})
	require.NoError(w.t, err)
	out := map[domain.TaskID]*domain.Task{}
	for _, task := range page.Tasks {
		out[task.ID] = task
	}
	return out
}

// A process dies in each call, before it is carried out or after. Another goes on, and
// each tick has one task.
func TestEachTickHasOneTaskWhereverAProcessDies(t *testing.T) {
	t.Parallel()
	const ticks = 8
	for name, change := range map[string]func(s *domain.Schedule){
		"plain":         func(s *domain.Schedule) { s.Missed, s.Jitter = domain.MissedSkip, time.Second },
		"decided first": func(s *domain.Schedule) { s.Overlap = domain.OverlapSkip },
		"replaced":      func(s *domain.Schedule) { s.Overlap = domain.OverlapReplace },
	} {
		for dies := 1; dies <= 8; dies++ {
			for _, late := range []bool{false, true} {
				inBubble(t, fmt.Sprintf("%s, in call %d, carried out %v", name, dies, late), func(t *testing.T) {
					w := newScheduleWorld(t)
					r := w.put(change)
					doomed, heir := &mortal{dies: dies, late: late}, &mortal{}
					defer w.start(doomed)()
					settle(500 * time.Millisecond)
					defer w.start(heir)()
					settle(ticks*time.Second + domain.ScheduleLease)
					// No tick more, and those that were late have their time.
					require.NoError(t, errOf(w.service.PauseSchedule(t.Context(), "s")))
					settle(domain.ScheduleLease + time.Second)
					tasks, got := w.tasks(), w.get()
					fired, left := 0, map[domain.TaskID]bool{}
					for _, f := range got.Firings {
						if f.Outcome != domain.FiringFired {
							left[f.TaskID] = true
						}
					}
					for i := range ticks {
						id := r.Schedule.TaskIDAt(r.Since.Add(time.Duration(i+1) * time.Second))
						if _, ok := tasks[id]; ok {
							fired++
							require.False(t, left[id], "a tick that is noted as left out has no task")
						} else {
							require.True(t, left[id], "tick %d has a task, or is noted as left out", i+1)
						}
					}
					require.Positive(t, fired)
					if r.Schedule.Overlap == "" {
						require.Equal(t, ticks, fired, "%v", got.Firings)
					}
					require.Empty(t, got.Pending)
				})
			}
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// A process that is held up on its way to the store until the task of the tick was done and
// removed enqueues it no more.
func TestALateProcessFiresNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, "an enqueue on its way for a day", func(t *testing.T) {
		w := newScheduleWorld(t)
		w.put(func(s *domain.Schedule) { s.Every, s.Missed = 48*time.Hour, domain.MissedAll })
		defer w.start(&mortal{stall: 25 * time.Hour})()
		settle(48*time.Hour + time.Second)
		defer w.start(&mortal{})()
		settle(2 * domain.ScheduleLease)
		require.Len(t, w.tasks(), 1)
		got, err := w.store.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Second})
		require.NoError(t, err)
		require.NoError(t, w.store.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *got[0].Lease, Outcome: ports.OutcomeCompleted}))
		settle(24 * time.Hour)
		require.Empty(t, w.tasks(), "it was removed after its retention")
		settle(2 * time.Hour)
		require.Empty(t, w.tasks())
		require.Len(t, w.get().Firings, 1)
	})
}

func TestSchedulesInUse(t *testing.T) {
	t.Parallel()
	inBubble(t, "a pause, a run by hand and a deletion", func(t *testing.T) {
		w := newScheduleWorld(t)
		stop := w.start(&mortal{})
		defer stop()
		settle(time.Second)
		w.put(func(s *domain.Schedule) { s.Every = time.Minute })
		settle(time.Minute)
		require.Len(t, w.tasks(), 1)
		_, created, err := w.service.PutSchedule(t.Context(), w.get().Schedule)
		require.NoError(t, err)
		require.False(t, created)
		require.Len(t, w.get().Firings, 1, "the same definition changes nothing")

		require.NoError(t, errOf(w.service.PauseSchedule(t.Context(), "s")))
		settle(10 * time.Minute)
		require.Len(t, w.tasks(), 1)
		r, err := w.service.RunSchedule(t.Context(), "s", uuid.New())
		require.NoError(t, err)
		require.True(t, r.Firings[1].Manual)
		require.Contains(t, w.tasks(), r.Firings[1].TaskID)
		require.NoError(t, errOf(w.service.ResumeSchedule(t.Context(), "s")))
		settle(time.Minute)
		require.Len(t, w.tasks(), 3, "the ticks of the pause are gone")

		require.NoError(t, w.service.DeleteSchedule(t.Context(), "s"))
		settle(5 * time.Minute)
		require.Len(t, w.tasks(), 3)
		require.ErrorIs(t, w.service.DeleteSchedule(t.Context(), "s"), domain.ErrScheduleNotFound)
		require.ErrorIs(t, errOf(w.service.RunSchedule(t.Context(), "s", uuid.New())), domain.ErrScheduleNotFound)
		require.ErrorIs(t, errOf(w.service.PauseSchedule(t.Context(), "s")), domain.ErrScheduleNotFound)
		require.ErrorIs(t, errOf(w.service.ResumeSchedule(t.Context(), "s")), domain.ErrScheduleNotFound)
	})

	inBubble(t, "an earlier task that is unfinished", func(t *testing.T) {
		w := newScheduleWorld(t)
		stop := w.start(&mortal{})
		defer stop()
		w.put(func(s *domain.Schedule) { s.Overlap = domain.OverlapSkip })
		settle(3*time.Second + 100*time.Millisecond)
		require.Len(t, w.tasks(), 1)
		require.Equal(t, domain.FiringSkipped, w.get().Firings[2].Outcome)
		w.put(func(s *domain.Schedule) { s.Overlap = domain.OverlapReplace })
		settle(2 * time.Second)
		byStatus := map[domain.TaskStatus]int{}
		for _, task := range w.tasks() {
			byStatus[task.Status]++
		}
		require.Equal(t, map[domain.TaskStatus]int{domain.TaskStatusPending: 1, domain.TaskStatusCancelled: 2}, byStatus)
	})

	inBubble(t, "a unique key that is held by a task to keep or to replace", func(t *testing.T) {
		w := newScheduleWorld(t)
		defer w.start(&mortal{})()
		w.put(func(s *domain.Schedule) { s.Task.UniqueKey, s.Task.OnConflict = "key", domain.ConflictKeep })
		settle(3*time.Second + 100*time.Millisecond)
		got := w.get()
		holder := got.Firings[0].TaskID
		require.Len(t, w.tasks(), 1)
		for i, want := range []domain.FiringOutcome{domain.FiringFired, domain.FiringSkipped, domain.FiringSkipped} {
			require.Equal(t, want, got.Firings[i].Outcome)
			require.Equal(t, holder, got.Firings[i].TaskID, "the task that is there")
		}
		require.NotEmpty(t, got.Firings[2].Detail)
		w.put(func(s *domain.Schedule) {
			s.Task.UniqueKey, s.Task.OnConflict, s.Task.Payload = "key", domain.ConflictReplace, []byte(`{"new":1}`)
		})
		settle(2 * time.Second)
		got = w.get()
		require.Empty(t, got.Pending)
		require.Len(t, got.Firings, 5)
		require.Equal(t, domain.FiringFired, got.Firings[4].Outcome)
		require.Equal(t, holder, got.Firings[4].TaskID)
		require.Equal(t, holder, got.LastTask)
		require.JSONEq(t, `{"new":1}`, string(w.tasks()[holder].Payload))
	})

	inBubble(t, "a unique key that is held by a run which is replaced, until that has stopped", func(t *testing.T) {
		for _, what := range []domain.OnConflict{domain.ConflictReject, domain.ConflictKeep} {
			w := newScheduleWorld(t)
			stop := w.start(&mortal{})
			w.put(func(s *domain.Schedule) {
				s.Overlap, s.Every, s.Task.UniqueKey, s.Task.OnConflict = domain.OverlapReplace, 20*time.Second, "key", what
			})
			settle(20*time.Second + 100*time.Millisecond)
			running, err := w.store.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
			require.NoError(t, err)
			require.Len(t, running, 1)
			settle(20 * time.Second)
			require.Len(t, w.tasks(), 1)
			require.Equal(t, domain.TaskStatusCancelled, w.tasks()[running[0].ID].Status)
			require.ErrorIs(t, w.store.ReleaseTask(t.Context(), *running[0].Lease), domain.ErrLeaseLost)
			settle(domain.ScheduleLease + time.Second)
			require.Len(t, w.tasks(), 2)
			for _, f := range w.get().Firings {
				require.Equal(t, domain.FiringFired, f.Outcome)
			}
			stop()
		}
	})

	inBubble(t, "a run by hand that is cut short", func(t *testing.T) {
		w := newScheduleWorld(t)
		w.put(func(s *domain.Schedule) { s.Every = time.Hour })
		id := uuid.New()
		r, err := application.NewScheduleService(w.store, awayQueue{w.store}, nil).RunSchedule(t.Context(), "s", id)
		require.NoError(t, err, "it need not be repeated")
		require.NoError(t, errOf(w.service.RunSchedule(t.Context(), "s", id)), "and may be")
		require.Len(t, r.Pending, 1)
		require.Empty(t, w.tasks())
		defer w.start(&mortal{})()
		settle(domain.ScheduleLease + time.Second)
		require.Len(t, w.tasks(), 1)
		require.Contains(t, w.tasks(), r.Pending[0].TaskID)
		require.NoError(t, errOf(w.service.RunSchedule(t.Context(), "s", id)))
		for range domain.MaxFirings {
			require.NoError(t, errOf(w.service.RunSchedule(t.Context(), "s", uuid.New())))
		}
		require.Len(t, w.tasks(), 1+domain.MaxFirings)
		require.NoError(t, errOf(w.service.RunSchedule(t.Context(), "s", id)), "the record has forgotten it")
		require.Len(t, w.tasks(), 1+domain.MaxFirings)
	})

	inBubble(t, "a run by hand beside an earlier task that is unfinished", func(t *testing.T) {
		w := newScheduleWorld(t)
		defer w.start(&mortal{})()
		w.put(func(s *domain.Schedule) { s.Overlap, s.Every = domain.OverlapSkip, time.Minute })
		settle(time.Minute + time.Second)
		earlier := w.get().LastTask
		run := func() domain.TaskID {
			r, err := w.service.RunSchedule(t.Context(), "s", uuid.New())
			require.NoError(t, err)
			return r.Firings[len(r.Firings)-1].TaskID
		}
		require.NoError(t, w.store.CancelTask(t.Context(), run()))
		settle(time.Minute)
		got := w.get().Firings
		require.Equal(t, domain.FiringSkipped, got[len(got)-1].Outcome, "the end of the other task does not count")

		w.put(func(s *domain.Schedule) { s.Overlap, s.Every = domain.OverlapReplace, time.Minute })
		manual := run()
		require.Equal(t, domain.TaskStatusPending, w.tasks()[earlier].Status, "a run by hand cancels nothing")
		settle(time.Minute)
		require.Equal(t, domain.TaskStatusCancelled, w.tasks()[earlier].Status, "a tick does")
		require.Equal(t, domain.TaskStatusPending, w.tasks()[manual].Status)
	})

	inBubble(t, "a unique key that is held, and ticks that were missed", func(t *testing.T) {
		w := newScheduleWorld(t)
		stop := w.start(&mortal{})
		w.put(func(s *domain.Schedule) { s.Task.UniqueKey = "key" })
		settle(2*time.Second + 100*time.Millisecond)
		require.Len(t, w.tasks(), 1)
		require.Equal(t, domain.FiringSkipped, w.get().Firings[1].Outcome)
		stop()
		settle(time.Hour)
		w.put(func(s *domain.Schedule) { s.Missed, s.MaxMissed = domain.MissedAll, 5 })
		defer w.start(&mortal{})()
		settle(100 * time.Millisecond)
		require.InDelta(t, 7, len(w.tasks()), 1)
	})
}
