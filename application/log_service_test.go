package application_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

// lines returns entries without ids.
func lines(n int) []domain.LogEntry {
	logs, _ := entries(n)
	for i := range logs {
		logs[i].ID = uuid.Nil
	}
	return logs
}

// logWorld is a log service over in-process stores.
type logWorld struct {
	t       *testing.T
	queue   *memstore.TaskQueue
	logs    *memstore.LogRepository
	service *application.LogService
}

func newLogWorld(t *testing.T, cfg application.LogServiceConfig) *logWorld {
	t.Helper()
	w := &logWorld{t: t, queue: memstore.NewTaskQueue(memstore.Config{}), logs: memstore.NewLogRepository(memstore.Config{})}
	var err error
	w.service, err = application.NewLogService(w.logs, w.queue, cfg, nil)
	require.NoError(t, err)
	return w
}

func (w *logWorld) create(logs ...domain.LogEntry) domain.LogReceipt {
	w.t.Helper()
	receipt, err := w.service.CreateLogs(w.t.Context(), logs...)
	require.NoError(w.t, err)
	require.Len(w.t, receipt.LogIDs, len(logs))
	return receipt
}

// mockedLogs is a log service over mocks, whose queue says that no task is lost.
func mockedLogs(t *testing.T, cfg application.LogServiceConfig) (*application.LogService, *mocks.MockTaskQueue, *mocks.MockLogRepository) {
	t.Helper()
	ctrl := gomock.NewController(t)
	queue, logs := mocks.NewMockTaskQueue(ctrl), mocks.NewMockLogRepository(ctrl)
	queue.EXPECT().GetTask(gomock.Any(), gomock.Any()).Return(&domain.Task{Status: domain.TaskStatusPending}, nil).AnyTimes()
	service, err := application.NewLogService(logs, queue, cfg, nil)
	require.NoError(t, err)
	return service, queue, logs
}

// payload is the task of an id, and what it is to analyse.
func (w *logWorld) payload(id domain.TaskID) (*domain.Task, domain.LogAnalysisPayload) {
	w.t.Helper()
	task, err := w.queue.GetTask(w.t.Context(), id)
	require.NoError(w.t, err)
	payload, err := domain.ParseLogAnalysisPayload(task.Payload)
	require.NoError(w.t, err)
	return task, payload
}

// ready reports whether the task can be claimed now.
func (w *logWorld) ready(id domain.TaskID) bool {
	w.t.Helper()
	task, err := w.queue.GetTask(w.t.Context(), id)
	require.NoError(w.t, err)
	return task.Ready(time.Now())
}

func TestEntriesOfABatchWhoseTaskIsGoneGetATaskOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, w *logWorld, task domain.TaskID){
		"cancelled": func(t *testing.T, w *logWorld, task domain.TaskID) {
			t.Helper()
			require.NoError(t, w.queue.CancelTask(t.Context(), task))
		},
		"deleted": func(t *testing.T, w *logWorld, task domain.TaskID) {
			t.Helper()
			require.NoError(t, w.queue.DeleteTask(t.Context(), task))
		},
		"failed before it began": func(t *testing.T, w *logWorld, task domain.TaskID) {
			t.Helper()
			require.NoError(t, w.queue.RunTaskNow(t.Context(), task))
			got, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
			require.NoError(t, err)
			require.NoError(t, w.queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *got[0].Lease, Outcome: ports.OutcomeFailed}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLogWorld(t, application.LogServiceConfig{BatchAge: time.Hour, Queue: "logs"})
			first := w.create(lines(1)...)
			end(t, w, first.TaskIDs[0])
			second := w.create(lines(2)...)
			require.NotEqual(t, first.TaskIDs, second.TaskIDs)
			task, payload := w.payload(second.TaskIDs[0])
			require.True(t, task.Ready(time.Now()))
			require.Equal(t, "logs", task.Queue)
			require.Equal(t, second.LogIDs, payload.LogIDs)
			third := w.create(lines(1)...)
			task, payload = w.payload(third.TaskIDs[0])
			require.Equal(t, task.ID, *payload.BatchID, "a new batch takes what comes then")
		})
	}
}

func TestNewLogServiceNamesABadSetting(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]application.LogServiceConfig{
		"batch_size":       {BatchSize: -1},
		"batch_bytes":      {BatchBytes: application.MaxBatchBytes + 1},
		"payload.baseline": {Learn: true},
		"batch_age":        {BatchAge: -1},
		"queue":            {Queue: "a b"},
		"max_retries":      {MaxRetries: 101},
		"timeout_seconds":  {Timeout: -1},
		"max_pending":      {MaxPending: -1},
	} {
		_, err := application.NewLogService(nil, nil, cfg, nil)
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
	}
}

