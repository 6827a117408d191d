package portstest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"logsift/domain"
	"logsift/ports"
)

// testModel runs random steps on a queue and on a model of it that is made of the
// domain's own rules, and requires that both agree after each. So do the events of
// the queue, if it tells of its steps. In the end a check of the store finds nothing. All
// times of the model are whole minutes, so that the real time which passes on a store's
// clock in between changes nothing. Half of the walks go by two handles, each of which must see
// what the other has done.
func testModel(t *testing.T, newStore func(t *testing.T) Store) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			t: t, storeTest: &storeTest{Store: newStore(t), keyOf: map[domain.TaskID]string{}}, now: time.Unix(0, 0),
			tasks: map[domain.TaskID]*domain.Task{}, claims: map[domain.ClaimID][]domain.TaskID{}, keys: map[string]modelHolder{},
		}
		others := 0
		if rapid.Bool().Draw(rt, "two handles") {
			others = 1
		}
		handles := m.handles(t, others)
		steps := map[string]func(*rapid.T){
			"enqueue": m.enqueue, "claim": m.claimSome, "repeat a claim": m.repeatClaim, "report": m.report,
			"report with an old lease": m.reportStale, "release": m.release, "extend": m.extend, "advance": m.advance,
			"promote": m.promoteDue, "reap": m.reapExpired, "purge": m.purge, "cancel": m.manage(ports.TaskManager.CancelTask, m.cancelled),
			"delete": m.manage(ports.TaskManager.DeleteTask, m.deleted), "retry": m.manage(ports.TaskManager.RetryTask, m.ranAgain),
			"run now": m.manage(ports.TaskManager.RunTaskNow, m.ranNow), "": m.check,
		}
		for name, step := range steps {
			steps[name] = func(rt *rapid.T) {
				m.Store = handles[rapid.IntRange(0, len(handles)-1).Draw(rt, "handle")]
				step(rt)
			}
		}
		rt.Repeat(steps)
		if m.Verifier != nil {
			found, _ := m.verify(t, false)
			require.Empty(rt, found)
		}
	})
}

// model is what the queue should be.
type model struct {
	*storeTest
	t   *testing.T
	now time.Time
	// tasks by id; order are their ids by creation, also of deleted ones.
	tasks  map[domain.TaskID]*domain.Task
	order  []domain.TaskID
	claims map[domain.ClaimID][]domain.TaskID
	// keys are who took each unique key last.
	keys map[string]modelHolder
	// stale are leases that are not held any more.
	stale []domain.Lease
	last  domain.ClaimID

	// told is what the events told of the tasks, if the store has any.
	told map[domain.TaskID]toldOf
	// moved is whether the clock was moved since then.
	moved bool
}

// modelHolder is a task that took a unique key: after so many deliveries, and until the
// time, if that is not zero.
type modelHolder struct {
	id         domain.TaskID
	deliveries int
	until      time.Time
}

// take has a task take its unique key, if it has one.
func (m *model) take(task *domain.Task) {
	h := modelHolder{id: task.ID, deliveries: task.Deliveries}
	if task.UniqueFor > 0 {
		h.until = m.now.Add(task.UniqueFor)
	}
	m.keys[task.UniqueKey] = h
}

// holder is the task that holds a unique key, if one does; it may be deleted.
func (m *model) holder(key string) (id domain.TaskID, held bool) {
	h, ok := m.keys[key]
	task := m.tasks[h.id]
	switch {
	case !ok || key == "":
		return id, false
	case !h.until.IsZero():
		return h.id, h.until.After(m.now)
	case task == nil || task.Status.Terminal():
		return id, false
	}
	return h.id, task.UniqueWhile == domain.UniqueWhileUnfinished || task.Deliveries == h.deliveries
}

// toldOf is what events tell of a task.
type toldOf struct {
	status  domain.TaskStatus
	attempt int
}

const (
	modelRetryIn, modelDelay, modelRetention = 4 * time.Minute, 10 * time.Minute, 30 * time.Minute
	modelExpiresIn, modelOwnRetention        = 7 * time.Minute, 15 * time.Minute
	modelUniqueFor                           = 15 * time.Minute
)

