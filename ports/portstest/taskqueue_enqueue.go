package portstest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var enqueueCases = []storeCase{
	{
		name:    "every field that a caller sets survives a round trip",
		promise: "Enqueue stores the tasks and returns them as stored.",
		run: func(t *testing.T, q *storeTest) {
			in := newTask()
			fillTask(t, in)
			out := q.enqueue(t, in)
			got := q.get(t, in.ID)
			require.Equal(t, out[0], got, "what Enqueue returns is what is stored")
			require.True(t, in.SameContents(got), "stored %+v, given %+v", got, in)
			require.Equal(t, in.TraceParent, got.TraceParent)
			require.Equal(t, domain.TaskStatusPending, got.Status)
			require.False(t, got.CreatedAt.IsZero())
			require.Zero(t, got.Attempt+got.Deliveries+got.Recoveries, "a caller cannot set the counters")
			require.Nil(t, got.Lease)
			require.Empty(t, got.Result)
			require.Empty(t, got.Errors)
			require.True(t, got.StartedAt.IsZero() && got.CompletedAt.IsZero())
		},
	},
	{
		name:    "the trace of a task comes with its claim and is no part of its contents",
		promise: "TraceParent is kept from the first enqueue, whatever a repeated one says.",
		run: func(t *testing.T, q *storeTest) {
			const first, second = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
			for parent, again := range map[string]string{first: second, second: "", "": first} {
				task := newTask(func(task *domain.Task) { task.TraceParent = parent })
				require.Equal(t, parent, q.enqueue(t, task)[0].TraceParent)
				task.TraceParent = again
				require.Equal(t, parent, q.enqueue(t, task)[0].TraceParent, "a repeated enqueue in another trace")
				require.Equal(t, parent, q.enqueue(t, task, task, newTask())[1].TraceParent, "and among others")
				require.Equal(t, parent, q.get(t, task.ID).TraceParent)
				changed := task.Clone()
				changed.Payload = append(changed.Payload, ' ')
				require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), changed)), domain.ErrTaskExists)
			}
			parents := map[string]int{}
			for _, task := range q.claim(t, 10) {
				parents[task.TraceParent]++
			}
			require.Equal(t, map[string]int{first: 1, second: 1, "": 4}, parents)
		},
	},
	{
		name:    "queues that have no tasks any more make room for others",
		promise: "A store may bound the pairs of queue and type that have tasks at the same time, to no fewer than 1000.",
		run: func(t *testing.T, q *storeTest) {
			const queues = 1000
			for round := range 3 {
				tasks, ids := make([]*domain.Task, queues), make([]domain.TaskID, queues)
				for i := range tasks {
					tasks[i] = newTask(func(task *domain.Task) { task.Queue = fmt.Sprintf("queue-%d-%d", round, i) })
					ids[i] = tasks[i].ID
				}
				began := time.Now()
				for {
					_, err := q.Queue.Enqueue(t.Context(), tasks...)
					if err == nil {
						break
					}
					require.ErrorIs(t, err, domain.ErrQueueFull)
					require.Less(t, time.Since(began), 10*time.Second, "the queues of the last round have no task")
				}
				page, err := q.Queue.ListTasks(t.Context(), domain.TaskFilter{Queue: tasks[7].Queue})
				require.NoError(t, err)
				require.Len(t, page.Tasks, 1)
				require.Equal(t, ids[7], page.Tasks[0].ID)
				require.NoError(t, q.Queue.DeleteTask(t.Context(), ids...))
			}
		},
	},
	{
		name:    "a delay counts from the creation",
		promise: "A task with a Delay has its ScheduledAt filled in.",
		run: func(t *testing.T, q *storeTest) {
			got := q.add(t, withDelay(90*time.Second))
			require.Equal(t, got.CreatedAt.Add(90*time.Second), got.ScheduledAt)
			require.Equal(t, int64(1), q.stats(t).Scheduled)
		},
	},
	{
		name:    "a time that has passed makes a task ready at once",
		promise: "ScheduledAt is when the task becomes ready.",
		run: func(t *testing.T, q *storeTest) {
			now := q.add(t).CreatedAt
			past := q.add(t, func(task *domain.Task) { task.ScheduledAt = now.Add(-time.Hour) })
			require.Len(t, q.claim(t, 10), 2)
			require.Equal(t, now.Add(-time.Hour), q.get(t, past.ID).ScheduledAt)
		},
	},
	{
		name:    "creation times strictly increase",
		promise: "Tasks are claimed in the order of their creation, within a call in the order of its arguments.",
		run: func(t *testing.T, q *storeTest) {
			tasks := append(q.addMany(t, 50), q.addMany(t, 50)...)
			created := map[domain.TaskID]time.Time{}
			for _, task := range tasks {
				created[task.ID] = task.CreatedAt
			}
			for _, ids := range q.parts(idsOf(tasks)) {
				for i := 1; i < len(ids); i++ {
					require.True(t, created[ids[i]].After(created[ids[i-1]]), "task %d", i)
				}
			}
		},
	},
	{
		name:    "a repeat gives the same task and stores nothing",
		promise: "A task whose id is taken by one with the same contents is returned as it is stored now.",
		run: func(t *testing.T, q *storeTest) {
			ready, later := newTask(), newTask(withDelay(time.Hour), withKey("key"))
			fixed := newTask(func(task *domain.Task) { task.ScheduledAt = time.Now().Add(time.Hour) })
			tasks := []*domain.Task{ready, later, fixed}
			require.Equal(t, q.enqueue(t, tasks...), q.enqueue(t, tasks...))
			require.Equal(t, int64(3), q.audit(t).Total())

			claimed := q.claimOne(t)
			q.update(t, retry(claimed, time.Hour))
			require.NoError(t, q.Queue.RunTaskNow(t.Context(), later.ID, fixed.ID))
			third, err := q.Queue.Enqueue(t.Context(), tasks...)
			require.NoError(t, err, "also when the task has moved on")
			require.Equal(t, domain.TaskStatusRetrying, third[0].Status)
		},
	},
	{
		name:    "one id twice in a call is one task",
		promise: "Every call may be repeated.",
		run: func(t *testing.T, q *storeTest) {
			task := newTask()
			out := q.enqueue(t, task, task)
			require.Equal(t, out[0], out[1])
			require.Equal(t, int64(1), q.audit(t).Total())
		},
	},
	{
		name:    "another task under a taken id is refused",
		promise: "domain.ErrTaskExists: the id is taken by other contents.",
		run: func(t *testing.T, q *storeTest) {
			stored := q.add(t)
			for name, change := range map[string]func(*domain.Task){
				"payload":  func(task *domain.Task) { task.Payload = []byte(`{"n":2}`) },
				"priority": withPriority(domain.PriorityLow), "type": withType("other"), "queue": withQueue("other"),
				"delay": withDelay(time.Second), "unique key": withKey("k"),
				"retries": func(task *domain.Task) { task.MaxRetries++ }, "timeout": func(task *domain.Task) { task.Timeout++ },
				"options": func(task *domain.Task) { task.Tags = []string{"tag"} },
			} {
				if name == "unique key" && q.Partition != nil {
					continue // It is of another part, which knows nothing of the first.
				}
				other := newTask(change, func(task *domain.Task) { task.ID = stored.ID })
				out, err := q.Queue.Enqueue(t.Context(), other)
				require.ErrorIs(t, err, domain.ErrTaskExists, name)
				require.Nil(t, out[0])
			}
			require.Equal(t, stored, q.get(t, stored.ID))
		},
	},
	{
		name:    "refused tasks do not keep the others out",
		promise: "Where some items are refused, the others are carried out, with one entry for each item in the error.",
		run: func(t *testing.T, q *storeTest) {
			holder := q.add(t, withKey("taken"))
			tasks := []*domain.Task{
				newTask(), newTask(withPriority(11)), newTask(withKey("taken")), newTask(), newTask(withKey("new")), newTask(withKey("new")),
			}
			out, err := q.Queue.Enqueue(t.Context(), tasks...)
			var batch *domain.BatchError
			require.ErrorAs(t, err, &batch)
			require.Len(t, batch.Errs, len(tasks))
			for _, i := range []int{0, 3, 4} {
				require.NoError(t, domain.ItemError(err, i))
				require.Equal(t, tasks[i].ID, out[i].ID)
			}
			requireField(t, domain.ItemError(err, 1), "priority")
			var duplicate *domain.DuplicateError
			require.ErrorAs(t, domain.ItemError(err, 2), &duplicate)
			require.Equal(t, holder.ID, duplicate.Holder)
			require.ErrorAs(t, domain.ItemError(err, 5), &duplicate)
			require.Equal(t, tasks[4].ID, duplicate.Holder)
			require.Equal(t, int64(4), q.audit(t).Total())
		},
	},
	{
		name:    "a unique key is free again when its task has finished",
		promise: "UniqueKey is held by one unfinished task at a time.",
		run: func(t *testing.T, q *storeTest) {
			for name, finish := range map[string]func(id domain.TaskID){
				"completed": func(domain.TaskID) { q.update(t, complete(q.claimOne(t), "")) },
				"failed":    func(domain.TaskID) { q.update(t, fail(q.claimOne(t), "x")) },
				"cancelled": func(id domain.TaskID) { require.NoError(t, q.Queue.CancelTask(t.Context(), id)) },
				"deleted":   func(id domain.TaskID) { require.NoError(t, q.Queue.DeleteTask(t.Context(), id)) },
			} {
				task := q.add(t, withKey(name))
				require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), newTask(withKey(name)))), domain.ErrDuplicateTask, name)
				finish(task.ID)
				next := q.add(t, withKey(name))
				require.NoError(t, q.Queue.DeleteTask(t.Context(), next.ID))
			}
		},
	},
	{
		name:    "a unique key stays held through retries and recoveries",
		promise: "UniqueKey is held by one unfinished task at a time.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, withKey("key"))
			held := func() {
				require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), newTask(withKey("key")))), domain.ErrDuplicateTask)
			}
			q.update(t, retry(q.claimOne(t), time.Second))
			held()
			q.Advance(time.Second)
			q.claimOne(t)
			held()
			q.Advance(lease)
			require.Equal(t, 1, q.reap(t))
			held()
		},
	},
	{
		name:    "many tasks in one call keep their order",
		promise: "Within a call tasks are claimed in the order of its arguments.",
		run: func(t *testing.T, q *storeTest) {
			tasks := q.addMany(t, 2*ports.MaxEnqueue+1)
			var got []domain.TaskID
			for range 3 {
				got = append(got, idsOf(q.claim(t, ports.MaxClaim))...)
			}
			q.requireOrder(t, idsOf(tasks), got)
		},
	},
	{
		name:    "a call that fails on the way returns what it stored",
		promise: "If a step fails after tasks were stored, the error has the failure at the tasks that were not.",
		run: func(t *testing.T, q *storeTest) {
			for looks := range 12 {
				tasks := make([]*domain.Task, 2*ports.MaxEnqueue+1)
				for i := range tasks {
					tasks[i] = newTask()
				}
				before := q.stats(t).Total()
				out, err := q.Queue.Enqueue(&endingContext{Context: t.Context(), left: looks}, tasks...)
				stored := q.stats(t).Total() - before
				named := int64(0)
				for i, task := range tasks {
					if domain.ItemError(err, i) != nil {
						continue
					}
					named++
					require.Equal(t, task.ID, out[i].ID)
					if i%ports.MaxEnqueue == 0 {
						require.Equal(t, out[i], q.get(t, task.ID))
					}
				}
				require.GreaterOrEqual(t, stored, named)
				if q.Partition == nil {
					require.LessOrEqual(t, stored-named, int64(ports.MaxEnqueue), "of the step that failed, nobody knows")
				}
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
				}
			}
			q.audit(t)
		},
	},
	{
		name:    "a payload of any bytes up to the limit is kept",
		promise: "Payload is at most MaxPayload bytes.",
		run: func(t *testing.T, q *storeTest) {
			big := strings.Repeat("x", domain.MaxPayload)
			for _, payload := range []string{"", "\x00\xff\r\n\"'", big} {
				got := q.add(t, func(task *domain.Task) { task.Payload = []byte(payload) })
				require.Equal(t, payload, string(q.get(t, got.ID).Payload))
			}
		},
	},
	{
		name:    "neither side keeps the other's task",
		promise: "Tasks that go in and come out are copies.",
		run: func(t *testing.T, q *storeTest) {
			in := newTask()
			out := q.enqueue(t, in)
			in.Payload[0] = 'X'
			out[0].Payload[0] = 'Y'
			got := q.get(t, in.ID)
			require.Equal(t, `{"n":1}`, string(got.Payload))
			got.Payload[0] = 'Z'
			require.Equal(t, `{"n":1}`, string(q.get(t, in.ID).Payload))
		},
	},
}

