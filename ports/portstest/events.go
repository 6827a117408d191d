package portstest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// step is what an event tells of one task.
type step struct {
	from, to domain.TaskStatus
	attempt  int
	reason   domain.FailureReason
}

const (
	none       = domain.TaskStatus(0)
	pending    = domain.TaskStatusPending
	processing = domain.TaskStatusProcessing
	completed  = domain.TaskStatusCompleted
	failed     = domain.TaskStatusFailed
	retrying   = domain.TaskStatusRetrying
	cancelled  = domain.TaskStatusCancelled
)

func stepsOf(events []domain.TaskEvent) []step {
	return each(events, func(e *domain.TaskEvent) step { return step{e.From, e.To, e.Attempt, e.Reason} })
}

// stepsByTask are the steps of each task, in the order of the events.
func stepsByTask(events []domain.TaskEvent) map[domain.TaskID][]step {
	out := map[domain.TaskID][]step{}
	for _, e := range events {
		out[e.TaskID] = append(out[e.TaskID], step{e.From, e.To, e.Attempt, e.Reason})
	}
	return out
}

// beginEvents has the reader begin now.
func (e *storeTest) beginEvents(t *testing.T) {
	t.Helper()
	page := readEvents(t, e.Events, ports.EventRequest{Max: ports.MaxEvents})
	require.Empty(t, page.Events, "who begins is told nothing of the past")
	require.False(t, page.Lost, "who begins has lost nothing")
	e.at = page.Next
}

// newEvents returns all events that are there, and has the reader go on after them.
func (e *storeTest) newEvents(t *testing.T) []domain.TaskEvent {
	t.Helper()
	events, next := readOn(t, e.Events, e.at, ports.MaxEvents)
	e.at = next
	return events
}

// readOn pages through the events after a cursor, and returns where they end.
func readOn(t *testing.T, r ports.TaskEventReader, after string, limit int) ([]domain.TaskEvent, string) {
	t.Helper()
	var out []domain.TaskEvent
	for {
		page := readEvents(t, r, ports.EventRequest{After: after, Max: limit})
		require.False(t, page.Lost, "nothing is lost")
		after = page.Next
		if len(page.Events) == 0 {
			return out, after
		}
		out = append(out, page.Events...)
	}
}

// readEvents reads a page and checks its form.
func readEvents(t require.TestingT, r ports.TaskEventReader, req ports.EventRequest) domain.TaskEventPage {
	page, err := r.ReadTaskEvents(context.Background(), req) //nolint:forbidigo // require.TestingT has no context.
	require.NoError(t, err)
	require.LessOrEqual(t, len(page.Events), req.Max, "no more events than asked for")
	requireCursor(t, page.Next)
	if page.Lost {
		require.Empty(t, page.Events, "a page after a loss has no events")
	}
	for _, e := range page.Events {
		requireCursor(t, e.Cursor)
		require.Equal(t, time.UTC, e.At.Location())
		require.Equal(t, e.At.Truncate(time.Microsecond), e.At)
	}
	return page
}

func requireCursor(t require.TestingT, cursor string) {
	require.NotEmpty(t, cursor)
	require.LessOrEqual(t, len(cursor), domain.MaxEventCursor)
	require.Equal(t, -1, strings.IndexFunc(cursor, func(r rune) bool { return r <= ' ' || r > '~' }), "printable ASCII without spaces: %q", cursor)
}

// requireLost requires that the reader is told of a loss, and has it begin anew.
func (e *storeTest) requireLost(t *testing.T) {
	t.Helper()
	page := readEvents(t, e.Events, ports.EventRequest{After: e.at, Max: ports.MaxEvents})
	require.True(t, page.Lost, "a loss must be told")
	require.NotEqual(t, e.at, page.Next)
	e.at = page.Next
	require.Empty(t, e.newEvents(t), "after a loss the reader begins now")
}

