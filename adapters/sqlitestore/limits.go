package sqlitestore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.LimitKeeper = (*TaskQueue)(nil)

// limit is a row of the table task_limit.
type limit struct {
	domain.Limit
	id int64
	// running is how many slots are held, by all keys if it is a limit of keys, and waiting
	// how many ready tasks of keys have none.
	running, waiting int64
	// full is when the bucket of a queue or a type is full, in nanoseconds since 1970.
	full    int64
	changed bool
	// damaged is that it is known of which tasks it is and no more: it holds nothing back.
	damaged bool
	// waiters stands for all lanes under the limit, where those who wait are woken.
	waiters *lane
}

// target is of which tasks a limit is.
type target struct {
	scope domain.LimitScope
	queue string
	typ   domain.TaskType
	key   string
}

func targetOf(l *domain.Limit) target { return target{l.Scope, l.Queue, l.Type, l.Key} }

// limits are those of a file; nil for none.
type limits struct {
	byID     map[int64]*limit
	byTarget map[target]*limit
	// changed are those whose rows are older.
	changed []*limit
}

// readLimits reads all limits.
func readLimits(q *statements) (*limits, error) {
	all := &limits{byID: map[int64]*limit{}, byTarget: map[target]*limit{}}
	err := q.each(func(r *row) error {
		l := &limit{id: r.int(0), running: r.int(2), waiting: r.int(3), full: r.int(4)}
		of := domain.Limit{Name: r.text(5), Scope: domain.LimitScope(r.text(6)), Queue: r.text(7), Type: domain.TaskType(r.text(8)), Key: string(r.blob(9))}
		err := json.Unmarshal(r.blob(1), &l.Limit)
		if l.damaged = err != nil || l.Validate() != nil || l.Name != of.Name || !l.SameTasks(&of); l.damaged {
			l.Limit = of
		}
		l.waiters = &lane{laneKey: laneKey{queue: l.Queue, typ: l.Type}}
		all.byID[l.id], all.byTarget[targetOf(&l.Limit)] = l, l
		return r.err
	}, "SELECT id, body, running, waiting, full_ns, name, scope, queue, type, key FROM task_limit")
	return all, err
}

// classOf is the class of the lanes of a queue and a type, 0 if neither has a limit.
func (l *limits) classOf(queue string, typ domain.TaskType) (class int64) {
	if l == nil {
		return 0
	}
	if ofQueue := l.byTarget[target{scope: domain.LimitQueue, queue: queue}]; ofQueue != nil {
		class = ofQueue.id << 32
	}
	if ofType := l.byTarget[target{scope: domain.LimitType, typ: typ}]; ofType != nil {
		class |= ofType.id
	}
	return class
}

// ofClass returns the limits of a class.
func (l *limits) ofClass(class int64) []*limit {
	if l == nil || class == 0 {
		return nil
	}
	var out []*limit
	for _, id := range []int64{class >> 32, class & math.MaxUint32} {
		if one := l.byID[id]; one != nil {
			out = append(out, one)
		}
	}
	return out
}

// ofKey returns the limit that the tasks of a key are under, nil for none.
func (l *limits) ofKey(queue, key string) *limit {
	if l == nil || key == "" {
		return nil
	}
	if exception := l.byTarget[target{scope: domain.LimitKey, queue: queue, key: key}]; exception != nil {
		return exception
	}
	return l.byTarget[target{scope: domain.LimitKey, queue: queue}]
}

// free is how many tasks may begin at now, of which so many are processed, with a bucket
// that is full at full.
func (l *limit) free(running, full, now int64) int64 {
	n := int64(math.MaxInt64)
	if l.Concurrency > 0 {
		n = max(int64(l.Concurrency)-running, 0)
	}
	if l.Rate.Count > 0 {
		n = min(n, int64(l.Rate.Tokens(time.Unix(0, full), timeOf(now))))
	}
	return n
}

// take returns when the bucket is full after a task has begun at now.
func (l *limit) take(full, now int64) int64 {
	if l.Rate.Count == 0 {
		return 0
	}
	return l.Rate.Take(time.Unix(0, full), timeOf(now), 1).UnixNano()
}

