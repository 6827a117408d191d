package memstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
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

// lane is a pair of queue and type. Each has its own heap of ready tasks, so
// that a claim for some is not held up by others.
type lane struct {
	queue string
	typ   domain.TaskType
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
	asked   map[domain.TaskID]time.Time // the ScheduledAt that a task came with
	waiting map[domain.TaskID]bool      // PENDING tasks whose time has not come
	ready   map[lane]*heap[*domain.Task]
	paused  map[string]time.Time // since when, by queue
	due     *heap[entry]
	leases  *heap[entry]
	ended   *heap[entry]
	unique  map[string]domain.TaskID
	// claims are the tasks of each claim, kept until the lease that it asked for
	// has surely ended; oldClaims orders them by that.
	claims    map[domain.ClaimID][]domain.TaskID
	oldClaims *heap[claimEnd]
	counts    map[domain.TaskStatus]int64
	last      time.Time // the newest CreatedAt
	// reported is the report that put a task in its state, to know a repeat.
	reported map[domain.TaskID]report
	changed  chan struct{} // closed and replaced when a wait may end
	events   eventLog
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
	byTime := func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.at, b.at), a.task.CreatedAt.Compare(b.task.CreatedAt))
	}
	return &TaskQueue{
		cfg: cfg, tasks: map[domain.TaskID]*domain.Task{}, asked: map[domain.TaskID]time.Time{}, waiting: map[domain.TaskID]bool{},
		ready: map[lane]*heap[*domain.Task]{}, paused: map[string]time.Time{}, due: newHeap(byTime), leases: newHeap(byTime), ended: newHeap(byTime),
		unique: map[string]domain.TaskID{}, claims: map[domain.ClaimID][]domain.TaskID{},
		oldClaims: newHeap(func(a, b claimEnd) int { return a.at.Compare(b.at) }),
		counts:    map[domain.TaskStatus]int64{}, reported: map[domain.TaskID]report{}, changed: make(chan struct{}),
	}
}

// claimOrder puts the higher priority first, and within one the older task.
func claimOrder(a, b *domain.Task) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.CreatedAt.Compare(b.CreatedAt))
}

// Enqueue implements ports.TaskEnqueuer.
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
	if err := in.Validate(); err != nil {
		return nil, err
	}
	t := &domain.Task{
		ID: in.ID, Type: in.Type, Queue: in.Queue, Payload: append([]byte(nil), in.Payload...),
		Priority: in.Priority, MaxRetries: in.MaxRetries, Timeout: in.Timeout, UniqueKey: in.UniqueKey, TraceParent: in.TraceParent,
		Delay: ceilMicro(in.Delay), Status: domain.TaskStatusPending,
	}
	if !in.ScheduledAt.IsZero() {
		t.ScheduledAt = in.ScheduledAt.UTC().Truncate(time.Microsecond)
	}
	if old, ok := q.tasks[t.ID]; ok {
		asked := *old
		asked.ScheduledAt = q.asked[t.ID]
		if !asked.SameContents(t) {
			return nil, fmt.Errorf("task %s: %w", t.ID, domain.ErrTaskExists)
		}
		return old.Clone(), nil
	}
	if holder, held := q.unique[t.UniqueKey]; held && t.UniqueKey != "" {
		return nil, &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: holder}
	}
	now := q.cfg.now()
	t.CreatedAt = now
	if !now.After(q.last) {
		t.CreatedAt = q.last.Add(time.Microsecond)
	}
	q.last = t.CreatedAt
	q.asked[t.ID] = t.ScheduledAt
	if t.Delay > 0 {
		t.ScheduledAt = t.CreatedAt.Add(t.Delay)
	}
	q.tasks[t.ID] = t
	q.counts[t.Status]++
	q.tell(t, 0, t.Status, "")
	if t.UniqueKey != "" {
		q.unique[t.UniqueKey] = t.ID
	}
	if t.ScheduledAt.After(now) {
		q.lane(t)
		q.waiting[t.ID] = true
		q.due.push(entry{t.ScheduledAt.UnixMicro(), t})
		q.wake(t.Queue)
	} else {
		q.makeReady(t)
	}
	return t.Clone(), nil
}

