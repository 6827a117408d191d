package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// limits are the stored limits and what is used of them. The queue's lock guards it.
type limits struct {
	stored map[string]domain.Limit
	queues map[string]*limitUse
	types  map[domain.TaskType]*limitUse
	// ofKeys are the limits of keys: the rule of a queue has the key "".
	ofKeys map[queueKey]domain.Limit
	// keys are the uses by keys that have a slot or lack a token.
	keys map[queueKey]*limitUse
	// refills are when keys get a token, or have all of them.
	refills *heap[refill]
}

type queueKey struct{ queue, key string }

type refill struct {
	at  time.Time
	key queueKey
}

// limitUse is what is used of a limit; of a limit of keys, by one key.
type limitUse struct {
	limit  domain.Limit
	leases int
	// held are the tasks that have a slot of a key.
	held map[domain.TaskID]bool
	full time.Time // when the bucket is full
	// dry says that there was no token, and no refill since.
	dry bool
}

var _ ports.LimitKeeper = (*TaskQueue)(nil)

func newLimits(stored map[string]domain.Limit) limits {
	l := limits{
		stored: stored, queues: map[string]*limitUse{}, types: map[domain.TaskType]*limitUse{},
		ofKeys: map[queueKey]domain.Limit{}, keys: map[queueKey]*limitUse{},
	}
	l.refills = newHeap(
		func(a, b refill) int { return a.at.Compare(b.at) },
		func(r refill) bool { return l.keys[r.key] != nil },
		func() int { return len(l.keys) })
	return l
}

func (q *TaskQueue) SetLimit(ctx context.Context, limit domain.Limit) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("set limit: %w", err)
	}
	if err := limit.Validate(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, other := range q.limits.stored {
		if name != limit.Name && other.SameTasks(&limit) {
			return fmt.Errorf("limit %q: %w", name, domain.ErrLimitExists)
		}
	}
	if _, ok := q.limits.stored[limit.Name]; !ok && len(q.limits.stored) >= ports.MaxLimits {
		return ports.TooManyLimits(limit.Name)
	}
	stored := maps.Clone(q.limits.stored)
	stored[limit.Name] = limit
	q.relimit(stored)
	return nil
}

func (q *TaskQueue) DeleteLimit(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete limit: %w", err)
	}
	if err := domain.ValidateName("name", name); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.limits.stored[name]; !ok {
		return fmt.Errorf("limit %q: %w", name, domain.ErrLimitNotFound)
	}
	stored := maps.Clone(q.limits.stored)
	delete(stored, name)
	q.relimit(stored)
	return nil
}

func (q *TaskQueue) ListLimits(ctx context.Context) ([]domain.LimitUse, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list limits: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	uses := map[string]*domain.LimitUse{}
	for name, limit := range q.limits.stored {
		uses[name] = &domain.LimitUse{Limit: limit}
	}
	for _, u := range q.limits.queues {
		uses[u.limit.Name].Running = int64(u.leases)
	}
	for _, u := range q.limits.types {
		uses[u.limit.Name].Running = int64(u.leases)
	}
	waiting := map[queueKey]int{}
	for l, tasks := range q.ready {
		for t := range tasks.all() {
			at := queueKey{l.queue, t.Key}
			if u := q.limits.keys[at]; u == nil || !u.held[t.ID] {
				waiting[at]++
			}
		}
	}
	for _, u := range q.limits.keys {
		uses[u.limit.Name].Running += int64(len(u.held))
	}
	for at, n := range waiting {
		limit, ok := q.limits.ofKey(at)
		if !ok || limit.Concurrency == 0 {
			continue
		}
		free := limit.Concurrency
		if u := q.limits.keys[at]; u != nil {
			free = max(free-len(u.held), 0)
		}
		uses[limit.Name].Waiting += int64(max(n-free, 0))
	}
	out := make([]domain.LimitUse, 0, len(uses))
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		out = append(out, *uses[name])
	}
	return out, nil
}

// relimit puts limits in the place of those before.
func (q *TaskQueue) relimit(stored map[string]domain.Limit) {
	old := q.limits
	q.limits = newLimits(stored)
	for _, limit := range stored {
		switch limit.Scope {
		case domain.LimitQueue:
			q.limits.queues[limit.Queue] = old.queues[limit.Queue].under(limit)
		case domain.LimitType:
			q.limits.types[limit.Type] = old.types[limit.Type].under(limit)
		case domain.LimitKey:
			q.limits.ofKeys[queueKey{limit.Queue, limit.Key}] = limit
		}
	}
	for at, u := range old.keys {
		limit, ok := q.limits.ofKey(at)
		if !ok {
			continue
		}
		n := u.under(limit)
		if u.limit.Blocks() && limit.Blocks() {
			n.held = u.held
		}
		q.limits.keys[at] = n
		q.limits.plan(at, n, q.cfg.now())
	}
	for _, t := range q.tasks {
		if t.Status == domain.TaskStatusProcessing {
			for _, u := range q.limits.of(t) {
				u.leases++
				u.held[t.ID] = true
			}
		}
	}
	for l, tasks := range q.ready {
		for key := range tasks.keys {
			q.offer(queueKey{l.queue, key})
		}
	}
	q.wake()
}

// under returns a use of the limit that has the bucket of u, if there is one and it is
// of the same limit.
func (u *limitUse) under(limit domain.Limit) *limitUse {
	n := &limitUse{limit: limit, held: map[domain.TaskID]bool{}}
	if u != nil && u.limit.Name == limit.Name && u.limit.SameTasks(&limit) && u.limit.Rate == limit.Rate {
		n.full = u.full
	}
	return n
}