// eventCases are the promises about events, by what they are about.
var eventCases = begun(append(append([]storeCase{
	{
		"each step of a task is one event with its old and new state",
		"Every step of a task is one event",
		func(t *testing.T, e *storeTest) {
			for name, row := range eventRows {
				task := row.prepare(t, e)
				e.beginEvents(t) // The row may have moved the clock for longer than events are kept.
				before := e.get(t, task.ID)
				row.act(t, e, task)
				got := e.newEvents(t)
				require.Equal(t, row.want, stepsOf(got), name)
				for _, event := range got {
					require.Equal(t, task.ID, event.TaskID, name)
					require.Equal(t, task.Type, event.Type, name)
					require.Equal(t, task.Queue, event.Queue, name)
					require.False(t, event.At.Before(before.CreatedAt), "%s: by the store's clock", name)
				}
				e.forget(t, task.ID)
			}
		},
	},
	{
		"a new task is one event, ready or not",
		"Every step of a task is one event: the enqueue",
		func(t *testing.T, e *storeTest) {
			now := e.add(t, withType("first"), withQueue("here"))
			later := e.add(t, withType("second"), withQueue("there"), withDelay(time.Hour))
			events := e.newEvents(t)
			require.Equal(t, map[domain.TaskID][]step{now.ID: {{to: pending}}, later.ID: {{to: pending}}}, stepsByTask(events))
			for _, event := range events {
				task := map[domain.TaskID]*domain.Task{now.ID: now, later.ID: later}[event.TaskID]
				require.Equal(t, task.Type, event.Type)
				require.Equal(t, task.Queue, event.Queue)
				require.WithinDuration(t, task.CreatedAt, event.At, time.Second)
			}
		},
	},
	{
		"what is no step is no event",
		"What is not a step is none: an extended lease, a repeated or refused call",
		func(t *testing.T, e *storeTest) {
			ready, done := newTask(withQueue("ready")), e.in(t, completed)
			stored := e.enqueue(t, ready)
			running := e.add(t, withQueue("running"))
			claim := ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Queues: []string{"running"}}
			got := e.dequeue(t, claim)
			require.Len(t, got, 1)
			released := e.add(t, withQueue("released"))
			other := e.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Queues: []string{"released"}})
			require.NoError(t, e.Queue.ReleaseTask(t.Context(), *other[0].Lease))
			require.NotEmpty(t, e.newEvents(t))

			require.NoError(t, errOf(e.Queue.Enqueue(t.Context(), ready)))
			changed := ready.Clone()
			changed.Payload = []byte("other")
			require.ErrorIs(t, errOf(e.Queue.Enqueue(t.Context(), changed)), domain.ErrTaskExists)
			require.NoError(t, errOf(e.Queue.Dequeue(t.Context(), claim)))
			require.NoError(t, errOf(e.Queue.ExtendLease(t.Context(), lease, *got[0].Lease)))
			require.NoError(t, e.Queue.ReleaseTask(t.Context(), *other[0].Lease))
			require.NoError(t, e.Queue.RunTaskNow(t.Context(), stored[0].ID))
			require.ErrorIs(t, e.Queue.DeleteTask(t.Context(), running.ID), domain.ErrInvalidTransition)
			require.ErrorIs(t, e.Queue.RetryTask(t.Context(), running.ID, done.ID), domain.ErrInvalidTransition)
			require.ErrorIs(t, e.Queue.CancelTask(t.Context(), done.ID, uuid.New()), domain.ErrInvalidTransition)
			require.ErrorIs(t, e.Queue.UpdateTask(t.Context(), complete(other[0], "late")), domain.ErrLeaseLost)
			require.Zero(t, e.promote(t))
			require.Zero(t, e.reap(t))
			require.Empty(t, e.newEvents(t))
			require.Equal(t, pending, e.get(t, released.ID).Status)

			e.update(t, complete(got[0], "done"))
			require.Len(t, e.newEvents(t), 1)
			e.update(t, complete(got[0], "done"))
			require.Empty(t, e.newEvents(t), "a repeated report")
		},
	},
	{
		"a call about many tasks makes an event of each",
		"Each step is told exactly once, in order where tasks share a partition",
		func(t *testing.T, e *storeTest) {
			tasks := idsOf(e.addMany(t, 25))
			e.requireOrder(t, tasks, eventIDs(e.newEvents(t)), "enqueued")
			claimed := e.claim(t, 25)
			e.requireOrder(t, idsOf(claimed), eventIDs(e.newEvents(t)), "claimed")
			updates := make([]ports.TaskUpdate, len(claimed))
			want := map[domain.TaskID][]step{}
			for i, task := range claimed {
				switch i % 3 {
				case 0:
					updates[i], want[task.ID] = complete(task, "done"), []step{{processing, completed, 1, ""}}
				case 1:
					updates[i], want[task.ID] = fail(task, "broken"), []step{{processing, failed, 1, domain.ReasonError}}
				default:
					updates[i], want[task.ID] = retry(task, time.Hour), []step{{processing, retrying, 1, domain.ReasonError}}
				}
			}
			e.update(t, updates...)
			require.Equal(t, want, stepsByTask(e.newEvents(t)))
			for id, steps := range want {
				want[id] = []step{{steps[0].to, cancelled, 1, ""}}
				if steps[0].to == completed || steps[0].to == failed {
					delete(want, id)
				}
			}
			require.Error(t, e.Queue.CancelTask(t.Context(), tasks...), "some cannot be")
			require.Equal(t, want, stepsByTask(e.newEvents(t)), "of those that could")
		},
	},
}, eventReadCases...), eventLossCases...))

