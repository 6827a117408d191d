package application_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
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

// bulkWorld is a queue with a service, and ways to bring tasks into a state.
type bulkWorld struct {
	*testing.T

	queue   ports.TaskQueue
	service *application.QueueService
}

func newBulkWorld(t *testing.T) *bulkWorld {
	t.Helper()
	queue := memstore.NewTaskQueue(memstore.Config{})
	return &bulkWorld{T: t, queue: queue, service: application.NewQueueService(queue, nil, nil)}
}

// add enqueues a task and brings it into the state.
func (w *bulkWorld) add(status domain.TaskStatus, change ...func(*domain.Task)) domain.TaskID {
	w.Helper()
	task := newTestTask(change...)
	task.Queue = "of-" + task.ID.String() // so that a claim gets no other
	_, err := w.queue.Enqueue(w.Context(), task)
	require.NoError(w, err)
	switch status {
	case domain.TaskStatusPending:
	case domain.TaskStatusCancelled:
		require.NoError(w, w.queue.CancelTask(w.Context(), task.ID))
	case domain.TaskStatusProcessing, domain.TaskStatusCompleted, domain.TaskStatusFailed, domain.TaskStatusRetrying:
		w.work(task.Queue, status)
	}
	require.Equal(w, status, w.status(task.ID))
	return task.ID
}

// work claims the task of a queue and reports what leads to the status.
func (w *bulkWorld) work(queue string, status domain.TaskStatus) {
	w.Helper()
	got, err := w.queue.Dequeue(w.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Queues: []string{queue}})
	require.NoError(w, err)
	require.Len(w, got, 1)
	outcome, reports := map[domain.TaskStatus]ports.Outcome{
		domain.TaskStatusCompleted: ports.OutcomeCompleted, domain.TaskStatusFailed: ports.OutcomeFailed, domain.TaskStatusRetrying: ports.OutcomeRetry,
	}[status]
	if reports {
		require.NoError(w, w.queue.UpdateTask(w.Context(), ports.TaskUpdate{
			Lease: *got[0].Lease, Outcome: outcome, RetryIn: time.Hour, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "no"},
		}))
	}
}

// status returns that of the task, 0 if there is none.
func (w *bulkWorld) status(id domain.TaskID) domain.TaskStatus {
	w.Helper()
	task, err := w.queue.GetTask(w.Context(), id)
	if err != nil {
		require.ErrorIs(w, err, domain.ErrTaskNotFound)
		return 0
	}
	return task.Status
}

func (w *bulkWorld) must(req domain.BulkRequest) domain.BulkResult {
	w.Helper()
	result, err := w.service.ChangeTasks(w.Context(), req)
	require.NoError(w, err)
	require.Equal(w, result.Matched, result.Changed+result.Refused)
	require.Len(w, result.Refusals, min(result.Refused, domain.MaxBulkRefusals))
	return result
}

// outcomes says what each action makes of a task in each state; 0 stands for a task
// that is gone, and a state without an entry forbids the action.
var outcomes = map[domain.TaskAction]map[domain.TaskStatus]domain.TaskStatus{
	domain.TaskActionRetry: {domain.TaskStatusFailed: domain.TaskStatusPending, domain.TaskStatusCancelled: domain.TaskStatusPending},
	domain.TaskActionCancel: {
		domain.TaskStatusPending: domain.TaskStatusCancelled, domain.TaskStatusRetrying: domain.TaskStatusCancelled,
		domain.TaskStatusProcessing: domain.TaskStatusCancelled,
	},
	domain.TaskActionRun: {domain.TaskStatusPending: domain.TaskStatusPending, domain.TaskStatusRetrying: domain.TaskStatusPending},
	domain.TaskActionDelete: {
		domain.TaskStatusPending: 0, domain.TaskStatusRetrying: 0, domain.TaskStatusCompleted: 0, domain.TaskStatusFailed: 0, domain.TaskStatusCancelled: 0,
	},
}