func TestTheTaskOfABatchIsEnqueuedBeforeItsEntriesAreStored(t *testing.T) {
	t.Parallel()
	batch := uuid.New()
	service, queue, logs := mockedLogs(t, application.LogServiceConfig{
		BatchSize: 2, BatchAge: time.Minute, Queue: "logs", MaxRetries: -1, Timeout: time.Second,
		NewID: func() uuid.UUID { return batch },
	})
	given, _ := entries(2)
	want := domain.NewLogBatchTask(batch)
	want.Queue, want.MaxRetries, want.Timeout, want.Delay = "logs", 0, time.Second, time.Minute
	gomock.InOrder(
		queue.EXPECT().Enqueue(gomock.Any(), want).Return([]*domain.Task{want}, nil),
		logs.EXPECT().SaveLogs(gomock.Any(), batch, given[0], given[1]).Return(2, nil),
		queue.EXPECT().RunTaskNow(gomock.Any(), batch).Return(errors.New("it is due anyway")),
	)
	receipt, err := service.CreateLogs(t.Context(), given...)
	require.NoError(t, err, "a batch that cannot be hurried is analysed when it is due")
	require.Equal(t, domain.LogReceipt{LogIDs: []domain.LogID{given[0].ID, given[1].ID}, TaskIDs: []domain.TaskID{batch}}, receipt)
}

func TestNothingIsStoredIfTheTaskCannotBeEnqueued(t *testing.T) {
	t.Parallel()
	service, queue, _ := mockedLogs(t, application.LogServiceConfig{})
	queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, domain.ErrStoreFull)
	_, err := service.CreateLogs(t.Context(), lines(1)...)
	require.ErrorIs(t, err, domain.ErrStoreFull)
}

func TestAnEntryThatBreaksALimitStoresNothing(t *testing.T) {
	t.Parallel()
	service, _, _ := mockedLogs(t, application.LogServiceConfig{})
	_, err := service.CreateLogs(t.Context(), append(lines(2), domain.LogEntry{Message: " "})...)
	require.ErrorIs(t, err, domain.ErrInvalid)
	require.ErrorContains(t, err, "log entry 2: message must not be empty")
}

func TestABatchThatWasClosedMeanwhileIsReplaced(t *testing.T) {
	t.Parallel()
	service, queue, logs := mockedLogs(t, application.LogServiceConfig{})

	t.Run("and the entries are stored in the new one", func(t *testing.T) {
		var batches []domain.BatchID
		save := func(_ context.Context, batch domain.BatchID, _ ...domain.LogEntry) (int, error) {
			batches = append(batches, batch)
			if len(batches) == 1 {
				return 0, domain.ErrBatchClosed
			}
			return 1, nil
		}
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil).Times(2)
		logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(save).Times(2)
		receipt, err := service.CreateLogs(t.Context(), lines(1)...)
		require.NoError(t, err)
		require.NotEqual(t, batches[0], batches[1])
		require.Equal(t, batches[1:], receipt.TaskIDs)
		queue.EXPECT().RunTaskNow(gomock.Any(), batches[1]).Return(nil)
		require.NoError(t, service.Flush(t.Context()))
	})
	t.Run("but not for ever", func(t *testing.T) {
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil).AnyTimes()
		logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).Return(0, domain.ErrBatchClosed).AnyTimes()
		_, err := service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrBatchClosed)
	})
}