// begun has the reader of each case begin first.
func begun(cases []storeCase) []storeCase {
	for i, c := range cases {
		cases[i].run = func(t *testing.T, e *storeTest) {
			e.beginEvents(t)
			c.run(t, e)
		}
	}
	return cases
}

func eventIDs(events []domain.TaskEvent) []domain.TaskID {
	return each(events, func(e *domain.TaskEvent) domain.TaskID { return e.TaskID })
}

// forget removes a task whatever its state.
func (e *storeTest) forget(t *testing.T, id domain.TaskID) {
	t.Helper()
	_ = e.Queue.CancelTask(t.Context(), id) // It may be finished, or gone.
	if err := e.Queue.DeleteTask(t.Context(), id); err != nil {
		require.ErrorIs(t, err, domain.ErrTaskNotFound)
	}
}

// eventRow is one way of a task from state to state. prepare makes the task, act
// does the step.
type eventRow struct {
	prepare func(t *testing.T, e *storeTest) *domain.Task
	act     func(t *testing.T, e *storeTest, task *domain.Task)
	want    []step
}

// be brings a task into a state.
func be(status domain.TaskStatus) func(t *testing.T, e *storeTest) *domain.Task {
	return func(t *testing.T, e *storeTest) *domain.Task {
		t.Helper()
		return e.in(t, status)
	}
}

func beScheduled(t *testing.T, e *storeTest) *domain.Task {
	t.Helper()
	return e.add(t, withDelay(time.Hour))
}

func beExpiring(t *testing.T, e *storeTest) *domain.Task {
	t.Helper()
	return e.add(t, expiresIn(time.Hour))
}

// later moves the clock beyond all that is due and all leases, but no retention.
func later(prepare func(t *testing.T, e *storeTest) *domain.Task) func(t *testing.T, e *storeTest) *domain.Task {
	return func(t *testing.T, e *storeTest) *domain.Task {
		t.Helper()
		task := prepare(t, e)
		e.Advance(2 * time.Hour)
		return task
	}
}

// report makes an act of a report.
func report(f func(task *domain.Task) ports.TaskUpdate) func(t *testing.T, e *storeTest, task *domain.Task) {
	return func(t *testing.T, e *storeTest, task *domain.Task) {
		t.Helper()
		e.update(t, f(task))
	}
}

func doClaim(t *testing.T, e *storeTest, task *domain.Task) {
	t.Helper()
	require.Equal(t, task.ID, e.claimOne(t).ID)
}

func doPromote(t *testing.T, e *storeTest, _ *domain.Task) {
	t.Helper()
	require.Equal(t, 1, e.promote(t))
}

// doReap recovers tasks that may be recovered so many times.
func doReap(most int) func(t *testing.T, e *storeTest, task *domain.Task) {
	return func(t *testing.T, e *storeTest, _ *domain.Task) {
		t.Helper()
		require.Equal(t, 1, e.reapAs(t, ports.ReapRequest{MaxRecoveries: most, Limit: 10}).Count)
	}
}

// manage makes an act of what a person does.
func manage(call func(q ports.TaskManager, ctx context.Context, ids ...domain.TaskID) error) func(t *testing.T, e *storeTest, task *domain.Task) {
	return func(t *testing.T, e *storeTest, task *domain.Task) {
		t.Helper()
		require.NoError(t, call(e.Queue, t.Context(), task.ID))
	}
}