// nextToken is when the bucket has a token, 0 if there is no bucket.
func (l *limit) nextToken(full int64) int64 {
	if l.Rate.Count == 0 {
		return 0
	}
	return l.Rate.NextToken(time.Unix(0, full)).Add(time.Microsecond - 1).UnixMicro()
}

// change notes that the row of a limit has to be written.
func (l *limits) change(one *limit) {
	if !one.changed {
		one.changed = true
		l.changed = append(l.changed, one)
	}
}

// store writes what changed.
func (l *limits) store(q *statements) error {
	if l == nil {
		return nil
	}
	for _, one := range l.changed {
		one.changed = false
		if _, err := q.exec("UPDATE task_limit SET running = ?, waiting = ?, full_ns = ? WHERE id = ?", one.running, one.waiting, one.full, one.id); err != nil {
			return err
		}
	}
	l.changed = l.changed[:0]
	return nil
}

// countRun counts a task that begins or ends to be processed for the limits of its queue
// and its type.
func (tx *transaction) countRun(l *lane, from, to state) {
	for _, one := range tx.limits.ofClass(l.class) {
		switch {
		case to == stateProcessing:
			one.running++
			one.full = one.take(one.full, tx.now)
		case from == stateProcessing:
			if one.running--; one.running == int64(one.Concurrency)-1 {
				tx.notify(one.waiters)
			}
		default:
			return
		}
		tx.limits.change(one)
	}
}

// selectClasses selects the classes that have lanes with tasks to be claimed, by a step in
// the index for each.
const selectClasses = `WITH RECURSIVE c (class) AS (
	SELECT (SELECT class FROM lane INDEXED BY lane_head WHERE head > 0 AND paused = 0 ORDER BY class LIMIT 1)
	UNION ALL SELECT (SELECT class FROM lane INDEXED BY lane_head WHERE head > 0 AND paused = 0 AND class > c.class ORDER BY class LIMIT 1)
		FROM c WHERE class IS NOT NULL)
	SELECT class FROM c WHERE class IS NOT NULL`

// openClasses returns the classes whose limits have room for a task, nil if there are no
// limits, and the next time at which another one does that has tasks to wait for, or never.
func (l *limits) openClasses(q *statements, now int64, wanted *selection) (open []int64, next int64, err error) {
	next = never
	if l == nil {
		return nil, next, nil
	}
	open = []int64{}
	classes, err := q.numbers(selectClasses)
	for _, class := range classes {
		closed, token := false, int64(0)
		for _, one := range l.ofClass(class) {
			if one.free(one.running, one.full, now) > 0 {
				continue
			}
			closed = true
			if one.Concurrency > 0 && one.running >= int64(one.Concurrency) || !wanted.wants(one.Queue, one.Type) {
				token = never
			} else {
				token = max(token, one.nextToken(one.full))
			}
		}
		if !closed {
			open = append(open, class)
		} else {
			next = min(next, token)
		}
	}
	return open, next, err
}

func (q *TaskQueue) SetLimit(ctx context.Context, l domain.Limit) error {
	if err := l.Validate(); err != nil {
		return err
	}
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	var refused error
	err = q.db.writer.do(ctx, "set limit", func(tx *transaction) (err error) {
		refused = nil
		if err := tx.flush(); err != nil {
			return err
		}
		old, n := tx.limits.named(l.Name)
		if other := tx.limits.at(targetOf(&l)); other != nil && other.Name != l.Name {
			refused = fmt.Errorf("limit %q: %w", other.Name, domain.ErrLimitExists)
			return nil
		}
		if old == nil && n >= ports.MaxLimits {
			refused = ports.TooManyLimits(l.Name)
			return nil
		}
		if old != nil && old.SameTasks(&l) {
			full := old.full
			if old.Rate != l.Rate {
				full = 0
			}
			_, err = tx.exec("UPDATE task_limit SET body = ?, full_ns = ? WHERE id = ?", body, full, old.id)
		} else {
			if old != nil {
				if err := tx.dropLimit(old); err != nil {
					return err
				}
			}
			_, err = tx.exec("INSERT INTO task_limit (name, scope, queue, type, key, body, running, waiting, full_ns) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)",
				l.Name, string(l.Scope), l.Queue, string(l.Type), bytesOf(l.Key), body)
		}
		if err != nil {
			return err
		}
		return tx.applyLimits(&l, old)
	})
	if err != nil {
		return err
	}
	return refused
}

