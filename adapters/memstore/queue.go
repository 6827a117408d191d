package memstore

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Config configures a store. The zero value works.
type Config struct {
	// Now is the store's clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC().Truncate(time.Microsecond)
	}
	return c.Now().UTC().Truncate(time.Microsecond)
}

// entry is a place in a heap: the task, and what it is ordered by.
type entry struct {
	at   int64 // when, for the due and lease heaps
	task *domain.Task
}

// TaskQueue is a ports.TaskQueue in memory. It is safe for concurrent use.
type TaskQueue struct {
	cfg Config

	// mu guards everything below. Steps read and write several of the fields; a
	// reader between two of these writes would see counts that do not add up.
	mu      sync.Mutex
	tasks   map[domain.TaskID]*domain.Task
	asked   map[domain.TaskID]asked
	waiting map[domain.TaskID]bool // PENDING tasks whose time has not come
	ready   map[lane]*readyTasks
	limits  limits
	paused  map[string]time.Time // since when, by queue
	due     *heap[entry]
	leases  *heap[entry]
	// expiries are tasks that have not begun, by their ExpiresAt.
	expiries *heap[entry]
	// ended, failed and kept are finished tasks: FAILED ones, those with a Retention by when
	// it has passed, and the others, by their ends.
	ended, failed, kept *heap[entry]
	unique              map[string]holder
	// replaced are, by the id of a task, those who replaced what it does last.
	replaced map[domain.TaskID]domain.TaskID
	// claims are the tasks of each claim, kept until the lease that it asked for
	// has surely ended; oldClaims orders them by that.
	claims    map[domain.ClaimID]claimed
	oldClaims *heap[claimEnd]
	counts    map[domain.TaskStatus]int64
	last      time.Time // the newest CreatedAt
	// reported is the report that put a task in its state, to know a repeat.
	reported map[domain.TaskID]report
	changed  chan struct{} // closed and replaced when a wait may end
	// expired counts what claims ended, until the next PromoteDue.
	expired int
	events  eventLog
	watches ports.CancelWatches // who is told of cancelled tasks
	groups  map[groupKey]*group
	// workflows are those with tasks, endedWorkflows and failedWorkflows the finished ones by
	// their ends: those with a FAILED task, and the others.
	workflows                       map[domain.WorkflowID]*workflow
	endedWorkflows, failedWorkflows *heap[workflowEnd]
}

// holder is who holds a unique key: until the time, if that is not zero.
type holder struct {
	id    domain.TaskID
	until time.Time
}

// asked are the times that a task came with.
type asked struct{ scheduled, expires time.Time }

// claimed are the tasks of a claim, and until when they are kept.
type claimed struct {
	tasks []domain.TaskID
	until time.Time
}

type claimEnd struct {
	at time.Time
	id domain.ClaimID
}

type report struct {
	lease  domain.Lease
	status domain.TaskStatus
}

var _ ports.TaskQueue = (*TaskQueue)(nil)

// NewTaskQueue returns an empty queue.
func NewTaskQueue(cfg Config) *TaskQueue {
	q := &TaskQueue{
		cfg: cfg, tasks: map[domain.TaskID]*domain.Task{}, asked: map[domain.TaskID]asked{}, waiting: map[domain.TaskID]bool{},
		ready: map[lane]*readyTasks{}, limits: newLimits(map[string]domain.Limit{}), paused: map[string]time.Time{},
		unique: map[string]holder{}, replaced: map[domain.TaskID]domain.TaskID{}, claims: map[domain.ClaimID]claimed{},
		counts: map[domain.TaskStatus]int64{}, reported: map[domain.TaskID]report{}, changed: make(chan struct{}),
		workflows: map[domain.WorkflowID]*workflow{}, groups: map[groupKey]*group{},
	}
	q.oldClaims = newHeap(
		func(a, b claimEnd) int { return a.at.Compare(b.at) },
		func(c claimEnd) bool { return q.claims[c.id].until.Equal(c.at) },
		func() int { return len(q.claims) })
	q.due, q.leases, q.expiries = q.byTime(isDue), q.byTime(isLeased), q.byTime(mayExpire)
	q.ended, q.failed, q.kept = q.byTime(isFinished), q.byTime(isFinished), q.byTime(isFinished)
	q.endedWorkflows, q.failedWorkflows = q.endsOfWorkflows(), q.endsOfWorkflows()
	return q
}

// byTime returns a heap of entries by their times. An entry is live while its task is in
// the queue and in the state.
func (q *TaskQueue) byTime(in func(q *TaskQueue, e entry) bool) *heap[entry] {
	return newHeap(
		func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.at, b.at), a.task.CreatedAt.Compare(b.task.CreatedAt))
		},
		func(e entry) bool { return q.tasks[e.task.ID] == e.task && in(q, e) },
		q.size)
}

func (q *TaskQueue) size() int { return len(q.tasks) }

func isDue(q *TaskQueue, e entry) bool {
	waits := q.waiting[e.task.ID] || e.task.Status == domain.TaskStatusRetrying
	return waits && e.task.ScheduledAt.UnixMicro() == e.at
}

func isLeased(_ *TaskQueue, e entry) bool {
	return e.task.Lease != nil && e.task.Lease.ExpiresAt.UnixMicro() == e.at
}

func mayExpire(_ *TaskQueue, e entry) bool {
	return e.task.Status == domain.TaskStatusPending && e.task.Deliveries == 0 && !e.task.ExpiresAt.IsZero()
}

func isFinished(_ *TaskQueue, e entry) bool {
	return e.task.Status.Terminal() && e.at == e.task.CompletedAt.Add(e.task.Retention).UnixMicro()
}

