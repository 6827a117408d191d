package sqlitestore

import (
	"math"
	"sync"
	"time"

	"logsift/ports"
)

// watchInterval is how often a file that somebody waits on is looked at for the
// commits of other processes. The look compares SQLite's change counter, which
// takes 6 µs; waking an idle processor takes more than that. At 20 looks a second
// both stay below 1 % of a core.
const watchInterval = 50 * time.Millisecond

// tokenWait is the shortest time that a claim waits for tokens.
const tokenWait = 5 * time.Millisecond

// never is a due time that does not come.
const never = math.MaxInt64

// waiter is a Dequeue that waits for tasks, or a reader that waits for events.
type waiter struct {
	// wanted is nil for a reader.
	wanted *selection
	// woken has room for one signal.
	woken chan struct{}
	// due is when the waiter looks by itself. The hub's lock guards it.
	due int64
}

// notify lets the waiter look again.
func (w *waiter) notify() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// hub knows who waits.
type hub struct {
	// mu guards what follows.
	mu      sync.Mutex
	waiters map[*waiter]struct{}
	// watches are told of cancelled tasks; cancellations is the number of these in the
	// file that they know.
	watches       ports.CancelWatches
	cancellations int64
	// joined has room for one signal to the watcher: somebody waits.
	joined chan struct{}
}

func newHub() *hub {
	return &hub{waiters: make(map[*waiter]struct{}), joined: make(chan struct{}, 1)}
}

// join adds a waiter. It must leave.
func (h *hub) join(wanted *selection) *waiter {
	w := &waiter{wanted: wanted, woken: make(chan struct{}, 1), due: never}
	h.mu.Lock()
	h.waiters[w] = struct{}{}
	h.mu.Unlock()
	h.begin()
	return w
}

// begin has the watcher look for commits.
func (h *hub) begin() {
	select {
	case h.joined <- struct{}{}:
	default:
	}
}

// lookCancelled tells those who watch if tasks were cancelled since the last look.
func (h *hub) lookCancelled(q *statements) error {
	if !h.watches.Any() {
		return nil
	}
	n, _, err := q.number("SELECT n FROM cancellation")
	if err != nil {
		return err
	}
	h.mu.Lock()
	known := h.cancellations
	h.cancellations = n
	h.mu.Unlock()
	if n != known {
		h.watches.Tell(nil)
	}
	return nil
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
	return len(h.waiters) == 0 && !h.watches.Any()
}

// sleepUntil notes when the waiter will look by itself.
func (h *hub) sleepUntil(w *waiter, due int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.due = due
}

// notify wakes those who want tasks of one of the lanes, and the readers if there are
// events.
func (h *hub) notify(lanes []*lane, events bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiters {
		if w.wanted == nil {
			if events {
				w.notify()
			}
			continue
		}
		for _, l := range lanes {
			if w.wanted.wants(l.queue, l.typ) {
				w.notify()
				break
			}
		}
	}
}

// waiting returns who waits, with when each of them looks by itself.
func (h *hub) waiting() map[*waiter]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[*waiter]int64, len(h.waiters))
	for w := range h.waiters {
		out[w] = w.due
	}
	return out
}

// watch looks for commits of other processes while somebody waits, until the
// store is closed. Where a look fails it is left to the waiters, which look by
// themselves every Config.PollInterval, to meet the error.
func (db *DB) watch(q *statements) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	// What ends here only read; its errors say nothing.
	defer func() { _ = q.close() }()
	var version int64
	for {
		select {
		case <-db.closed:
			return
		case <-db.hub.joined:
		}
		for ticker.Reset(watchInterval); !db.hub.idle(); {
			select {
			case <-db.closed:
			case <-ticker.C:
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
	if err := db.hub.lookCancelled(q); err != nil {
		return version
	}
	due, limited, err := nextDue(q)
	if err != nil {
		return version
	}
	var all *limits
	if limited {
		if all, err = readLimits(q); err != nil {
			return version
		}
	}
	now := db.now()
	for w, until := range db.hub.waiting() {
		// There may be events: a reader looks faster than it could be told.
		if w.wanted != nil && due >= until {
			classes, token, err := all.openClasses(q, now, w.wanted)
			if err != nil {
				return version
			}
			found, err := firstLanes(q, *w.wanted, classes, 1, ageing{})
			if err != nil {
				return version
			}
			if len(found) == 0 && token >= until {
				continue
			}
		}
		w.notify()
	}
	return seen
}

// nextWake returns the earliest time at which a task in one of the states asks
// for attention, or never.
func nextWake(q *statements, states ...state) (int64, error) {
	next := int64(never)
	for _, s := range states {
		at, ok, err := q.number("SELECT wake_us FROM task INDEXED BY task_wake WHERE state = ? AND state <> 1 AND state < 5 ORDER BY wake_us LIMIT 1", int64(s))
		if err != nil {
			return 0, err
		}
		if ok {
			next = min(next, at)
		}
	}
	return next, nil
}

// nextDue returns when the next task that waits may be claimed, but for the limits of
// queues and types, or never, and whether there are limits.
func nextDue(q *statements) (next int64, limited bool, err error) {
	next = never
	err = q.each(func(r *row) error {
		limited = r.int(0) > 0
		for i := 1; i < len(r.values); i++ {
			if r.values[i] != nil {
				next = min(next, r.int(i))
			}
		}
		return r.err
	}, `SELECT limits,
		(SELECT wake_us FROM task INDEXED BY task_wake WHERE state = 2 AND state <> 1 AND state < 5 ORDER BY wake_us LIMIT 1),
		(SELECT wake_us FROM task INDEXED BY task_wake WHERE state = 4 AND state <> 1 AND state < 5 ORDER BY wake_us LIMIT 1),
		(SELECT wake_us FROM slot INDEXED BY slot_wake WHERE wake_us > 0 ORDER BY wake_us LIMIT 1) FROM clock`)
	return next, limited, err
}

// nextClaim returns when a claim that found nothing is to look again, or never.
func nextClaim(q *statements, all *limits, now int64, wanted *selection) (int64, error) {
	next, _, err := nextDue(q)
	if err != nil || all == nil {
		return next, err
	}
	_, token, err := all.openClasses(q, now, wanted)
	// Tokens that come one right after another are waited for together.
	return max(min(next, token), now+int64(tokenWait/time.Microsecond)), err
}