func TestBulkActionsInEveryState(t *testing.T) {
	t.Parallel()
	for _, action := range domain.TaskActions() {
		for _, byFilter := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, by filter %t", action, byFilter), func(t *testing.T) {
				t.Parallel()
				w := newBulkWorld(t)
				ids := make([]domain.TaskID, 0, len(domain.TaskStatuses()))
				for _, status := range domain.TaskStatuses() {
					ids = append(ids, w.add(status))
				}
				req := domain.BulkRequest{Action: action}
				if !byFilter {
					req.IDs = ids
				}
				req.DryRun = true
				dry := w.must(req)
				for i, status := range domain.TaskStatuses() {
					require.Equal(t, status, w.status(ids[i]), "a dry run changes nothing")
				}
				req.DryRun = false
				wet := w.must(req)
				require.Equal(t, len(ids), wet.Matched)
				require.Equal(t, len(outcomes[action]), wet.Changed)
				require.Equal(t, wet.Changed, dry.Changed, "a dry run foretells it")
				require.Empty(t, wet.NextCursor)
				refused := map[domain.TaskID]bool{}
				for i, r := range wet.Refusals {
					require.ErrorIs(t, r.Err, domain.ErrInvalidTransition)
					require.Equal(t, r.Err.Error(), dry.Refusals[i].Err.Error(), "and in which words it is refused")
					refused[r.ID] = true
				}
				for i, status := range domain.TaskStatuses() {
					want, allowed := outcomes[action][status]
					require.Equal(t, !allowed, refused[ids[i]], status)
					if !allowed {
						want = status
					}
					require.Equal(t, want, w.status(ids[i]), "a %s task after %s", status, action)
				}
			})
		}
	}
}

func TestBulkActionsByFilter(t *testing.T) {
	t.Parallel()
	t.Run("what the filter leaves out stays", func(t *testing.T) {
		t.Parallel()
		w := newBulkWorld(t)
		failed, other := w.add(domain.TaskStatusFailed), w.add(domain.TaskStatusFailed, func(t *domain.Task) { t.Type = "other" })
		waiting := w.add(domain.TaskStatusPending)
		got := w.must(domain.BulkRequest{Action: domain.TaskActionDelete, Filter: domain.TaskFilter{Status: domain.TaskStatusFailed, Type: testType}})
		require.Equal(t, domain.BulkResult{Matched: 1, Changed: 1}, got)
		require.Zero(t, w.status(failed))
		require.Equal(t, domain.TaskStatusFailed, w.status(other))
		require.Equal(t, domain.TaskStatusPending, w.status(waiting))
	})
	t.Run("a unique key that is held refuses one task, and names the holder", func(t *testing.T) {
		t.Parallel()
		w := newBulkWorld(t)
		unique := func(t *domain.Task) { t.UniqueKey = "k" }
		first := w.add(domain.TaskStatusFailed, unique)
		second := w.add(domain.TaskStatusFailed, unique)
		got := w.must(domain.BulkRequest{Action: domain.TaskActionRetry, Filter: domain.TaskFilter{Status: domain.TaskStatusFailed}})
		require.Equal(t, 1, got.Changed)
		var duplicate *domain.DuplicateError
		require.ErrorAs(t, got.Refusals[0].Err, &duplicate)
		require.Equal(t, second, duplicate.Holder, "the newest came first")
		require.Equal(t, first, got.Refusals[0].ID)
	})
	t.Run("25,000 tasks need three calls", func(t *testing.T) {
		t.Parallel()
		queue := &deepQueue{left: map[domain.TaskID]bool{}}
		for range 25_000 {
			task := newTestTask()
			queue.tasks, queue.left[task.ID] = append(queue.tasks, task), true
		}
		service := application.NewQueueService(queue, nil, nil)
		req := domain.BulkRequest{Action: domain.TaskActionDelete}
		for _, want := range []int{domain.MaxBulk, domain.MaxBulk, 5000} {
			got, err := service.ChangeTasks(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, want, got.Changed)
			require.Equal(t, want == domain.MaxBulk, got.NextCursor != "")
			req.Filter.Cursor = got.NextCursor
		}
		require.Empty(t, queue.left)
		require.Equal(t, 25_000/domain.MaxPageSize, queue.calls, "a page is one call of the store")
	})
	t.Run("it ends, and meets each task once, while tasks change and come", func(t *testing.T) {
		t.Parallel()
		w := newBulkWorld(t)
		tasks := make([]*domain.Task, 900)
		for i := range tasks {
			tasks[i] = newTestTask()
		}
		_, err := w.queue.Enqueue(t.Context(), tasks...)
		require.NoError(t, err)
		// Each listing finds the queue changed: what was just run was worked and
		// failed again, one task that comes next was cancelled, and new ones came.
		next := len(tasks)
		busy := &changingQueue{TaskQueue: w.queue, between: func() {
			_, err := w.queue.Enqueue(t.Context(), newTestTask(), newTestTask())
			require.NoError(t, err)
			if next -= 150; next > 0 {
				require.NoError(t, w.queue.CancelTask(t.Context(), tasks[next].ID))
			}
		}}
		service := application.NewQueueService(busy, nil, nil)
		req := domain.BulkRequest{Action: domain.TaskActionRun, Filter: domain.TaskFilter{Limit: 300}}
		var sum domain.BulkResult
		for calls := 0; ; calls++ {
			require.Less(t, calls, 10, "it ends")
			got, err := service.ChangeTasks(t.Context(), req)
			require.NoError(t, err)
			sum.Matched, sum.Changed, sum.Refused = sum.Matched+got.Matched, sum.Changed+got.Changed, sum.Refused+got.Refused
			if req.Filter.Cursor = got.NextCursor; got.NextCursor == "" {
				break
			}
		}
		require.Equal(t, len(tasks)+2, sum.Matched, "all that were there, and the two of before the first page")
		require.Positive(t, sum.Refused, "those that were cancelled in time are judged by their new state")
		require.Equal(t, sum.Matched, sum.Changed+sum.Refused)
	})
}

