package portstest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// QueueHarness is a queue to be tested, empty and isolated from all others.
type QueueHarness struct {
	Queue ports.TaskQueue
	// Advance moves the store's clock forward. It is required.
	Advance func(d time.Duration)
	// Reopen returns another handle on the same tasks, as another process would
	// have. Nil if the store has no such thing.
	Reopen func(t *testing.T) ports.TaskQueue
	// Restart closes the store and opens it again. Nil if it is not durable.
	Restart func(t *testing.T) ports.TaskQueue
	// Partition says to which of several parts of the queue a task belongs, if
	// order holds among the tasks of each part only. Nil if it holds among all.
	Partition func(id domain.TaskID) int
	// NoUniqueKeys says that tasks with a unique key are refused.
	NoUniqueKeys bool
}

// queueCase is one promise of the contract.
type queueCase struct {
	name string
	// promise is the sentence of the contract that is checked.
	promise string
	run     func(t *testing.T, q *queueTest)
}

// TestTaskQueue checks that the queues which newHarness makes keep the contract
// of ports.TaskQueue. Cases run in parallel, each with a harness of its own.
func TestTaskQueue(t *testing.T, newHarness func(t *testing.T) QueueHarness) {
	t.Helper()
	for _, group := range []struct {
		name  string
		cases []queueCase
	}{
		{"Enqueue", enqueueCases}, {"Claim", claimCases}, {"Settle", settleCases}, {"Manage", manageCases},
		{"List", listCases}, {"Time", timeCases}, {"Faults", faultCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("the broken promise: %s", c.promise)
						}
					})
					c.run(t, &queueTest{QueueHarness: newHarness(t)})
				})
			}
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		testModel(t, newHarness)
	})
}

// queueTest is what a case works with.
type queueTest struct{ QueueHarness }

// lease is long enough for any case that does not move the clock.
const lease = time.Minute

func newTask(change ...func(*domain.Task)) *domain.Task {
	t := domain.NewTask(uuid.New(), "work", []byte(`{"n":1}`))
	for _, f := range change {
		f(t)
	}
	return t
}

func withPriority(p domain.Priority) func(*domain.Task) {
	return func(t *domain.Task) { t.Priority = p }
}

func withDelay(d time.Duration) func(*domain.Task) { return func(t *domain.Task) { t.Delay = d } }

func withKey(key string) func(*domain.Task) { return func(t *domain.Task) { t.UniqueKey = key } }

func withType(typ domain.TaskType) func(*domain.Task) {
	return func(t *domain.Task) { t.Type = typ }
}

func withQueue(queue string) func(*domain.Task) { return func(t *domain.Task) { t.Queue = queue } }

// mayHaveKey gives a task a unique key if the store takes such, for cases that are
// about something else.
func (q *queueTest) mayHaveKey(key string) func(*domain.Task) {
	if q.NoUniqueKeys {
		return func(*domain.Task) {}
	}
	return withKey(key)
}

// needUniqueKeys skips a case that is about unique keys if the store takes none.
func (q *queueTest) needUniqueKeys(t *testing.T) {
	t.Helper()
	if q.NoUniqueKeys {
		t.Skip("the store takes no unique keys")
	}
}

// parts splits ids by the parts of the queue that they belong to, keeping their
// order. All are of one part if the store has no others.
func (q *queueTest) parts(ids []domain.TaskID) map[int][]domain.TaskID {
	out := map[int][]domain.TaskID{}
	for _, id := range ids {
		part := 0
		if q.Partition != nil {
			part = q.Partition(id)
		}
		out[part] = append(out[part], id)
	}
	return out
}

// requireOrder requires that these are the tasks, in this order as far as order
// holds among them.
func (q *queueTest) requireOrder(t require.TestingT, want, got []domain.TaskID, message ...any) {
	require.Len(t, got, len(want), message...)
	require.Equal(t, q.parts(want), q.parts(got), message...)
}

// add enqueues one task and returns it as stored.
func (q *queueTest) add(t *testing.T, change ...func(*domain.Task)) *domain.Task {
	t.Helper()
	out, err := q.Queue.Enqueue(t.Context(), newTask(change...))
	require.NoError(t, err)
	require.Len(t, out, 1)
	return out[0]
}

// addMany enqueues n tasks in one call.
func (q *queueTest) addMany(t *testing.T, n int) []*domain.Task {
	t.Helper()
	tasks := make([]*domain.Task, n)
	for i := range tasks {
		tasks[i] = newTask()
	}
	out, err := q.Queue.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
	require.Len(t, out, n)
	return out
}

// claim claims up to n tasks without waiting.
func (q *queueTest) claim(t *testing.T, n int) []*domain.Task {
	t.Helper()
	return q.claimAs(t, uuid.New(), n)
}

func (q *queueTest) claimAs(t *testing.T, id domain.ClaimID, n int) []*domain.Task {
	t.Helper()
	got, err := q.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: id, Max: n, Lease: lease})
	require.NoError(t, err)
	return got
}