func TestBatches(t *testing.T) {
	t.Parallel()

	inBubble(t, "entries share a batch until it is old, and it is analysed then", func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{})
		first := w.create(lines(1)...)
		pass(2*time.Second - time.Millisecond)
		require.Equal(t, first.TaskIDs, w.create(lines(1)...).TaskIDs)
		require.False(t, w.ready(first.TaskIDs[0]))
		pass(time.Millisecond)
		require.True(t, w.ready(first.TaskIDs[0]))
		require.NotEqual(t, first.TaskIDs, w.create(lines(1)...).TaskIDs)
		ids, err := w.logs.CloseBatch(t.Context(), first.TaskIDs[0])
		require.NoError(t, err)
		require.Len(t, ids, 2)
	})

	inBubble(t, "a full batch is analysed at once, and a large request is split", func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{BatchSize: 10})
		receipt := w.create(lines(25)...)
		require.Len(t, receipt.TaskIDs, 3)
		require.True(t, w.ready(receipt.TaskIDs[0]))
		require.True(t, w.ready(receipt.TaskIDs[1]))
		require.False(t, w.ready(receipt.TaskIDs[2]))
		more := w.create(lines(5)...)
		require.Equal(t, receipt.TaskIDs[2:], more.TaskIDs)
		require.True(t, w.ready(receipt.TaskIDs[2]))
	})

	inBubble(t, "a batch is full by the bytes of its messages too, of which the last may go beyond", func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{BatchBytes: 100})
		logs := lines(5)
		for i, size := range []int{60, 50, 100, 1, 1} {
			logs[i].Message = strings.Repeat("x", size)
		}
		receipt := w.create(logs...)
		require.Len(t, receipt.TaskIDs, 3)
		for i, want := range []int{2, 1, 2} {
			require.Equal(t, i < 2, w.ready(receipt.TaskIDs[i]))
			ids, err := w.logs.CloseBatch(t.Context(), receipt.TaskIDs[i])
			require.NoError(t, err)
			require.Len(t, ids, want)
		}
	})

	t.Run("the tasks have the baseline of the service", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{Baseline: "normal", Learn: true})
		receipt := w.create(lines(1)...)
		_, payload := w.payload(receipt.TaskIDs[0])
		require.Equal(t, domain.LogAnalysisPayload{BatchID: &receipt.TaskIDs[0], Baseline: "normal", Learn: true}, payload)
	})

	inBubble(t, "a full batch waits for whoever still stores into it", func(t *testing.T) {
		service, queue, logs := mockedLogs(t, application.LogServiceConfig{BatchSize: 2})
		begun := time.Now()
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil)
		slow := logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).
			DoAndReturn(func(context.Context, domain.BatchID, ...domain.LogEntry) (int, error) {
				pass(time.Second)
				return 2, nil
			})
		logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).After(slow).Return(1, nil)
		queue.EXPECT().RunTaskNow(gomock.Any(), gomock.Any()).
			DoAndReturn(func(context.Context, ...domain.TaskID) error {
				require.Equal(t, time.Second, time.Since(begun))
				return nil
			})
		for range 2 {
			go func() { _, _ = service.CreateLogs(t.Context(), lines(1)...) }()
			synctest.Wait()
		}
		settle(time.Second)
	})

	inBubble(t, "flushing has the open batch analysed at once", func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{})
		require.NoError(t, w.service.Flush(t.Context()), "without an open batch it does nothing")
		receipt := w.create(lines(3)...)
		require.NoError(t, w.service.Flush(t.Context()))
		require.True(t, w.ready(receipt.TaskIDs[0]))
		require.NotEqual(t, receipt.TaskIDs, w.create(lines(1)...).TaskIDs)
	})

	t.Run("each entry of many callers is in exactly one batch of at most its size", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{BatchSize: 50, BatchAge: time.Minute})
		var mu sync.Mutex
		tasks := map[domain.TaskID]bool{}
		written := map[domain.LogID]bool{}
		var callers sync.WaitGroup
		for i := range 20 {
			callers.Go(func() {
				for range 10 {
					receipt, err := w.service.CreateLogs(t.Context(), lines(i+1)...)
					mu.Lock()
					if err == nil {
						for _, id := range receipt.LogIDs {
							written[id] = true
						}
						for _, id := range receipt.TaskIDs {
							tasks[id] = true
						}
					}
					mu.Unlock()
				}
			})
		}
		callers.Wait()
		require.Len(t, written, 2100)
		require.Len(t, tasks, 42, "as few batches as the size allows")
		for id := range tasks {
			require.True(t, w.ready(id))
			ids, err := w.logs.CloseBatch(t.Context(), id)
			require.NoError(t, err)
			require.Len(t, ids, 50)
			for _, id := range ids {
				require.True(t, written[id], "written once, and in no other batch")
				delete(written, id)
			}
		}
		require.Empty(t, written)
	})

	inBubble(t, "whoever waits for the store's opening of a batch can give up", func(t *testing.T) {
		service, queue, _ := mockedLogs(t, application.LogServiceConfig{})
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, _ ...*domain.Task) ([]*domain.Task, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		slow, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go func() { _, _ = service.CreateLogs(slow, lines(1)...) }()
		synctest.Wait()
		begun := time.Now()
		quick, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := service.CreateLogs(quick, lines(1)...)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begun))
		pass(10 * time.Second)
		synctest.Wait()
	})
}