// ceilMicro rounds a delay up to whole microseconds.
func ceilMicro(d time.Duration) time.Duration {
	if rest := d % time.Microsecond; rest > 0 {
		d += time.Microsecond - rest
	}
	return d
}

// wake ends the waits of claims, unless the queue is paused. Callers hold mu.
func (q *TaskQueue) wake(queue string) {
	if _, paused := q.paused[queue]; paused {
		return
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// lane returns the ready tasks of the task's lane, made if there was none.
func (q *TaskQueue) lane(t *domain.Task) *heap[*domain.Task] {
	l := lane{t.Queue, t.Type}
	h, ok := q.ready[l]
	if !ok {
		h = newHeap(claimOrder)
		q.ready[l] = h
	}
	return h
}

// makeReady puts a PENDING task among those that can be claimed.
func (q *TaskQueue) makeReady(t *domain.Task) {
	delete(q.waiting, t.ID)
	q.lane(t).push(t)
	q.wake(t.Queue)
}

// head returns the best ready task of a lane, dropping stale entries.
func (q *TaskQueue) head(h *heap[*domain.Task]) (*domain.Task, bool) {
	for {
		t, ok := h.peek()
		if !ok || q.isReady(t) {
			return t, ok
		}
		h.pop()
	}
}

func (q *TaskQueue) isReady(t *domain.Task) bool {
	return q.tasks[t.ID] == t && t.Status == domain.TaskStatusPending && !q.waiting[t.ID]
}

// step runs a change of a task's state and keeps the counts.
func (q *TaskQueue) step(t *domain.Task, change func() error) error {
	before, recoveries := t.Status, t.Recoveries
	if err := change(); err != nil {
		return err
	}
	q.counts[before]--
	q.counts[t.Status]++
	var reason domain.FailureReason
	if t.Status == domain.TaskStatusRetrying || t.Status == domain.TaskStatusFailed || t.Recoveries > recoveries {
		reason = t.Errors[len(t.Errors)-1].Reason
	}
	q.tell(t, before, t.Status, reason)
	delete(q.reported, t.ID)
	if t.Status.Terminal() {
		delete(q.waiting, t.ID)
		if q.unique[t.UniqueKey] == t.ID {
			delete(q.unique, t.UniqueKey)
		}
		q.ended.push(entry{t.CompletedAt.UnixMicro(), t})
	}
	return nil
}

// Dequeue implements ports.TaskConsumer.
func (q *TaskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	var timeout <-chan time.Time
	if req.Wait > 0 {
		timer := time.NewTimer(req.Wait)
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("dequeue: %w", err)
		}
		tasks, next, changed := q.claim(req)
		if len(tasks) > 0 || req.Wait == 0 {
			return tasks, nil
		}
		var due <-chan time.Time
		stop := func() bool { return true }
		if next >= 0 {
			timer := time.NewTimer(next)
			due, stop = timer.C, timer.Stop
		}
		select {
		case <-changed:
		case <-due:
		case <-timeout:
			stop()
			return nil, nil
		case <-ctx.Done():
		}
		stop()
	}
}

// claim takes what is ready. It returns how long it is until the next task is
// due, negative for none, and the channel that is closed when something changes.
func (q *TaskQueue) claim(req ports.ClaimRequest) ([]*domain.Task, time.Duration, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.now()
	for c, ok := q.oldClaims.peek(); ok && c.at.Before(now); c, ok = q.oldClaims.peek() {
		q.oldClaims.pop()
		delete(q.claims, c.id)
	}
	if ids, repeated := q.claims[req.ID]; repeated {
		return q.held(req.ID, ids), -1, q.changed
	}
	q.promote(now, ports.MaxClaim)
	var out []*domain.Task
	for len(out) < req.Max {
		var best *domain.Task
		var from *heap[*domain.Task]
		for l, h := range q.ready {
			if _, paused := q.paused[l.queue]; paused {
				continue
			}
			if len(req.Queues) > 0 && !slices.Contains(req.Queues, l.queue) ||
				len(req.Types) > 0 && !slices.Contains(req.Types, l.typ) {
				continue
			}
			if t, ok := q.head(h); ok && (best == nil || claimOrder(t, best) < 0) {
				best, from = t, h
			}
		}
		if best == nil {
			break
		}
		from.pop()
		started := now
		if best.CreatedAt.After(now) {
			started = best.CreatedAt
		}
		// A ready task is PENDING, so the step cannot be refused.
		if err := q.step(best, func() error { return best.MarkAsProcessing(req.ID, req.Lease, started) }); err != nil {
			continue
		}
		best.Lease.ExpiresAt = now.Add(req.Lease)
		q.leases.push(entry{best.Lease.ExpiresAt.UnixMicro(), best})
		out = append(out, best.Clone())
	}
	if len(out) > 0 {
		ids := make([]domain.TaskID, len(out))
		for i, t := range out {
			ids[i] = t.ID
		}
		q.claims[req.ID] = ids
		q.oldClaims.push(claimEnd{now.Add(req.Lease + time.Minute), req.ID})
	}
	return out, q.untilDue(now), q.changed
}

// held returns those tasks of a claim that it still holds.
func (q *TaskQueue) held(claim domain.ClaimID, ids []domain.TaskID) []*domain.Task {
	var out []*domain.Task
	for _, id := range ids {
		if t, ok := q.tasks[id]; ok && t.Lease != nil && t.Lease.ClaimID == claim {
			out = append(out, t.Clone())
		}
	}
	return out
}

// leased returns the task that a lease holds, or ErrLeaseLost.
func (q *TaskQueue) leased(l domain.Lease) (*domain.Task, error) {
	if t, ok := q.tasks[l.TaskID]; ok && t.Lease != nil && t.Lease.SameFence(l) {
		return t, nil
	}
	return nil, fmt.Errorf("task %s, delivery %d: %w", l.TaskID, l.Delivery, domain.ErrLeaseLost)
}

// ExtendLease implements ports.TaskConsumer.
func (q *TaskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("extend lease: %w", err)
	}
	if len(leases) == 0 {
		return nil, nil
	}
	if err := ports.ValidateLease(lease); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ends := q.cfg.now().Add(lease)
	out := make([]domain.Lease, len(leases))
	errs := make([]error, len(leases))
	for i, l := range leases {
		t, err := q.leased(l)
		if err != nil {
			errs[i] = err
			continue
		}
		t.Lease.ExpiresAt = ends
		q.leases.push(entry{ends.UnixMicro(), t})
		out[i] = *t.Lease
	}
	return out, domain.NewBatchError(errs)
}

