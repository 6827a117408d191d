package sqlitestore

import (
	"context"
	"database/sql"
	"math"
	"sync"
	"time"

	"logsift/domain"
)

// watchInterval is how often a file that somebody waits on is looked at for the
// commits of other processes. The look compares SQLite's change counter, which
// takes 6 µs; waking an idle processor takes more than that. At 20 looks a second
// both stay below 1 % of a core.
const watchInterval = 50 * time.Millisecond

// never is a due time that does not come.
const never = math.MaxInt64

// waiter is a Dequeue that waits for tasks, or a reader that waits for events.
type waiter struct {
	// wants is nil for a reader.
	wants func(queue string, typ domain.TaskType) bool
	// woken has room for one signal.
	woken chan struct{}
	// due is when the waiter looks by itself. The hub's lock guards it.
	due int64
}

// wake lets the waiter look again.
func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// hub knows who waits.
type hub struct {
	// mu guards waiters.
	mu      sync.Mutex
	waiters map[*waiter]struct{}
	// joined has room for one signal to the watcher: somebody waits.
	joined chan struct{}
}

func newHub() *hub {
	return &hub{waiters: make(map[*waiter]struct{}), joined: make(chan struct{}, 1)}
}

// join adds a waiter. It must leave.
func (h *hub) join(wants func(queue string, typ domain.TaskType) bool) *waiter {
	w := &waiter{wants: wants, woken: make(chan struct{}, 1), due: never}
	h.mu.Lock()
	h.waiters[w] = struct{}{}
	h.mu.Unlock()
	select {
	case h.joined <- struct{}{}:
	default:
	}
	return w
}

func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters, w)
}

// idle reports whether nobody waits.
func (h *hub) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiters) == 0
}

// sleepUntil notes when the waiter will look by itself.
func (h *hub) sleepUntil(w *waiter, due int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.due = due
}

// wake wakes those who want tasks of one of the lanes, and the readers if there are
// events.
func (h *hub) wake(lanes []*lane, told bool) { h.wakeAll(lanes, told, never) }

// wakeAll does as wake, and wakes those who would sleep beyond due.
func (h *hub) wakeAll(lanes []*lane, told bool, due int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiters {
		if w.wants == nil {
			if told {
				w.wake()
			}
			continue
		}
		if due < w.due {
			w.wake()
			continue
		}
		for _, l := range lanes {
			if w.wants(l.queue, l.typ) {
				w.wake()
				break
			}
		}
	}
}

// watch looks for commits of other processes while somebody waits, until the
// store is closed. Where a look fails it is left to the waiters, which look by
// themselves every Config.PollInterval, to meet the error.
func (db *DB) watch(ctx context.Context) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var conn *sql.Conn
	var q *statements
	var version int64
	for {
		select {
		case <-db.closed:
			if conn != nil {
				// What ends here only read; its errors say nothing.
				_ = q.close()
				_ = conn.Close()
			}
			return
		case <-db.hub.joined:
		}
		for ticker.Reset(watchInterval); !db.hub.idle(); {
			select {
			case <-db.closed:
			case <-ticker.C:
				if conn == nil {
					var err error
					if conn, err = db.reads.Conn(ctx); err != nil {
						continue
					}
					q = newStatements(ctx, conn)
				}
				version = db.look(q, version)
				continue
			}
			break
		}
		ticker.Stop()
	}
}

// look wakes those whom a commit since version concerns, and returns the
// version that it has seen.
func (db *DB) look(q *statements, version int64) int64 {
	seen, ok, err := q.number("PRAGMA data_version")
	if err != nil || !ok || seen == version {
		return version
	}
	var ready []*lane
	err = q.each(func(r *row) error {
		ready = append(ready, readLane(r))
		return r.err
	}, selectLanes+" WHERE ready > 0 AND queue NOT IN (SELECT queue FROM pause)")
	if err != nil {
		return version
	}
	due, err := nextWake(q, stateScheduled, stateRetrying)
	if err != nil {
		return version
	}
	// There may be events: a reader looks faster than it could be told.
	db.hub.wakeAll(ready, true, due)
	return seen
}

// nextWake returns the earliest time at which a task in one of the states asks
// for attention, or never.
func nextWake(q *statements, states ...state) (int64, error) {
	next := int64(never)
	for _, s := range states {
		at, ok, err := q.number("SELECT wake_us FROM task INDEXED BY task_wake WHERE state = ? AND state <> 1 ORDER BY wake_us LIMIT 1", int64(s))
		if err != nil {
			return 0, err
		}
		if ok {
			next = min(next, at)
		}
	}
	return next, nil
}