func (m *model) enqueue(rt *rapid.T) {
	task := newTask(withPriority(domain.Priority(rapid.IntRange(0, 3).Draw(rt, "priority"))))
	if rapid.Bool().Draw(rt, "delayed") {
		task.Delay = modelDelay
	}
	if rapid.Bool().Draw(rt, "expires") {
		task.ExpiresIn = modelExpiresIn
	}
	if rapid.Bool().Draw(rt, "has a retention") {
		task.Retention = modelOwnRetention
	}
	if rapid.Bool().Draw(rt, "unique") {
		task.UniqueKey = rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key")
		switch rapid.IntRange(0, 2).Draw(rt, "held") {
		case 0:
			task.UniqueFor = modelUniqueFor
		case 1:
			task.UniqueWhile = domain.UniqueWhileWaiting
		}
		task.OnConflict = rapid.SampledFrom([]domain.OnConflict{domain.ConflictReject, domain.ConflictKeep, domain.ConflictReplace}).Draw(rt, "on conflict")
	}
	id, held := m.holder(task.UniqueKey)
	holder := m.tasks[id]
	replaces := holder != nil && task.OnConflict == domain.ConflictReplace && holder.Replaceable(task)
	stored, err := m.Queue.Enqueue(m.t.Context(), task, task)
	if held && (holder == nil || !replaces && task.OnConflict != domain.ConflictKeep) {
		require.ErrorIs(rt, err, domain.ErrDuplicateTask)
		return
	}
	require.NoError(rt, err)
	require.Equal(rt, stored[0], stored[1])
	if task.Delay > 0 {
		task.ScheduledAt = m.now.Add(task.Delay)
	}
	if held {
		require.Equal(rt, id, stored[0].ID)
		if replaces {
			holder.Payload, holder.Priority, holder.Delay, holder.ScheduledAt = task.Payload, task.Priority, task.Delay, task.ScheduledAt
		}
		return
	}
	if task.UniqueKey != "" {
		m.take(task)
		m.keyOf[task.ID] = task.UniqueKey
	}
	if task.ExpiresIn > 0 {
		task.ExpiresAt = m.now.Add(task.ExpiresIn)
	}
	// The place in the order stands for the creation time.
	task.CreatedAt = time.Unix(int64(len(m.order)), 0)
	m.tasks[task.ID] = task
	m.order = append(m.order, task.ID)
}

func (m *model) claimSome(rt *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(rt, "max")
	expired := m.expire(rt)
	var ready []*domain.Task
	for _, task := range m.tasks {
		due := !task.ScheduledAt.After(m.now)
		if due && (task.Status == domain.TaskStatusPending || task.Status == domain.TaskStatusRetrying) {
			require.NoError(rt, task.Promote())
			ready = append(ready, task)
		}
	}
	slices.SortFunc(ready, func(a, b *domain.Task) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.CreatedAt.Compare(b.CreatedAt))
	})
	id := uuid.New()
	got := m.claimAs(m.t, id, n)
	require.Len(rt, got, min(n, len(ready)))
	first := m.parts(idsOf(ready))
	for part, ids := range m.parts(idsOf(got)) {
		require.Equal(rt, first[part][:min(len(ids), len(first[part]))], ids, "the first of their part")
	}
	for _, claimed := range got {
		task := m.tasks[claimed.ID]
		require.NoError(rt, task.MarkAsProcessing(id, lease, m.now))
		require.True(rt, task.Lease.SameFence(*claimed.Lease))
	}
	m.claims[id], m.last = idsOf(got), id
	if m.Partition != nil || expired {
		// A claim that has enough does not look at the other parts, where due ones wait on,
		// nor at all that have expired.
		m.promote(m.t)
	}
}

func (m *model) repeatClaim(rt *rapid.T) {
	if m.last == uuid.Nil || len(m.claims[m.last]) == 0 {
		rt.Skip("no claim to repeat")
	}
	want := []domain.TaskID{}
	for _, id := range m.claims[m.last] {
		if task, ok := m.tasks[id]; ok && task.Lease != nil && task.Lease.ClaimID == m.last {
			want = append(want, id)
		}
	}
	if len(want) == 0 {
		rt.Skip("the claim holds nothing any more")
	}
	require.ElementsMatch(rt, want, idsOf(m.claimAs(m.t, m.last, ports.MaxClaim)))
}

// any draws a task that f accepts.
func (m *model) any(rt *rapid.T, f func(*domain.Task) bool) *domain.Task {
	var found []*domain.Task
	for _, id := range m.order {
		if task, ok := m.tasks[id]; ok && f(task) {
			found = append(found, task)
		}
	}
	if len(found) == 0 {
		rt.Skip("no such task")
	}
	return rapid.SampledFrom(found).Draw(rt, "task")
}

func held(task *domain.Task) bool { return task.Lease != nil }

