package portstest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

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

func expiresIn(d time.Duration) func(*domain.Task) { return func(t *domain.Task) { t.ExpiresIn = d } }

// requireTime requires that times are the same to the microsecond.
func (q *storeTest) requireTime(t *testing.T, want, got time.Time, message ...any) {
	t.Helper()
	require.Equal(t, want.Truncate(time.Microsecond), got, message...)
}

func withKey(key string) func(*domain.Task) { return func(t *domain.Task) { t.UniqueKey = key } }

func withType(typ domain.TaskType) func(*domain.Task) {
	return func(t *domain.Task) { t.Type = typ }
}

func withQueue(queue string) func(*domain.Task) { return func(t *domain.Task) { t.Queue = queue } }

func withTags(tags ...string) func(*domain.Task) { return func(t *domain.Task) { t.Tags = tags } }

// withBytes gives a task a payload of so many bytes.
func withBytes(n int) func(*domain.Task) {
	return func(t *domain.Task) { t.Payload = bytes.Repeat([]byte{'1'}, n) }
}

// parts splits ids by the parts of the queue that they belong to, keeping their
// order. All are of one part if the store has no others.
func (q *storeTest) parts(ids []domain.TaskID) map[int][]domain.TaskID {
	out := map[int][]domain.TaskID{}
	for _, id := range ids {
		part := 0
		if q.Partition != nil {
			part = q.Partition(id, q.keyOf[id])
		}
		out[part] = append(out[part], id)
	}
	return out
}

// requireOrder requires that these are the tasks, in this order as far as order
// holds among them.
func (q *storeTest) requireOrder(t require.TestingT, want, got []domain.TaskID, message ...any) {
	require.Len(t, got, len(want), message...)
	require.Equal(t, q.parts(want), q.parts(got), message...)
}

// partCount is how many parts of the queue the tasks belong to.
func (q *storeTest) partCount(ids []domain.TaskID) int { return len(q.parts(ids)) }

// requireBeginning requires that got are n of the tasks, the first of each part that
// they belong to. Each part may give one more than there is room for.
func (q *storeTest) requireBeginning(t require.TestingT, all, got []domain.TaskID, n int) {
	require.GreaterOrEqual(t, len(got), n)
	require.Less(t, len(got), n+q.partCount(all))
	of := q.parts(all)
	for part, ids := range q.parts(got) {
		require.Equal(t, of[part][:len(ids)], ids)
	}
}

// enqueue enqueues tasks in one call.
func (q *storeTest) enqueue(t *testing.T, tasks ...*domain.Task) []*domain.Task {
	t.Helper()
	out, err := q.Queue.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
	require.Len(t, out, len(tasks))
	return out
}

// dequeue claims what is asked for.
func (q *storeTest) dequeue(t *testing.T, req ports.ClaimRequest) []*domain.Task {
	t.Helper()
	got, err := q.Queue.Dequeue(t.Context(), req)
	require.NoError(t, err)
	return got
}

// add enqueues one task and returns it as stored.
func (q *storeTest) add(t *testing.T, change ...func(*domain.Task)) *domain.Task {
	t.Helper()
	return q.enqueue(t, newTask(change...))[0]
}

// addMany enqueues n tasks in one call.
func (q *storeTest) addMany(t *testing.T, n int, change ...func(*domain.Task)) []*domain.Task {
	t.Helper()
	tasks := make([]*domain.Task, n)
	for i := range tasks {
		tasks[i] = newTask(change...)
	}
	return q.enqueue(t, tasks...)
}

// addSized enqueues n tasks whose payloads have so many bytes.
func (q *storeTest) addSized(t *testing.T, n, size int) {
	t.Helper()
	for range n {
		q.add(t, withBytes(size))
	}
}

// claim claims up to n tasks without waiting.
func (q *storeTest) claim(t *testing.T, n int) []*domain.Task {
	t.Helper()
	return q.claimAs(t, uuid.New(), n)
}

func (q *storeTest) claimAs(t *testing.T, id domain.ClaimID, n int) []*domain.Task {
	t.Helper()
	return q.dequeue(t, ports.ClaimRequest{ID: id, Max: n, Lease: lease})
}

// claimOne claims one task and fails if there is none.
func (q *storeTest) claimOne(t *testing.T) *domain.Task {
	t.Helper()
	got := q.claim(t, 1)
	require.Len(t, got, 1, "a task should be claimable")
	return got[0]
}

func (q *storeTest) get(t *testing.T, id domain.TaskID) *domain.Task {
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

func snooze(t *domain.Task, in time.Duration) ports.TaskUpdate {
	return ports.TaskUpdate{Lease: *t.Lease, Outcome: ports.OutcomeSnooze, RetryIn: in}
}

func (q *storeTest) update(t *testing.T, updates ...ports.TaskUpdate) {
	t.Helper()
	require.NoError(t, q.Queue.UpdateTask(t.Context(), updates...))
}

func (q *storeTest) promote(t *testing.T) int {
	t.Helper()
	m, err := q.Queue.PromoteDue(t.Context(), ports.MaxClaim)
	require.NoError(t, err)
	return m.Count
}

func (q *storeTest) reap(t *testing.T) int {
	t.Helper()
	return q.reapAs(t, ports.ReapRequest{MaxRecoveries: 3, Limit: ports.MaxClaim}).Count
}

// reapAs recovers what is asked for.
func (q *storeTest) reapAs(t *testing.T, req ports.ReapRequest) ports.Maintained {
	t.Helper()
	m, err := q.Queue.ReapExpired(t.Context(), req)
	require.NoError(t, err)
	return m
}

func (q *storeTest) stats(t *testing.T) domain.QueueStats {
	t.Helper()
	s, err := q.Queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	return s
}

// in brings a task into a state, and returns it with its lease if it has one.
func (q *storeTest) in(t *testing.T, status domain.TaskStatus) *domain.Task {
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
func (q *storeTest) unchanged(t *testing.T, id domain.TaskID, f func()) {
	t.Helper()
	before := q.get(t, id)
	f()
	after := q.get(t, id)
	before.Stopping = before.Stopping && after.Stopping // A refused release says that a cancelled run has stopped.
	require.Equal(t, before, after, "a refused call must change nothing")
}

// audit requires that the counts agree with the lists of all tasks by state, and
// returns them.
func (q *storeTest) audit(t *testing.T) domain.QueueStats {
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
func (q *storeTest) listAll(t *testing.T, f domain.TaskFilter) []*domain.Task {
	t.Helper()
	return pages(t, f.Cursor, f.PageSize(), func(cursor string) ([]*domain.Task, string, error) {
		f.Cursor = cursor
		page, err := q.Queue.ListTasks(t.Context(), f)
		return page.Tasks, page.NextCursor, err
	}, nil)
}

// each returns what f makes of each item.
func each[A, B any](items []A, f func(item *A) B) []B {
	out := make([]B, len(items))
	for i := range items {
		out[i] = f(&items[i])
	}
	return out
}

func idsOf(tasks []*domain.Task) []domain.TaskID {
	return each(tasks, func(task **domain.Task) domain.TaskID { return (*task).ID })
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