// claimOne claims one task and fails if there is none.
func (q *queueTest) claimOne(t *testing.T) *domain.Task {
	t.Helper()
	got := q.claim(t, 1)
	require.Len(t, got, 1, "a task should be claimable")
	return got[0]
}

func (q *queueTest) get(t *testing.T, id domain.TaskID) *domain.Task {
	t.Helper()
	got, err := q.Queue.GetTask(t.Context(), id)
	require.NoError(t, err)
	return got
}

func complete(t *domain.Task, result string) ports.TaskUpdate {
	return ports.TaskUpdate{Lease: *t.Lease, Outcome: ports.OutcomeCompleted, Result: []byte(result)}
}

func fail(t *domain.Task, message string) ports.TaskUpdate {
	return ports.TaskUpdate{Lease: *t.Lease, Outcome: ports.OutcomeFailed, Failure: domain.TaskError{Reason: domain.ReasonError, Message: message}}
}

func retry(t *domain.Task, in time.Duration) ports.TaskUpdate {
	return ports.TaskUpdate{Lease: *t.Lease, Outcome: ports.OutcomeRetry, RetryIn: in, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "try again"}}
}

func (q *queueTest) update(t *testing.T, updates ...ports.TaskUpdate) {
	t.Helper()
	require.NoError(t, q.Queue.UpdateTask(t.Context(), updates...))
}

func (q *queueTest) promote(t *testing.T) int {
	t.Helper()
	m, err := q.Queue.PromoteDue(t.Context(), ports.MaxClaim)
	require.NoError(t, err)
	return m.Count
}

func (q *queueTest) reap(t *testing.T) int {
	t.Helper()
	m, err := q.Queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: ports.MaxClaim})
	require.NoError(t, err)
	return m.Count
}

func (q *queueTest) stats(t *testing.T) domain.QueueStats {
	t.Helper()
	s, err := q.Queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	return s
}

// in brings a task into a state, and returns it with its lease if it has one.
func (q *queueTest) in(t *testing.T, status domain.TaskStatus) *domain.Task {
	t.Helper()
	task := q.add(t)
	if status == domain.TaskStatusPending {
		return task
	}
	if status == domain.TaskStatusCancelled {
		require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
		return q.get(t, task.ID)
	}
	claimed := q.claimOne(t)
	require.Equal(t, task.ID, claimed.ID)
	switch status {
	case domain.TaskStatusProcessing:
		return claimed
	case domain.TaskStatusCompleted:
		q.update(t, complete(claimed, `{"ok":true}`))
	case domain.TaskStatusFailed:
		q.update(t, fail(claimed, "broken"))
	case domain.TaskStatusRetrying:
		q.update(t, retry(claimed, time.Hour))
	case domain.TaskStatusPending, domain.TaskStatusCancelled:
	}
	got := q.get(t, task.ID)
	require.Equal(t, status, got.Status)
	return got
}

// unchanged runs f and requires that the task is the same after it.
func (q *queueTest) unchanged(t *testing.T, id domain.TaskID, f func()) {
	t.Helper()
	before := q.get(t, id)
	f()
	require.Equal(t, before, q.get(t, id), "a refused call must change nothing")
}

// audit requires that the counts agree with the lists of all tasks by state, and
// returns them.
func (q *queueTest) audit(t *testing.T) domain.QueueStats {
	t.Helper()
	s := q.stats(t)
	seen := map[domain.TaskID]domain.TaskStatus{}
	for status, want := range map[domain.TaskStatus]int64{
		domain.TaskStatusPending: s.Pending + s.Scheduled, domain.TaskStatusProcessing: s.Processing,
		domain.TaskStatusCompleted: s.Completed, domain.TaskStatusFailed: s.Failed,
		domain.TaskStatusRetrying: s.Retrying, domain.TaskStatusCancelled: s.Cancelled,
	} {
		tasks := q.listAll(t, domain.TaskFilter{Status: status})
		require.Len(t, tasks, int(want), "the count of %s must be the number of tasks listed", status)
		for _, task := range tasks {
			other, twice := seen[task.ID]
			require.False(t, twice, "task %s is listed as %s and as %s", task.ID, other, status)
			seen[task.ID] = status
		}
	}
	require.Len(t, seen, int(s.Total()))
	return s
}

// listAll pages through a list.
func (q *queueTest) listAll(t *testing.T, filter domain.TaskFilter) []*domain.Task {
	t.Helper()
	var out []*domain.Task
	for {
		page, err := q.Queue.ListTasks(t.Context(), filter)
		require.NoError(t, err)
		out = append(out, page.Tasks...)
		if page.NextCursor == "" {
			return out
		}
		filter.Cursor = page.NextCursor
	}
}

func idsOf(tasks []*domain.Task) []domain.TaskID {
	out := make([]domain.TaskID, len(tasks))
	for i, t := range tasks {
		out[i] = t.ID
	}
	return out
}

func requireField(t *testing.T, err error, field string) {
	t.Helper()
	var invalid *domain.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, field, invalid.Field)
}

// soon bounds what should happen at once, generously for a busy machine.
const soon = 3 * time.Second

func soonContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
