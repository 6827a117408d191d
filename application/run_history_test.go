package application_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/application/observe"
	"logsift/domain"
	"logsift/ports"
)

// faultyDocuments is a state store that can fail, and that knows what it was asked for.
type faultyDocuments struct {
	ports.DocumentStore

	mu    sync.Mutex
	down  bool
	lost  int // saves whose reply is lost after they were carried out
	never int // saves that are lost on their way
	loads int
	saves int
	keys  []string // of the newest load
}

func newFaultyDocuments() *faultyDocuments {
	return &faultyDocuments{DocumentStore: memstore.NewLogRepository(memstore.Config{})}
}

func (s *faultyDocuments) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *faultyDocuments) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	s.mu.Lock()
	s.loads++
	s.keys = keys
	down := s.down
	s.mu.Unlock()
	if down {
		return nil, fmt.Errorf("connection refused: %w", domain.ErrStoreUnavailable)
	}
	return s.DocumentStore.LoadDocuments(ctx, keys...)
}

func (s *faultyDocuments) SaveDocument(ctx context.Context, state domain.Document, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	switch {
	case s.down || s.never > 0:
		s.never--
		return 0, fmt.Errorf("connection refused: %w", domain.ErrStoreUnavailable)
	case s.lost > 0:
		s.lost--
		_, err := s.DocumentStore.SaveDocument(ctx, state, ttl)
		return 0, errors.Join(fmt.Errorf("reply lost: %w", domain.ErrStoreUnavailable), err)
	}
	return s.DocumentStore.SaveDocument(ctx, state, ttl)
}

// newHistoryWorld returns a world whose scheduler keeps a history in the documents.
func newHistoryWorld(t *testing.T, documents ports.DocumentStore, cfg application.SchedulerConfig, p processorFunc) (*world, *application.RunHistory) {
	t.Helper()
	history := application.NewRunHistory(documents, nil)
	cfg.History = history
	w := newWorld(t, cfg, p)
	w.queue.TaskQueue = observe.Queue(w.queue.TaskQueue, nil, history)
	require.NoError(t, w.scheduler.Start(t.Context()))
	return w, history
}

func readHistory(t *testing.T, h *application.RunHistory, minutes int) []domain.RunHistoryPoint {
	t.Helper()
	points, err := h.GetHistory(t.Context(), minutes)
	require.NoError(t, err)
	require.Len(t, points, minutes)
	for i := 1; i < len(points); i++ {
		require.Equal(t, time.Minute, points[i].At.Sub(points[i-1].At), "a point a minute, without gaps")
	}
	return points
}

// totals adds points up.
func totals(points []domain.RunHistoryPoint) [4]int64 {
	var sum [4]int64
	for _, p := range points {
		for i, n := range []int64{p.Enqueued, p.Completed, p.Failed, p.Retried} {
			sum[i] += n
		}
	}
	return sum
}

// working is a processor that takes a second and then does what the payload says.
func working(_ context.Context, task *domain.Task) ([]byte, error) {
	pass(time.Second)
	switch string(task.Payload) {
	case "fail":
		return nil, domain.Permanent(errors.New("broken"))
	case "retry":
		if task.Attempt == 0 {
			return nil, errors.New("not yet")
		}
	}
	return nil, nil
}

func withPayload(text string) func(*domain.Task) {
	return func(task *domain.Task) { task.Payload = []byte(text) }
}

func TestTheHistoryTellsWhatHappenedInEachMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := newFaultyDocuments()
		w, history := newHistoryWorld(t, documents, application.SchedulerConfig{Workers: 2}, working)
		w.enqueue(newTestTask(), newTestTask(), newTestTask(withPayload("fail")), newTestTask(withPayload("retry")))
		settle(30 * time.Second)
		// Two at once, a second each: two waited for a second.
		points := readHistory(t, history, 1)
		require.Equal(t, [4]int64{4, 2, 1, 1}, totals(points))
		require.InEpsilon(t, time.Second, points[0].Run.P50, 1.0/32)
		require.InEpsilon(t, time.Second, points[0].Run.P99, 1.0/32)
		require.Zero(t, points[0].Wait.P50)
		require.InEpsilon(t, time.Second, points[0].Wait.P95, 1.0/32)

		settle(time.Minute)
		points = readHistory(t, history, 3)
		require.Equal(t, [4]int64{4, 2, 1, 1}, totals(points[1:2]), "the first minute stays")
		require.Equal(t, [4]int64{0, 1, 0, 0}, totals(points[2:]), "the second attempt, after a minute")
		require.Zero(t, points[2].Wait.P99, "it was claimed when it became due")
		require.Nil(t, points[0].Wait)
		require.Nil(t, points[0].Run, "nothing ran before")

		w.stop()
		other := application.NewRunHistory(documents, nil)
		require.Equal(t, points, readHistory(t, other, 3), "any process tells the same, also after all have stopped")
	})
}

func TestTheHistoryKnowsTheDepthOfTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w, history := newHistoryWorld(t, newFaultyDocuments(), application.SchedulerConfig{Workers: 2}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, nil
		})
		w.enqueue(newTestTask(), newTestTask(), newTestTask(), newTestTask(), newTestTask())
		settle(5 * time.Minute)
		points := readHistory(t, history, 5)
		for _, p := range points {
			require.Equal(t, [2]int64{3, 2}, [2]int64{p.Pending, p.Processing}, "%v", p.At)
		}
		close(release)
		settle(2 * time.Minute)
		points = readHistory(t, history, 2)
		require.Zero(t, points[1].Pending+points[1].Processing)
		w.stop()
		settle(10 * time.Minute)
		w.enqueue(newTestTask())
		require.Zero(t, readHistory(t, history, 5)[4].Pending, "nobody has counted since")
	})
}

func TestNothingIsCountedTwiceWhateverIsLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(s *faultyDocuments){
		"replies":    func(s *faultyDocuments) { s.lost = 7 },
		"saves":      func(s *faultyDocuments) { s.never = 7 },
		"some of it": func(s *faultyDocuments) { s.lost, s.never = 3, 3 },
	} {
		inBubble(t, name, func(t *testing.T) {
			documents := newFaultyDocuments()
			w, history := newHistoryWorld(t, documents, application.SchedulerConfig{}, working)
			documents.set(func() { fault(documents) })
			const tasks = 60
			for range tasks {
				w.enqueue(newTestTask())
				settle(5 * time.Second)
				require.LessOrEqual(t, totals(readHistory(t, history, 60))[0], int64(tasks), "no reader sees one twice")
			}
			settle(time.Second)
			require.Equal(t, [4]int64{tasks, tasks, 0, 0}, totals(readHistory(t, history, 60)))
			w.stop()
			require.Equal(t, [4]int64{tasks, tasks, 0, 0}, totals(readHistory(t, application.NewRunHistory(documents, nil), 60)))
		})
	}
}

func TestProcessesAddUp(t *testing.T) {
	t.Parallel()
	const processes, rounds, tasks = 8, 10, 20
	documents := newFaultyDocuments()
	queue := memstore.NewTaskQueue(memstore.Config{})
	histories := make([]*application.RunHistory, processes)
	var running sync.WaitGroup
	for i := range histories {
		histories[i] = application.NewRunHistory(documents, nil)
		counted := observe.Queue(queue, nil, histories[i])
		running.Go(func() {
			for range rounds {
				for range tasks {
					if _, err := counted.Enqueue(t.Context(), newTestTask()); err != nil {
						t.Errorf("enqueue: %v", err)
					}
				}
				// A flush that meets too many others leaves its counts to the next one.
				if err := histories[i].Flush(t.Context()); err != nil && !errors.Is(err, domain.ErrDocumentConflict) {
					t.Errorf("flush: %v", err)
				}
			}
		})
	}
	running.Wait()
	for _, h := range histories {
		require.NoError(t, h.Flush(t.Context()))
	}
	require.Equal(t, [4]int64{processes * rounds * tasks}, totals(readHistory(t, application.NewRunHistory(documents, nil), 60)))
	require.Equal(t, [4]int64{processes * rounds * tasks}, totals(readHistory(t, histories[0], 60)), "who has counted tells nothing twice")
}

func TestAnOutageOfTheStoreLosesNoHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := newFaultyDocuments()
		w, history := newHistoryWorld(t, documents, application.SchedulerConfig{}, working)
		documents.set(func() { documents.down = true })
		const hours = 5
		for range hours {
			w.enqueue(newTestTask())
			settle(time.Hour)
		}
		require.Contains(t, w.stats().LastStoreError, "connection refused")
		_, err := history.GetHistory(t.Context(), 60)
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		documents.set(func() { documents.down = false })
		settle(time.Minute)
		require.Empty(t, w.stats().LastStoreError)
		w.stop()
		points := readHistory(t, application.NewRunHistory(documents, nil), 12*60)
		require.Equal(t, [4]int64{hours, hours, 0, 0}, totals(points))
		var at []int
		for i, p := range points {
			if p.Enqueued > 0 {
				at = append(at, i)
			}
		}
		require.Len(t, at, hours)
		for i := 1; i < hours; i++ {
			require.Equal(t, 60, at[i]-at[i-1], "each in its own minute")
		}
	})
}

func TestTheHistoryIsKeptForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := newFaultyDocuments()
		w, history := newHistoryWorld(t, documents, application.SchedulerConfig{}, working)
		w.enqueue(newTestTask())
		settle(time.Minute)
		w.stop()
		settle(application.MaxHistoryMinutes*time.Minute - 2*time.Minute)
		require.Equal(t, [4]int64{1, 1, 0, 0}, totals(readHistory(t, history, application.MaxHistoryMinutes)))
		require.LessOrEqual(t, len(documents.keys), 25)
		key := documents.keys[0]
		settle(2 * time.Minute)
		require.Zero(t, totals(readHistory(t, history, application.MaxHistoryMinutes)))
		settle(2 * time.Hour)
		left, err := documents.LoadDocuments(t.Context(), key)
		require.NoError(t, err)
		require.Zero(t, left[0].Revision, "what nobody asks for is gone")
		for _, minutes := range []int{0, -1, application.MaxHistoryMinutes + 1} {
			_, err := history.GetHistory(t.Context(), minutes)
			require.ErrorIs(t, err, domain.ErrInvalid)
		}
	})
}

func TestHistoryGoesByTheClockOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ahead = 3*time.Hour + 20*time.Minute
		config := memstore.Config{Now: func() time.Time { return time.Now().Add(ahead) }}
		documents := memstore.NewLogRepository(config)
		history := application.NewRunHistory(documents, nil)
		queue := observe.Queue(memstore.NewTaskQueue(config), nil, history)
		scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{History: history, Registry: memstore.NewSchedulerRegistry(config)}, nil)
		require.NoError(t, err)
		require.NoError(t, scheduler.RegisterProcessor(testType, processorFunc(working)))
		require.NoError(t, scheduler.Start(t.Context()))
		synctest.Wait()
		begin := time.Now()
		_, err = scheduler.ScheduleTask(t.Context(), newTestTask())
		require.NoError(t, err)
		settle(10 * time.Second)
		points := readHistory(t, history, 1)
		require.Equal(t, begin.Add(ahead).Truncate(time.Minute).UTC(), points[0].At)
		require.Equal(t, [4]int64{1, 1, 0, 0}, totals(points))
		require.NoError(t, scheduler.Stop(t.Context()))
	})
}

func TestARepeatedEnqueueIsNoSecondTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := newFaultyDocuments()
		history := application.NewRunHistory(documents, nil)
		w := startWorld(t, application.SchedulerConfig{History: history, Registry: newFaultyRegistry(), Queues: []string{"other"}}, working)
		queue := observe.Queue(w.queue, nil, history)
		synctest.Wait()
		waiting, begun := newTestTask(), newTestTask(func(task *domain.Task) { task.Queue = "other" })
		enqueue := func(tasks ...*domain.Task) {
			_, err := queue.Enqueue(t.Context(), tasks...)
			require.NoError(t, err)
		}
		enqueue(waiting, begun)
		settle(time.Second)
		enqueue(begun)
		settle(time.Minute)
		enqueue(waiting, newTestTask())
		_, err := queue.Enqueue(t.Context(), newTestTask(func(task *domain.Task) { task.Queue = "a b" }))
		require.Error(t, err, "what is refused is not counted")
		require.Equal(t, int64(3), totals(readHistory(t, history, 5))[0])
	})
}

func TestWhatAPersonRunsAgainHasNotWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, history := newHistoryWorld(t, newFaultyDocuments(), application.SchedulerConfig{}, working)
		task := newTestTask(withPayload("fail"))
		w.enqueue(task)
		settle(time.Hour)
		require.NoError(t, w.queue.RetryTask(t.Context(), task.ID))
		settle(30 * time.Second)
		points := readHistory(t, history, 2)
		require.Equal(t, int64(1), totals(points)[2])
		for _, p := range points {
			require.Nil(t, p.Wait, "nobody knows since when it was ready")
		}
	})
}