// deepQueue is a queue of many tasks that can be listed and deleted, at a cost that
// does not grow with their number.
type deepQueue struct {
	ports.TaskQueue

	tasks []*domain.Task
	left  map[domain.TaskID]bool
	calls int // of DeleteTask
}

func (q *deepQueue) ListTasks(_ context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	from, _ := strconv.Atoi(filter.Cursor)
	to := min(from+filter.PageSize(), len(q.tasks))
	page := domain.TaskPage{Tasks: q.tasks[from:to]}
	if to < len(q.tasks) {
		page.NextCursor = strconv.Itoa(to)
	}
	return page, nil
}

func (q *deepQueue) DeleteTask(_ context.Context, ids ...domain.TaskID) error {
	q.calls++
	errs := make([]error, len(ids))
	for i, id := range ids {
		if !q.left[id] {
			errs[i] = domain.ErrTaskNotFound
		}
		delete(q.left, id)
	}
	return domain.NewBatchError(errs)
}

// changingQueue calls between before each listing.
type changingQueue struct {
	ports.TaskQueue

	between func()
}

func (q *changingQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	q.between()
	return q.TaskQueue.ListTasks(ctx, filter)
}

func TestBulkActionsByIDs(t *testing.T) {
	t.Parallel()
	t.Run("those that are not there are refused, and only the first are named", func(t *testing.T) {
		t.Parallel()
		w := newBulkWorld(t)
		ids := []domain.TaskID{w.add(domain.TaskStatusPending)}
		for range 450 {
			ids = append(ids, uuid.New())
		}
		for _, dry := range []bool{true, false} {
			got := w.must(domain.BulkRequest{Action: domain.TaskActionCancel, IDs: ids, DryRun: dry})
			require.Equal(t, 1, got.Changed)
			require.Equal(t, 450, got.Refused)
			for i, r := range got.Refusals {
				require.Equal(t, ids[i+1], r.ID, "in the order of the request")
				require.ErrorIs(t, r.Err, domain.ErrTaskNotFound)
			}
		}
	})
	t.Run("a request that breaks a rule names the field", func(t *testing.T) {
		t.Parallel()
		w := newBulkWorld(t)
		id := uuid.New()
		for field, req := range map[string]domain.BulkRequest{
			"action": {},
			"ids":    {Action: domain.TaskActionRun, IDs: make([]domain.TaskID, domain.MaxBulk+1)},
			"ids.2":  {Action: domain.TaskActionRun, IDs: []domain.TaskID{id, uuid.New(), id}},
			"limit":  {Action: domain.TaskActionRun, Filter: domain.TaskFilter{Limit: domain.MaxBulk + 1}},
			"status": {Action: domain.TaskActionRun, Filter: domain.TaskFilter{Status: 99}},
		} {
			_, err := w.service.ChangeTasks(t.Context(), req)
			var invalid *domain.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, field, invalid.Field)
		}
	})
}