// UpdateTask implements ports.TaskConsumer.
func (q *TaskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("update task: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(updates))
	for i, u := range updates {
		errs[i] = q.update(u)
	}
	return domain.NewBatchError(errs)
}

func (q *TaskQueue) update(u ports.TaskUpdate) error {
	if err := validateUpdate(u); err != nil {
		return err
	}
	to := domain.TaskStatusFailed
	switch u.Outcome {
	case ports.OutcomeCompleted:
		to = domain.TaskStatusCompleted
	case ports.OutcomeRetry:
		to = domain.TaskStatusRetrying
	case ports.OutcomeFailed:
	}
	if r, ok := q.reported[u.Lease.TaskID]; ok && r.status == to && r.lease.SameFence(u.Lease) {
		return nil
	}
	t, err := q.leased(u.Lease)
	if err != nil {
		return err
	}
	now := q.cfg.now()
	if t.StartedAt.After(now) {
		now = t.StartedAt
	}
	lease := *t.Lease
	err = q.step(t, func() error {
		switch u.Outcome {
		case ports.OutcomeCompleted:
			return t.MarkAsCompleted(append([]byte(nil), u.Result...), now)
		case ports.OutcomeRetry:
			return t.MarkAsRetrying(u.Failure, now.Add(ceilMicro(u.RetryIn)), now)
		case ports.OutcomeFailed:
		}
		return t.MarkAsFailed(u.Failure, now)
	})
	if err != nil {
		return err
	}
	q.reported[t.ID] = report{lease, to}
	if to == domain.TaskStatusRetrying {
		q.due.push(entry{t.ScheduledAt.UnixMicro(), t})
		q.wake(t.Queue)
	}
	return nil
}

func validateUpdate(u ports.TaskUpdate) error {
	switch {
	case u.Outcome < ports.OutcomeCompleted || u.Outcome > ports.OutcomeFailed:
		return &domain.ValidationError{Field: "outcome", Value: strconv.Itoa(int(u.Outcome)), Rule: "must be completed, retry or failed"}
	case len(u.Result) > domain.MaxResult:
		return &domain.ValidationError{Field: "result", Value: strconv.Itoa(len(u.Result)), Rule: fmt.Sprintf("must be at most %d bytes", domain.MaxResult)}
	case u.RetryIn < 0 || u.RetryIn > domain.MaxScheduleAhead:
		return &domain.ValidationError{Field: "retry_in", Value: u.RetryIn.String(), Rule: "must be between 0 and 10 years"}
	}
	return nil
}

// ReleaseTask implements ports.TaskConsumer.
func (q *TaskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("release task: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(leases))
	for i, l := range leases {
		if r, ok := q.reported[l.TaskID]; ok && r.status == domain.TaskStatusPending && r.lease.SameFence(l) {
			continue
		}
		t, err := q.leased(l)
		if err != nil {
			errs[i] = err
			continue
		}
		lease := *t.Lease
		if errs[i] = q.step(t, t.Release); errs[i] == nil {
			q.reported[t.ID] = report{lease, domain.TaskStatusPending}
			q.makeReady(t)
		}
	}
	return domain.NewBatchError(errs)
}

// GetTask implements ports.TaskReader.
func (q *TaskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get task: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	t, ok := q.tasks[id]
	if !ok {
		return nil, fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
	}
	return t.Clone(), nil
}

// ListTasks implements ports.TaskReader.
func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := ctx.Err(); err != nil {
		return domain.TaskPage{}, fmt.Errorf("list tasks: %w", err)
	}
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	before, err := decodeCursor(filter.Cursor)
	if err != nil {
		return domain.TaskPage{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []*domain.Task
	for _, t := range q.tasks {
		if t.CreatedAt.UnixMicro() < before && filter.Matches(t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *domain.Task) int { return b.CreatedAt.Compare(a.CreatedAt) })
	var page domain.TaskPage
	for i, t := range found {
		if i == filter.PageSize() {
			page.NextCursor = encodeCursor(found[i-1].CreatedAt.UnixMicro())
			break
		}
		page.Tasks = append(page.Tasks, t.Clone())
	}
	return page, nil
}

// A cursor is the time that the next page is older than.
const cursorPrefix = "m1."

func encodeCursor(before int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatInt(before, 36)))
}

func decodeCursor(cursor string) (int64, error) {
	if cursor == "" {
		return math.MaxInt64, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, fmt.Errorf("%w: it is not base64", domain.ErrInvalidCursor)
	}
	digits, ok := strings.CutPrefix(string(raw), cursorPrefix)
	before, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return before, nil
}

// GetQueueStats implements ports.TaskReader.
func (q *TaskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	if err := ctx.Err(); err != nil {
		return domain.QueueStats{}, fmt.Errorf("queue stats: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := domain.QueueStats{
		Scheduled:  int64(len(q.waiting)),
		Processing: q.counts[domain.TaskStatusProcessing], Retrying: q.counts[domain.TaskStatusRetrying],
		Completed: q.counts[domain.TaskStatusCompleted], Failed: q.counts[domain.TaskStatusFailed],
		Cancelled: q.counts[domain.TaskStatusCancelled],
	}
	s.Pending = q.counts[domain.TaskStatusPending] - s.Scheduled
	now := q.cfg.now()
	for _, h := range q.ready {
		for _, t := range h.items {
			if q.isReady(t) {
				s.OldestPending = max(s.OldestPending, now.Sub(t.CreatedAt))
			}
		}
	}
	return s, nil
}