func TestADamagedHourIsBegunAnew(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"no JSON": "x", "another version": `{"version":9}`, "null": "null", "nothing": "{}",
		"a minute that cannot be": `{"version":1,"writers":{},"minutes":{"60":{"wait":[],"run":[]}}}`,
		"a minute of nothing":     `{"version":1,"writers":{},"minutes":{"1":null}}`,
		"a count below zero":      `{"version":1,"writers":{},"minutes":{"1":{"completed":-1,"wait":[],"run":[]}}}`,
		"a histogram of no kind":  `{"version":1,"writers":{},"minutes":{"1":{"wait":[1],"run":[]}}}`,
		"a writer that is none":   `{"version":1,"writers":{"x":1},"minutes":{}}`,
	} {
		inBubble(t, name, func(t *testing.T) {
			documents := newFaultyDocuments()
			key := fmt.Sprintf("history/%d", time.Now().Unix()/3600)
			_, err := documents.DocumentStore.SaveDocument(t.Context(), domain.Document{Key: key, Data: []byte(data)}, 0)
			require.NoError(t, err)
			w, history := newHistoryWorld(t, documents, application.SchedulerConfig{}, working)
			require.Zero(t, totals(readHistory(t, history, 60)))
			w.enqueue(newTestTask())
			settle(time.Minute)
			w.stop()
			require.Equal(t, [4]int64{1, 1, 0, 0}, totals(readHistory(t, application.NewRunHistory(documents, nil), 60)))
		})
	}
}

// corruptDocuments is a state store in which the record of one key is damaged.
type corruptDocuments struct {
	ports.DocumentStore
	key string
}

func (s *corruptDocuments) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	if slices.Contains(keys, s.key) {
		return nil, fmt.Errorf("state %q: %w", s.key, domain.ErrCorruptRecord)
	}
	return s.DocumentStore.LoadDocuments(ctx, keys...)
}

func TestAnHourThatTheStoreCannotReadCostsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hour := time.Now().Unix() / 3600
		documents := &corruptDocuments{DocumentStore: newFaultyDocuments(), key: fmt.Sprintf("history/%d", hour)}
		w, _ := newHistoryWorld(t, documents, application.SchedulerConfig{}, working)
		w.enqueue(newTestTask())
		settle(time.Hour)
		w.enqueue(newTestTask())
		settle(time.Minute)
		w.stop()
		require.Equal(t, [4]int64{1, 1, 0, 0}, totals(readHistory(t, application.NewRunHistory(documents, nil), 180)), "the second hour")
	})
}

func TestAnIdleProcessCostsTheStoreLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents, registry := newFaultyDocuments(), newFaultyRegistry()
		var worlds []*world
		for range 3 {
			w, _ := newHistoryWorld(t, documents, application.SchedulerConfig{Registry: registry}, working)
			worlds = append(worlds, w)
		}
		settle(time.Hour)
		counts := map[string]int{"loads": documents.loads, "saves": documents.saves, "reports": registry.reports()}
		t.Logf("an hour of 3 idle processes: %v", counts)
		require.LessOrEqual(t, documents.saves, 70, "one depth a minute is kept, whoever counts it")
		calls := 0
		for n := range maps.Values(counts) {
			calls += n
		}
		require.Less(t, calls, 3*3600/4, "less than a call in four seconds for each process")
		for _, w := range worlds {
			w.stop()
		}
	})
}

func TestAPassiveSchedulerCountsWhatItTakesIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := newFaultyDocuments()
		w, _ := newHistoryWorld(t, documents, application.SchedulerConfig{Workers: application.NoWorkers}, nil)
		settle(10 * time.Minute)
		require.Zero(t, documents.loads+documents.saves, "who has nothing to tell asks nothing")
		w.enqueue(newTestTask(), newTestTask())
		w.stop()
		require.Equal(t, [4]int64{2}, totals(readHistory(t, application.NewRunHistory(documents, nil), 5)))
	})
}

func TestAFlushEndsWithItsContext(t *testing.T) {
	t.Parallel()
	history := application.NewRunHistory(newFaultyDocuments(), nil)
	queue := observe.Queue(memstore.NewTaskQueue(memstore.Config{}), nil, history)
	_, err := queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), testType, nil))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, history.Flush(ctx), context.Canceled)
	_, err = history.GetHistory(ctx, 5)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, history.Flush(t.Context()))
	require.Equal(t, int64(1), totals(readHistory(t, history, 5))[0])
}