func (m *model) report(rt *rapid.T) {
	task := m.any(rt, held)
	l := *task.Lease
	update := ports.TaskUpdate{Lease: l, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "failed"}}
	var err error
	switch update.Outcome = rapid.SampledFrom([]ports.Outcome{ports.OutcomeCompleted, ports.OutcomeRetry, ports.OutcomeFailed, ports.OutcomeSnooze}).Draw(rt, "outcome"); update.Outcome {
	case ports.OutcomeCompleted:
		update.Result = []byte("result")
		err = task.MarkAsCompleted(update.Result, m.now)
	case ports.OutcomeRetry:
		update.RetryIn = modelRetryIn
		err = task.MarkAsRetrying(update.Failure, m.now.Add(modelRetryIn), m.now)
	case ports.OutcomeSnooze:
		update.RetryIn = modelRetryIn
		err = task.Snooze(m.now.Add(modelRetryIn))
	case ports.OutcomeFailed:
		err = task.MarkAsFailed(update.Failure, m.now)
	}
	require.NoError(rt, err)
	for range rapid.IntRange(1, 2).Draw(rt, "times") {
		require.NoError(rt, m.Queue.UpdateTask(m.t.Context(), update))
	}
}

func (m *model) reportStale(rt *rapid.T) {
	if len(m.stale) == 0 {
		rt.Skip("no lease was lost")
	}
	l := rapid.SampledFrom(m.stale).Draw(rt, "lease")
	require.ErrorIs(rt, m.Queue.UpdateTask(m.t.Context(), ports.TaskUpdate{Lease: l, Outcome: ports.OutcomeCompleted}), domain.ErrLeaseLost)
	_, err := m.Queue.ExtendLease(m.t.Context(), lease, l)
	require.ErrorIs(rt, err, domain.ErrLeaseLost)
}

func (m *model) release(rt *rapid.T) {
	task := m.any(rt, held)
	l := *task.Lease
	require.NoError(rt, m.Queue.ReleaseTask(m.t.Context(), l))
	require.NoError(rt, task.Release())
	m.stale = append(m.stale, l)
}

func (m *model) extend(rt *rapid.T) {
	task := m.any(rt, held)
	_, err := m.Queue.ExtendLease(m.t.Context(), lease, *task.Lease)
	require.NoError(rt, err)
	task.Lease.ExpiresAt = m.now.Add(lease)
}

func (m *model) advance(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 12).Draw(rt, "minutes")) * time.Minute
	m.Advance(d)
	m.now = m.now.Add(d)
	m.last = uuid.Nil // A claim can be repeated while its lease lasts.
	m.moved = true
}

func (m *model) promoteDue(rt *rapid.T) {
	m.promote(m.t)
	m.expire(rt)
	for _, task := range m.tasks {
		if task.Status == domain.TaskStatusRetrying && !task.ScheduledAt.After(m.now) {
			require.NoError(rt, task.Promote())
		}
	}
}

// expire ends the expired tasks, and reports whether there were any.
func (m *model) expire(rt *rapid.T) bool {
	some := false
	for _, task := range m.tasks {
		if task.Expired(m.now) {
			require.NoError(rt, task.Expire(m.now))
			some = true
		}
	}
	return some
}

func (m *model) reapExpired(rt *rapid.T) {
	want := 0
	for _, task := range m.tasks {
		if task.Lease != nil && !task.Lease.ExpiresAt.After(m.now) {
			m.stale = append(m.stale, *task.Lease)
			require.NoError(rt, task.Recover(3, m.now))
			want++
		}
	}
	require.Equal(rt, want, m.reap(m.t))
}

func (m *model) purge(rt *rapid.T) {
	want := []domain.TaskID{}
	for id, task := range m.tasks {
		kept := modelRetention
		switch {
		case task.Retention > 0:
			kept = task.Retention
		case task.Status == domain.TaskStatusFailed:
			kept = 2 * modelRetention
		}
		if task.Status.Terminal() && !task.CompletedAt.Add(kept).After(m.now) {
			want = append(want, id)
			delete(m.tasks, id)
		}
	}
	got, err := m.Queue.PurgeFinished(m.t.Context(), ports.PurgeRequest{Retention: modelRetention, FailedRetention: 2 * modelRetention, Limit: ports.MaxClaim})
	require.NoError(rt, err)
	require.ElementsMatch(rt, want, got)
}