var (
	doCancel = manage(ports.TaskManager.CancelTask)
	doRetry  = manage(ports.TaskManager.RetryTask)
	doRun    = manage(ports.TaskManager.RunTaskNow)
	doDelete = manage(ports.TaskManager.DeleteTask)
)

func doPurge(t *testing.T, e *storeTest, task *domain.Task) {
	t.Helper()
	gone, err := e.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: time.Hour, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []domain.TaskID{task.ID}, gone)
}

// eventRows are all steps of the table of transitions but the creation.
var eventRows = map[string]eventRow{
	"claim":                     {be(pending), doClaim, []step{{pending, processing, 0, ""}}},
	"claim of a scheduled task": {later(beScheduled), doClaim, []step{{pending, pending, 0, ""}, {pending, processing, 0, ""}}},
	"claim of a retrying task":  {later(be(retrying)), doClaim, []step{{retrying, pending, 1, ""}, {pending, processing, 1, ""}}},
	"promote a scheduled task":  {later(beScheduled), doPromote, []step{{pending, pending, 0, ""}}},
	"promote a retrying task":   {later(be(retrying)), doPromote, []step{{retrying, pending, 1, ""}}},
	"complete": {
		be(processing), report(func(t *domain.Task) ports.TaskUpdate { return complete(t, "done") }),
		[]step{{processing, completed, 1, ""}},
	},
	"retry": {
		be(processing), report(func(t *domain.Task) ports.TaskUpdate { return retry(t, time.Hour) }),
		[]step{{processing, retrying, 1, domain.ReasonError}},
	},
	"fail": {
		be(processing), report(func(t *domain.Task) ports.TaskUpdate {
			u := fail(t, "broken")
			u.Failure.Reason = domain.ReasonTimeout
			return u
		}),
		[]step{{processing, failed, 1, domain.ReasonTimeout}},
	},
	"release": {
		be(processing), func(t *testing.T, e *storeTest, task *domain.Task) {
			t.Helper()
			require.NoError(t, e.Queue.ReleaseTask(t.Context(), *task.Lease))
		},
		[]step{{processing, pending, 0, ""}},
	},
	"recover":                   {later(be(processing)), doReap(3), []step{{processing, pending, 0, domain.ReasonLeaseExpired}}},
	"recover too often":         {later(be(processing)), doReap(0), []step{{processing, failed, 0, domain.ReasonPoison}}},
	"expire":                    {later(beExpiring), doPromote, []step{{pending, failed, 0, domain.ReasonExpired}}},
	"cancel a ready task":       {be(pending), doCancel, []step{{pending, cancelled, 0, ""}}},
	"cancel a scheduled task":   {beScheduled, doCancel, []step{{pending, cancelled, 0, ""}}},
	"cancel a retrying task":    {be(retrying), doCancel, []step{{retrying, cancelled, 1, ""}}},
	"cancel a processing task":  {be(processing), doCancel, []step{{processing, cancelled, 0, ""}}},
	"run a failed task again":   {be(failed), doRetry, []step{{failed, pending, 0, ""}}},
	"run a cancelled one again": {be(cancelled), doRetry, []step{{cancelled, pending, 0, ""}}},
	"run a scheduled task now":  {beScheduled, doRun, []step{{pending, pending, 0, ""}}},
	"run a retrying task now":   {be(retrying), doRun, []step{{retrying, pending, 1, ""}}},
	"delete a ready task":       {be(pending), doDelete, []step{{pending, none, 0, ""}}},
	"delete a scheduled task":   {beScheduled, doDelete, []step{{pending, none, 0, ""}}},
	"delete a retrying task":    {be(retrying), doDelete, []step{{retrying, none, 1, ""}}},
	"delete a completed task":   {be(completed), doDelete, []step{{completed, none, 1, ""}}},
	"delete a failed task":      {be(failed), doDelete, []step{{failed, none, 1, ""}}},
	"delete a cancelled task":   {be(cancelled), doDelete, []step{{cancelled, none, 0, ""}}},
	"purge a completed task":    {later(be(completed)), doPurge, []step{{completed, none, 1, ""}}},
	"purge a failed task":       {later(be(failed)), doPurge, []step{{failed, none, 1, ""}}},
	"purge a cancelled task":    {later(be(cancelled)), doPurge, []step{{cancelled, none, 0, ""}}},
}