// ofKey returns the limit of a key, if it has one.
func (l *limits) ofKey(at queueKey) (domain.Limit, bool) {
	if at.key == "" {
		return domain.Limit{}, false
	}
	limit, ok := l.ofKeys[at]
	if !ok {
		limit, ok = l.ofKeys[queueKey{queue: at.queue}]
	}
	return limit, ok
}

// of returns the uses that the task counts in.
func (l *limits) of(t *domain.Task) []*limitUse {
	var out []*limitUse
	if u := l.queues[t.Queue]; u != nil {
		out = append(out, u)
	}
	if u := l.types[t.Type]; u != nil {
		out = append(out, u)
	}
	at := queueKey{t.Queue, t.Key}
	if limit, ok := l.ofKey(at); ok {
		if l.keys[at] == nil {
			l.keys[at] = (*limitUse)(nil).under(limit)
		}
		out = append(out, l.keys[at])
	}
	return out
}

// limit counts a step of a task. The first of the others of its key may be claimable by it.
func (q *TaskQueue) limit(t *domain.Task, from, to domain.TaskStatus) {
	at := queueKey{t.Queue, t.Key}
	if len(q.limits.stored) > 0 {
		const running = domain.TaskStatusProcessing
		now := q.cfg.now()
		for _, u := range q.limits.of(t) {
			switch {
			case to == running:
				u.leases++
				u.held[t.ID] = true
				if u.limit.Rate != (domain.Rate{}) {
					u.full = u.limit.Rate.Take(u.full, now, 1)
				}
			case from == running:
				u.leases--
			}
			if to == running {
				continue
			}
			if !u.limit.Blocks() || to == 0 || to.Terminal() {
				delete(u.held, t.ID)
			}
			q.wake()
		}
		if u := q.limits.keys[at]; u != nil {
			q.limits.plan(at, u, now)
		}
	}
	if t.Key != "" {
		q.offer(at)
	}
}

// plan notes when the key gets a token or is full, and forgets a key of which there is
// nothing to know.
func (l *limits) plan(at queueKey, u *limitUse, now time.Time) {
	u.dry = u.room(now) == 0
	switch {
	case u.dry:
		l.refills.push(refill{u.limit.Rate.NextToken(u.full), at})
	case u.full.After(now):
		l.refills.push(refill{u.full, at})
	case len(u.held) == 0:
		delete(l.keys, at)
	}
}

// room is how many tasks the bucket lets begin now.
func (u *limitUse) room(now time.Time) int {
	if u.limit.Rate == (domain.Rate{}) {
		return 1
	}
	return u.limit.Rate.Tokens(u.full, now)
}

// refill offers the tasks of keys that have got a token.
func (q *TaskQueue) refill(now time.Time) {
	for {
		r, ok := q.limits.refills.peek()
		if !ok || r.at.After(now) {
			return
		}
		q.limits.refills.pop()
		q.limits.plan(r.key, q.limits.keys[r.key], now)
		q.offer(r.key)
	}
}

// lets reports whether the limits of queue and type let a task begin, and if not for want of
// a token, when there is one.
func (q *TaskQueue) lets(queue string, typ domain.TaskType) (ok bool, next time.Time) {
	now := q.cfg.now()
	for _, u := range []*limitUse{q.limits.queues[queue], q.limits.types[typ]} {
		switch {
		case u == nil:
		case u.limit.Concurrency > 0 && u.leases >= u.limit.Concurrency:
			return false, time.Time{}
		case u.room(now) == 0:
			if at := u.limit.Rate.NextToken(u.full); at.After(next) {
				next = at
			}
		}
	}
	return next.IsZero(), next
}

// next returns the task that the lane gives out of a key next, nil if there is none or the
// limit of the key forbids it.
func (r *readyTasks) next(key string) *domain.Task {
	at := queueKey{r.lane.queue, key}
	limit, limited := r.q.limits.ofKey(at)
	if !limited {
		return r.first(key)
	}
	u := r.q.limits.keys[at]
	if u != nil && (u.dry || limit.Concurrency > 0 && u.leases >= limit.Concurrency) {
		return nil
	}
	if !limit.Ordered() {
		return r.first(key)
	}
	if t := r.q.firstOfKey(at, u); t != nil && t.Type == r.lane.typ && t.Priority == r.lane.priority {
		return t
	}
	return nil
}

// firstOfKey is the ready task that is the next of a key, of those that have its slot if
// there are any; nil for none.
func (q *TaskQueue) firstOfKey(at queueKey, u *limitUse) *domain.Task {
	var first *domain.Task
	consider := func(t *domain.Task) {
		if t != nil && q.isReady(t) && (first == nil || claimOrder(t, first) < 0) {
			first = t
		}
	}
	if u != nil && len(u.held) > 0 {
		for id := range u.held {
			consider(q.tasks[id])
		}
		return first
	}
	for l, tasks := range q.ready {
		if l.queue == at.queue {
			consider(tasks.first(at.key))
		}
	}
	return first
}

// offer has the key wait for its turn in each lane, as far as its limit lets it.
func (q *TaskQueue) offer(at queueKey) {
	for l, tasks := range q.ready {
		if l.queue != at.queue {
			continue
		}
		if t := tasks.next(at.key); t != nil {
			tasks.offer(t)
		}
	}
}