// manage makes an action of a step by a person. apply does it to the model's
// task and returns whether it is allowed.
func (m *model) manage(call func(ports.TaskManager, context.Context, ...domain.TaskID) error, apply func(*domain.Task) error) func(*rapid.T) {
	return func(rt *rapid.T) {
		task := m.any(rt, func(*domain.Task) bool { return true })
		l := task.Lease
		want := apply(task)
		got := call(m.Queue, m.t.Context(), task.ID)
		if want != nil {
			if !errors.Is(want, domain.ErrDuplicateTask) {
				want = domain.ErrInvalidTransition
			}
			require.ErrorIs(rt, got, want)
			return
		}
		require.NoError(rt, got)
		if l != nil {
			m.stale = append(m.stale, *l)
		}
	}
}

func (m *model) cancelled(task *domain.Task) error {
	id, held := m.holder(task.UniqueKey)
	if l := task.Lease; l != nil && l.ExpiresAt.After(m.now) && held && id == task.ID && task.UniqueFor == 0 {
		// It keeps the key while its run stops, of which nobody tells.
		m.keys[task.UniqueKey] = modelHolder{id: id, until: l.ExpiresAt}
	}
	return task.MarkAsCancelled(m.now)
}

func (m *model) ranAgain(task *domain.Task) error {
	again := task.Status == domain.TaskStatusFailed || task.Status == domain.TaskStatusCancelled
	if !again || task.UniqueKey == "" || task.UniqueFor > 0 {
		return task.RunAgain()
	}
	if id, held := m.holder(task.UniqueKey); held && id != task.ID {
		return domain.ErrDuplicateTask
	}
	m.take(task)
	return task.RunAgain()
}

func (m *model) ranNow(task *domain.Task) error {
	if task.Ready(m.now) && task.Status == domain.TaskStatusPending {
		return nil
	}
	return task.RunNow()
}

var errProcessing = errors.New("processing")

func (m *model) deleted(task *domain.Task) error {
	if task.Status == domain.TaskStatusProcessing {
		return errProcessing
	}
	delete(m.tasks, task.ID)
	return nil
}

// check compares the whole queue with the model.
func (m *model) check(rt *rapid.T) {
	listed := m.listAll(m.t, domain.TaskFilter{Limit: domain.MaxPageSize})
	require.Len(rt, listed, len(m.tasks))
	counts := map[domain.TaskStatus]int64{}
	for _, got := range listed {
		want, ok := m.tasks[got.ID]
		require.True(rt, ok, "task %s should not be there", got.ID)
		require.Equal(rt, want.Status, got.Status, "task %s", got.ID)
		require.Equal(rt, [3]int{want.Attempt, want.Deliveries, want.Recoveries}, [3]int{got.Attempt, got.Deliveries, got.Recoveries})
		require.Equal(rt, want.Lease != nil, got.Lease != nil)
		require.Equal(rt, string(want.Result), string(got.Result))
		require.Len(rt, got.Errors, len(want.Errors))
		for i := range want.Errors {
			require.Equal(rt, want.Errors[i].Reason, got.Errors[i].Reason)
			require.Equal(rt, want.Errors[i].Attempt, got.Errors[i].Attempt)
		}
		counts[got.Status]++
	}
	s := m.stats(m.t)
	require.Equal(rt, counts[domain.TaskStatusPending], s.Pending+s.Scheduled)
	require.Equal(rt,
		[5]int64{
			counts[domain.TaskStatusProcessing], counts[domain.TaskStatusCompleted], counts[domain.TaskStatusFailed],
			counts[domain.TaskStatusRetrying], counts[domain.TaskStatusCancelled],
		},
		[5]int64{s.Processing, s.Completed, s.Failed, s.Retrying, s.Cancelled})
	if m.Events != nil {
		m.checkEvents(rt)
	}
}

// checkEvents has the events change what is known of the tasks, and compares that
// with the model. After a move of the clock the reader may have been given up.
func (m *model) checkEvents(rt *rapid.T) {
	known := map[domain.TaskID]toldOf{}
	for id, task := range m.tasks {
		known[id] = toldOf{task.Status, task.Attempt}
	}
	page := readEvents(rt, m.Events, ports.EventRequest{After: m.at, Max: ports.MaxEvents})
	if page.Lost || m.at == "" {
		require.True(rt, m.moved || m.at == "", "nothing can be lost in no time")
		m.told = known
	}
	for _, e := range page.Events {
		require.Equal(rt, m.told[e.TaskID].status, e.From, "task %s", e.TaskID)
		if m.told[e.TaskID] = (toldOf{e.To, e.Attempt}); e.To == 0 {
			delete(m.told, e.TaskID)
		}
	}
	require.Equal(rt, known, m.told, "what the events tell is what there is")
	m.at, m.moved = page.Next, false
}