func TestBulkActionsOfAStoreThatFails(t *testing.T) {
	t.Parallel()
	ids := make([]domain.TaskID, 300)
	for i := range ids {
		ids[i] = uuid.New()
	}
	t.Run("what was done by then is told", func(t *testing.T) {
		t.Parallel()
		queue := mocks.NewMockTaskQueue(gomock.NewController(t))
		gomock.InOrder(
			queue.EXPECT().RetryTask(gomock.Any(), gomock.Any()).Return(nil),
			queue.EXPECT().RetryTask(gomock.Any(), gomock.Any()).Return(domain.ErrStoreUnavailable),
		)
		got, err := application.NewQueueService(queue, nil, nil).ChangeTasks(t.Context(), domain.BulkRequest{Action: domain.TaskActionRetry, IDs: ids})
		require.NoError(t, err)
		require.ErrorIs(t, got.Stopped, domain.ErrStoreUnavailable)
		require.ErrorContains(t, got.Stopped, "retry tasks: ")
		got.Stopped = nil
		require.Equal(t, domain.BulkResult{Matched: 200, Changed: 200}, got)
	})
	t.Run("a filter says where to go on", func(t *testing.T) {
		t.Parallel()
		queue := mocks.NewMockTaskQueue(gomock.NewController(t))
		page := domain.TaskPage{Tasks: []*domain.Task{newTestTask()}, NextCursor: "second"}
		gomock.InOrder(
			queue.EXPECT().ListTasks(gomock.Any(), gomock.Any()).Return(page, nil),
			queue.EXPECT().CancelTask(gomock.Any(), gomock.Any()).Return(nil),
			queue.EXPECT().ListTasks(gomock.Any(), gomock.Any()).Return(domain.TaskPage{Tasks: page.Tasks, NextCursor: "third"}, nil),
			queue.EXPECT().CancelTask(gomock.Any(), gomock.Any()).Return(domain.ErrStoreFull),
		)
		got, err := application.NewQueueService(queue, nil, nil).ChangeTasks(t.Context(), domain.BulkRequest{Action: domain.TaskActionCancel})
		require.NoError(t, err)
		require.ErrorIs(t, got.Stopped, domain.ErrStoreFull)
		got.Stopped = nil
		require.Equal(t, domain.BulkResult{Matched: 1, Changed: 1, NextCursor: "second"}, got)
	})
	t.Run("nothing was done", func(t *testing.T) {
		t.Parallel()
		queue := mocks.NewMockTaskQueue(gomock.NewController(t))
		queue.EXPECT().RetryTask(gomock.Any(), gomock.Any()).Return(domain.ErrStoreFull)
		_, err := application.NewQueueService(queue, nil, nil).ChangeTasks(t.Context(), domain.BulkRequest{Action: domain.TaskActionRetry, IDs: ids})
		require.ErrorIs(t, err, domain.ErrStoreFull)
	})
	t.Run("a dry run fails with it", func(t *testing.T) {
		t.Parallel()
		queue := mocks.NewMockTaskQueue(gomock.NewController(t))
		queue.EXPECT().GetTask(gomock.Any(), gomock.Any()).Return(nil, domain.ErrStoreUnavailable).MinTimes(1)
		_, err := application.NewQueueService(queue, nil, nil).ChangeTasks(t.Context(), domain.BulkRequest{Action: domain.TaskActionRetry, IDs: ids[:1], DryRun: true})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})
	t.Run("a filter that finds nothing for long gives up, and says where to go on", func(t *testing.T) {
		t.Parallel()
		queue := mocks.NewMockTaskQueue(gomock.NewController(t))
		queue.EXPECT().ListTasks(gomock.Any(), gomock.Any()).Return(domain.TaskPage{NextCursor: "further"}, nil).Times(200)
		got, err := application.NewQueueService(queue, nil, nil).ChangeTasks(t.Context(), domain.BulkRequest{Action: domain.TaskActionRetry})
		require.NoError(t, err)
		require.Equal(t, domain.BulkResult{NextCursor: "further"}, got)
	})
}