func (q *TaskQueue) DeleteLimit(ctx context.Context, name string) error {
	if err := domain.ValidateName("name", name); err != nil {
		return err
	}
	var refused error
	err := q.db.writer.do(ctx, "delete limit", func(tx *transaction) error {
		refused = nil
		if err := tx.flush(); err != nil {
			return err
		}
		old, _ := tx.limits.named(name)
		if old == nil {
			refused = fmt.Errorf("limit %q: %w", name, domain.ErrLimitNotFound)
			return nil
		}
		if err := tx.dropLimit(old); err != nil {
			return err
		}
		return tx.applyLimits(nil, old)
	})
	if err != nil {
		return err
	}
	return refused
}

// withID returns the limit with an id, nil for none.
func (l *limits) withID(id int64) *limit {
	if l == nil {
		return nil
	}
	return l.byID[id]
}

// at returns the limit of a target, nil for none.
func (l *limits) at(t target) *limit {
	if l == nil {
		return nil
	}
	return l.byTarget[t]
}

// named returns the limit of a name, nil for none, and how many limits there are.
func (l *limits) named(name string) (found *limit, n int) {
	if l == nil {
		return nil, 0
	}
	for _, one := range l.byID {
		if one.Name == name {
			found = one
		}
	}
	return found, len(l.byID)
}

func (tx *transaction) dropLimit(l *limit) error {
	_, err := tx.exec("DELETE FROM task_limit WHERE id = ?", l.id)
	return err
}

// flush writes all that the mirror has changed.
func (tx *transaction) flush() error {
	if err := tx.settleKeys(); err != nil {
		return err
	}
	return tx.store(tx.statements)
}

// applyLimits has the tasks of two limits, each of which may be nil, kept to the limits as
// they are in the file now, and wakes those who wait for them.
func (tx *transaction) applyLimits(set *domain.Limit, old *limit) error {
	before := tx.limits
	changed := make([]*domain.Limit, 0, 2)
	if set != nil {
		changed = append(changed, set)
	}
	if old != nil && (set == nil || !old.SameTasks(set)) {
		changed = append(changed, &old.Limit)
	}
	if _, err := tx.exec("UPDATE clock SET limits = (SELECT count(*) FROM task_limit)"); err != nil {
		return err
	}
	for _, l := range changed {
		if l.Scope != domain.LimitKey {
			if err := tx.classLanes(l); err != nil {
				return err
			}
		}
	}
	tx.valid = false
	if err := tx.load(tx.statements); err != nil {
		return err
	}
	for i, l := range changed {
		if l.Scope == domain.LimitKey {
			only := l.Key
			if other := changed[len(changed)-1-i]; other.Scope == l.Scope && other.Queue == l.Queue && other.Key == "" {
				only = "" // All keys are counted again by the other one, and once more.
			}
			if err := tx.rebuildKeys(l.Queue, only, before); err != nil {
				return err
			}
		}
		tx.notify(&lane{laneKey: laneKey{queue: l.Queue, typ: l.Type}})
	}
	return nil
}

// classLanes notes in the lanes of a limit which limits they are under, and counts what
// runs.
func (tx *transaction) classLanes(l *domain.Limit) error {
	of, name := "queue", l.Queue
	if l.Scope == domain.LimitType {
		of, name = "type", string(l.Type)
	}
	_, err := tx.exec(`UPDATE lane SET class = `+rightClass+` WHERE `+of+` = ?`, name)
	if err == nil {
		_, err = tx.exec("UPDATE task_limit SET running = "+rightRunning+" WHERE scope = ? AND "+of+" = ?", string(l.Scope), name)
	}
	return err
}

func (q *TaskQueue) ListLimits(ctx context.Context) ([]domain.LimitUse, error) {
	var out []domain.LimitUse
	err := q.db.read(ctx, "list limits", func(s *statements) error {
		out = nil
		all, err := readLimits(s)
		if err != nil {
			return err
		}
		for _, l := range all.byID {
			if l.damaged {
				continue // The verifier tells of it.
			}
			out = append(out, domain.LimitUse{Limit: l.Limit, Running: l.running, Waiting: l.waiting})
		}
		slices.SortFunc(out, func(a, b domain.LimitUse) int { return cmp.Compare(a.Name, b.Name) })
		return nil
	})
	return out, err
}