func TestALogServiceReadsAndPurges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{})
		receipt := w.create(lines(2)...)
		got, err := w.service.GetLog(t.Context(), receipt.LogIDs[1])
		require.NoError(t, err)
		require.Equal(t, "line 1", got.Message)
		_, err = w.service.GetLog(t.Context(), uuid.New())
		require.ErrorIs(t, err, domain.ErrLogNotFound)

		page, err := w.service.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Len(t, page.Logs, 2)
		_, err = w.service.ListLogs(t.Context(), domain.LogFilter{Limit: -1})
		require.ErrorIs(t, err, domain.ErrInvalid)
		_, err = w.service.ListAnomalies(t.Context(), domain.AnomalyFilter{Limit: -1})
		require.ErrorIs(t, err, domain.ErrInvalid)

		_, err = w.service.GetAnalysis(t.Context(), receipt.TaskIDs[0])
		require.ErrorIs(t, err, domain.ErrAnalysisNotFound)
		require.NoError(t, w.logs.SaveAnalysis(t.Context(), receipt.TaskIDs[0], domain.AnalysisResult{
			Anomalies: []domain.Anomaly{{ID: "1", Severity: domain.SeverityLow}},
		}))
		anomalies, err := w.service.ListAnomalies(t.Context(), domain.AnomalyFilter{})
		require.NoError(t, err)
		require.Len(t, anomalies.Anomalies, 1)

		more, err := w.service.PurgeTasks(t.Context(), receipt.TaskIDs...)
		require.NoError(t, err)
		require.False(t, more)
		page, err = w.service.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Empty(t, page.Logs)
		_, err = w.service.GetAnalysis(t.Context(), receipt.TaskIDs[0])
		require.ErrorIs(t, err, domain.ErrAnalysisNotFound)
	})
}

func TestPurgingCollectsWhatADeadProcessLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{MaxAge: time.Hour})
		orphan := w.create(lines(1)...)
		pass(time.Hour)
		w.create(lines(1)...)
		_, err := w.service.PurgeTasks(t.Context(), uuid.New())
		require.NoError(t, err)
		_, err = w.service.GetLog(t.Context(), orphan.LogIDs[0])
		require.ErrorIs(t, err, domain.ErrLogNotFound)
		page, err := w.service.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Len(t, page.Logs, 1)
	})
}

func TestPurgingKeepsUpWithManyEntriesThatAreDueAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{MaxAge: time.Hour})
		for range 11 {
			w.create(lines(500)...)
		}
		pass(time.Hour - 10*time.Second)
		recent := w.create(lines(1)...)
		s, err := application.NewScheduler(w.queue, application.SchedulerConfig{
			Workers: application.NoWorkers, Maintain: true, PurgeInterval: time.Minute, Purger: w.service,
		}, nil)
		require.NoError(t, err)
		require.NoError(t, s.Start(t.Context()))
		pass(time.Minute + time.Second)
		page, err := w.service.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Len(t, page.Logs, 1)
		require.Equal(t, recent.LogIDs[0], page.Logs[0].ID)
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestLogsAreAnalysedByThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{BatchSize: 10})
		analyzer := mocks.NewMockLogAnalyzer(gomock.NewController(t))
		var mu sync.Mutex
		seen := map[domain.LogID]int{}
		analyzer.EXPECT().Analyze(gomock.Any(), gomock.Any()).AnyTimes().
			DoAndReturn(func(_ context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range req.Logs {
					seen[e.ID]++
				}
				return domain.AnalysisResult{AnalysedCount: len(req.Logs)}, nil
			})
		scheduler, err := application.NewScheduler(w.queue, application.SchedulerConfig{Purger: w.service}, nil)
		require.NoError(t, err)
		var processor ports.TaskProcessor = application.NewLogAnalysisProcessor(w.logs, analyzer, nil)
		require.NoError(t, scheduler.RegisterProcessor(domain.TaskTypeLogAnalysis, processor))
		require.NoError(t, scheduler.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, scheduler.Stop(context.WithoutCancel(t.Context()))) })

		receipt := w.create(lines(25)...)
		synctest.Wait()
		times := func(id domain.LogID) int {
			mu.Lock()
			defer mu.Unlock()
			return seen[id]
		}
		require.Equal(t, 1, times(receipt.LogIDs[19]), "full batches do not wait")
		require.Zero(t, times(receipt.LogIDs[20]))
		settle(2*time.Second + time.Millisecond)
		for _, id := range receipt.LogIDs {
			require.Equal(t, 1, times(id))
		}
		stored, err := w.service.GetAnalysis(t.Context(), receipt.TaskIDs[2])
		require.NoError(t, err)
		require.Equal(t, 5, stored.Result.LogCount)

		settle(24*time.Hour + 2*time.Minute)
		page, err := w.service.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Empty(t, page.Logs, "the entries go with their tasks")
	})
}