// trim has the heaps let go of tasks that were removed.
func (q *TaskQueue) trim() {
	for _, h := range []*heap[entry]{q.due, q.leases, q.expiries, q.ended, q.failed, q.kept} {
		h.trim()
	}
	for _, r := range q.ready {
		r.trim()
	}
}

// claimOrder puts the higher priority first, and within one the older task.
func claimOrder(a, b *domain.Task) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.CreatedAt.Compare(b.CreatedAt))
}

func (q *TaskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]*domain.Task, len(tasks))
	errs := make([]error, len(tasks))
	for i, t := range tasks {
		out[i], errs[i] = q.enqueue(t)
	}
	return out, domain.NewBatchError(errs)
}

func (q *TaskQueue) enqueue(in *domain.Task) (*domain.Task, error) {
	if err := ports.ValidateTask(in); err != nil {
		return nil, err
	}
	t := in.AsEnqueued()
	inStoredPrecision(t)
	if old, ok := q.tasks[t.ID]; ok {
		first := *old
		first.ScheduledAt, first.ExpiresAt = q.asked[t.ID].scheduled, q.asked[t.ID].expires
		same := first.SameContents
		if _, replaced := q.replaced[t.ID]; replaced {
			same = first.SameOrigin
		}
		if !same(t) {
			return nil, fmt.Errorf("task %s: %w", t.ID, domain.ErrTaskExists)
		}
		return q.shown(old), nil
	}
	now := q.cfg.now()
	if id, held := q.holder(t, now); held {
		return q.conflict(t, id, in.OnConflict, now)
	}
	q.store(t, now)
	if t.Group != "" {
		q.complete(groupOf(t), t.GroupSize)
	}
	return t.Clone(), nil
}

// inStoredPrecision rounds the times of a new task.
func inStoredPrecision(t *domain.Task) {
	t.Delay = ceilMicro(t.Delay)
	if !t.ScheduledAt.IsZero() {
		t.ScheduledAt = t.ScheduledAt.UTC().Truncate(time.Microsecond)
	}
}

// store keeps a new task, whose times are as it came with them.
func (q *TaskQueue) store(t *domain.Task, now time.Time) {
	t.CreatedAt = now
	if !now.After(q.last) {
		t.CreatedAt = q.last.Add(time.Microsecond)
	}
	q.last = t.CreatedAt
	q.asked[t.ID] = asked{t.ScheduledAt, t.ExpiresAt}
	waits := q.waits(t)
	if t.Delay > 0 && !waits {
		t.ScheduledAt = t.CreatedAt.Add(t.Delay)
	}
	if t.ExpiresAt = t.Expiry(t.CreatedAt); !t.ExpiresAt.IsZero() {
		q.expiries.push(entry{t.ExpiresAt.UnixMicro(), t})
	}
	q.tasks[t.ID] = t
	q.counts[t.Status]++
	q.emit(t, 0, t.Status, "")
	if t.UniqueFor > 0 {
		q.unique[t.UniqueKey] = holder{t.ID, now.Add(t.UniqueFor)}
	} else {
		q.hold(t)
	}
	if waits {
		q.lane(t)
		q.waiting[t.ID] = true
		return
	}
	q.place(t, now)
}

// place puts a PENDING task among those that wait for their time, or are ready.
func (q *TaskQueue) place(t *domain.Task, now time.Time) {
	if !t.ScheduledAt.After(now) {
		q.makeReady(t)
		return
	}
	q.lane(t)
	q.waiting[t.ID] = true
	q.due.push(entry{t.ScheduledAt.UnixMicro(), t})
	q.regroup(t)
	q.notify(t.Queue)
}

// ceilMicro rounds a delay up to whole microseconds.
func ceilMicro(d time.Duration) time.Duration {
	if rest := d % time.Microsecond; rest > 0 {
		d += time.Microsecond - rest
	}
	return d
}

// notify ends the waits of claims, unless the queue is paused. Callers hold mu.
func (q *TaskQueue) notify(queue string) {
	if _, paused := q.paused[queue]; !paused {
		q.wake()
	}
}

// wake ends the waits of claims.
func (q *TaskQueue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// makeReady puts a PENDING task among those that can be claimed.
func (q *TaskQueue) makeReady(t *domain.Task) {
	delete(q.waiting, t.ID)
	q.lane(t).push(t)
	q.regroup(t)
	q.notify(t.Queue)
}

func (q *TaskQueue) isReady(t *domain.Task) bool {
	return q.tasks[t.ID] == t && t.Status == domain.TaskStatusPending && !q.waiting[t.ID]
}

// step runs a change of a task's state and keeps the counts.
func (q *TaskQueue) step(t *domain.Task, change func() error) error {
	before, recoveries, failures := t.Status, t.Recoveries, len(t.Errors)
	if err := change(); err != nil {
		return err
	}
	q.counts[before]--
	q.counts[t.Status]++
	var reason domain.FailureReason
	if t.Status == domain.TaskStatusRetrying || t.Status == domain.TaskStatusFailed || t.Recoveries > recoveries || len(t.Errors) > failures {
		reason = t.Errors[len(t.Errors)-1].Reason
	}
	q.emit(t, before, t.Status, reason)
	delete(q.reported, t.ID)
	if t.Status.Terminal() {
		delete(q.waiting, t.ID)
		q.free(t)
		switch {
		case t.Workflow != nil:
			// It is kept as long as its workflow.
		case t.Retention > 0:
			q.kept.push(entry{t.CompletedAt.Add(t.Retention).UnixMicro(), t})
		case t.Status == domain.TaskStatusFailed:
			q.failed.push(entry{t.CompletedAt.UnixMicro(), t})
		default:
			q.ended.push(entry{t.CompletedAt.UnixMicro(), t})
		}
	}
	return nil
}