// endingContext is cancelled once a call has looked at it often enough.
type endingContext struct {
	context.Context //nolint:containedctx // it is one

	mu   sync.Mutex
	left int // the looks that it stands
}

func (c *endingContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return context.Canceled
	}
	c.left--
	return nil
}

// callerFields are the fields of a task that its creator sets.
var callerFields = []string{"ID", "Type", "Queue", "Payload", "Priority", "MaxRetries", "Timeout", "TraceParent", "UniqueKey", "OnConflict", "Delay", "TaskOptions"}

// storeFields are those that belong to the store.
var storeFields = []string{
	"Status", "Attempt", "Deliveries", "Recoveries", "CreatedAt", "ScheduledAt", "StartedAt", "CompletedAt", "Lease", "Stopping", "Progress", "WaitingFor", "Result", "Errors",
}

// fillTask gives every exported field a value that is not its default, so that a
// field which an adapter forgets is found, and fails for a field that this suite
// does not know.
func fillTask(t *testing.T, task *domain.Task) {
	t.Helper()
	known := append(append([]string{}, callerFields...), storeFields...)
	fields := reflect.TypeFor[domain.Task]()
	for i := range fields.NumField() {
		require.Contains(t, known, fields.Field(i).Name, "a new field of domain.Task must be tested")
	}
	*task = domain.Task{
		ID: uuid.New(), Type: "fancy.type-1", Queue: "fancy_queue", Payload: []byte(`["payload"]`),
		Priority: domain.PriorityHigh, MaxRetries: 7, Timeout: 1234567 * time.Microsecond, UniqueKey: "ключ|\x01", OnConflict: domain.ConflictKeep,
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		TaskOptions: domain.TaskOptions{
			Key: "ключ|\x00", Tags: []string{"one", "two"},
			Backoff:     domain.RetryPolicy{Kind: domain.RetryFixed, Base: time.Second, Cap: time.Minute, Jitter: 0.1},
			UniqueWhile: domain.UniqueWhileWaiting,
			ExpiresIn:   43 * time.Second, Retention: 44 * time.Second,
		},
		Delay: 42 * time.Second, Status: domain.TaskStatusFailed, Attempt: 3, Deliveries: 4, Recoveries: 5,
		CreatedAt: time.Unix(1, 0), StartedAt: time.Unix(2, 0), CompletedAt: time.Unix(3, 0),
		Lease: &domain.Lease{}, Progress: &domain.Progress{Percent: 1}, Result: []byte("result"), Errors: []domain.TaskError{{Message: "m"}},
	}
	value := reflect.ValueOf(*task)
	for _, name := range callerFields {
		require.False(t, value.FieldByName(name).IsZero(), fmt.Sprintf("the suite must set %s", name))
	}
	options := reflect.ValueOf(task.TaskOptions)
	for i := range options.NumField() {
		name := options.Type().Field(i).Name
		if name == "UniqueFor" || name == "ExpiresAt" || name == "Workflow" || strings.HasPrefix(name, "Group") {
			continue // They exclude UniqueWhile, ExpiresIn, an enqueue and a Delay, and have cases of their own.
		}
		require.False(t, options.Field(i).IsZero(), "the suite must set %s", name)
	}
}
