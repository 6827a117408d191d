package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"logsift/domain"
)

const (
	// maxGroup is how many operations share a transaction at most.
	maxGroup = 512
	// lockPause is the time between two attempts at the lock of the file. It is
	// short, so that a process gets its turn between the transactions of
	// another one that writes all the time; SQLite's own waiting backs off to
	// 100 ms and starves.
	lockPause = time.Millisecond
	// finishWait bounds how long a call outlives its context while its
	// transaction is being committed: its outcome is then worth knowing.
	finishWait = time.Second
)

// The life of an operation. Its caller may abandon it until it has begun.
const (
	opQueued int32 = iota
	opBegun
	opAbandoned
)

// errNotBegun says that a transaction did not begin, which is no operation's
// fault and would meet each of them again.
var errNotBegun = errors.New("begin a transaction")

// operation is one call's part of a transaction.
type operation struct {
	// run does the work. It may be called again in another transaction after
	// one was rolled back, so it begins by forgetting what it did. An error
	// rolls the transaction back: a refusal of an item is not one.
	run   func(tx *transaction) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

// writer owns the one connection that writes. Operations that arrive while a
// transaction is under way are gathered and share the next one, and its sync.
type writer struct {
	pool   *sql.DB
	conn   *sql.Conn
	files  *files
	config Config
	// ctx carries the values of Open's context and is never cancelled: a
	// transaction is shared, no caller may end it for the others.
	ctx    context.Context //nolint:containedctx // It belongs to no call.
	stmts  *statements
	mirror mirror
	// maxFollowed is that constant, or less for tests.
	maxFollowed int
	// committed is told which lanes a commit gave tasks to, and whether there are
	// events.
	committed func(lanes []*lane, events bool, cancelled []domain.TaskID)

	// mu guards queue and stopped.
	mu      sync.Mutex
	queue   []*operation
	stopped bool
	// full is why a transaction had no room on the disk, until the write-ahead log could
	// be folded since.
	full error
	// left is whether letGo has nothing more to do.
	left bool
	// locked is since when another process has kept the lock that a transaction
	// waits for, in nanoseconds since 1970; 0 if none does.
	locked atomic.Int64
	// arrived has room for one signal: the queue is not empty, or stopped is
	// set.
	arrived chan struct{}
	loop    sync.WaitGroup
}

// newWriter connects, switches the file to write-ahead logging and migrates it.
func newWriter(ctx context.Context, pool *sql.DB, files *files, config Config) (*writer, error) {
	w := &writer{pool: pool, files: files, config: config, maxFollowed: maxFollowed, ctx: context.WithoutCancel(ctx), arrived: make(chan struct{}, 1)}
	err := w.retryBusy(ctx, func() (err error) {
		w.conn, err = pool.Conn(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.stmts = newStatements(w.ctx, w.conn) //nolint:contextcheck // The statements outlive the call.
	var mode string
	err = w.retryBusy(ctx, func() error {
		return w.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
	})
	if err == nil && mode != "wal" {
		err = fmt.Errorf("%w: the file system does not support write-ahead logging; use a local disk", domain.ErrStoreUnavailable)
	}
	if err == nil {
		err = w.retryBusy(ctx, func() error { return w.plain("BEGIN IMMEDIATE") })
	}
	if err == nil {
		if err = migrate(w.ctx, w.conn); err == nil { //nolint:contextcheck // What has begun is finished.
			err = w.plain("COMMIT")
		} else {
			err = errors.Join(err, w.plain("ROLLBACK"))
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.conn.Close())
	}
	return w, nil
}

// plain runs a statement that is not worth keeping prepared.
func (w *writer) plain(query string) error {
	_, err := w.conn.ExecContext(w.ctx, query)
	return err
}

// retryBusy repeats fn while another process holds the lock, for as long as
// ctx and Config.BusyTimeout allow.
func (w *writer) retryBusy(ctx context.Context, fn func() error) error {
	err := fn()
	if resultCode(err) != sqlite3.SQLITE_BUSY {
		w.locked.Store(0)
		return err
	}
	w.locked.CompareAndSwap(0, time.Now().UnixNano())
	patience := time.NewTimer(w.config.BusyTimeout)
	defer patience.Stop()
	pause := time.NewTicker(lockPause)
	defer pause.Stop()
	for resultCode(err) == sqlite3.SQLITE_BUSY {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return fmt.Errorf("another process has locked the file for %s: %w", w.config.BusyTimeout, err)
		case <-pause.C:
		}
		err = fn()
	}
	w.locked.Store(0)
	return err
}

// holdUp says what keeps a write from its turn.
func (w *writer) holdUp() string {
	if since := w.locked.Load(); since != 0 {
		return fmt.Sprintf("another process has locked the file for %s; end it, or what it does", time.Since(time.Unix(0, since)).Round(time.Millisecond))
	}
	return fmt.Sprintf("a write did not end within %s: the disk is slow, or too many writes wait", readyTimeout)
}

// start begins to work.
func (w *writer) start() {
	w.loop.Add(1)
	go func() {
		defer w.loop.Done()
		for group := w.next(); group != nil; group = w.next() {
			w.commit(group)
		}
	}()
}

// close lets operations that wait fail with domain.ErrClosed, finishes the
// transaction under way and disconnects.
func (w *writer) close() error {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.signal()
	w.loop.Wait()
	if w.files.state() != nil {
		w.letGo(true)
	}
	return w.disconnect()
}

// disconnect closes the connection of a writer that does not work.
func (w *writer) disconnect() error {
	return errors.Join(w.stmts.close(), w.conn.Close(), w.pool.Close())
}

// letGo leaves files that are no longer the store's, so that what is in their places is
// safe: what was acknowledged goes to the database that is open, wherever it is now, and
// the write-ahead log is removed from beside another one. While a read keeps the first
// from being done, the next call goes on with it; the last one waits for none.
func (w *writer) letGo(last bool) {
	if w.left {
		return
	}
	harm := w.files.lost.Load().harm
	if harm != harmOverwritten && w.fold() != nil && !last {
		return
	}
	if harm != harmLog {
		// What cannot be removed, nobody can be told better than by the error itself.
		_ = w.files.removeLog()
	}
	w.left = true
}

// fold moves all of the write-ahead log into the database and cuts it off.
func (w *writer) fold() error {
	var busy, frames, done int
	err := w.conn.QueryRowContext(w.ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	if err == nil && busy != 0 {
		err = errors.New("a read still needs the write-ahead log")
	}
	return err
}

func (w *writer) signal() {
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

// next waits for operations and takes them. It returns nil when the writer was
// stopped.
func (w *writer) next() []*operation {
	for {
		w.mu.Lock()
		if w.stopped {
			finish(w.queue, domain.ErrClosed)
			w.queue = nil
			w.mu.Unlock()
			return nil
		}
		n := min(len(w.queue), maxGroup)
		group := w.queue[:n:n]
		w.queue = w.queue[n:]
		w.mu.Unlock()
		if n > 0 {
			return group
		}
		<-w.arrived
	}
}

// finish tells the callers of the group how it went.
func finish(group []*operation, err error) {
	for _, op := range group {
		op.err = err
		close(op.done)
	}
}

// do runs fn in a transaction and returns when that is committed. If ctx ends
// before it has begun, nothing is written.
func (w *writer) do(ctx context.Context, action string, fn func(tx *transaction) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	op := &operation{run: fn, done: make(chan struct{})}
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return fmt.Errorf("%s: %w", action, domain.ErrClosed)
	}
	w.queue = append(w.queue, op)
	w.mu.Unlock()
	w.signal()
	select {
	case <-op.done:
		return translate(action, op.err)
	case <-ctx.Done():
	}
	if op.state.CompareAndSwap(opQueued, opAbandoned) {
		return fmt.Errorf("%s: %w", action, ctx.Err())
	}
	late := time.NewTimer(finishWait)
	defer late.Stop()
	select {
	case <-op.done:
		return translate(action, op.err)
	case <-late.C:
		return fmt.Errorf("%s: %w", action, ctx.Err())
	}
}

// commit runs the operations of the group in one transaction. If that fails,
// each gets one of its own, so that none suffers for another.
func (w *writer) commit(group []*operation) {
	begun, err := w.attempt(group)
	if resultCode(err) == sqlite3.SQLITE_FULL && w.full == nil {
		// Again, since the next attempt folds the write-ahead log first.
		w.full = err
		begun, err = w.attempt(begun)
	}
	if err == nil || len(begun) < 2 || errors.Is(err, errNotBegun) {
		finish(begun, err)
		return
	}
	for i := range begun {
		_, err := w.attempt(begun[i : i+1])
		finish(begun[i:i+1], err)
	}
}

// attempt returns the operations of the group that were not abandoned. Without
// an error all of them are committed, with one none is.
func (w *writer) attempt(group []*operation) (begun []*operation, err error) {
	if err = w.files.check(); err != nil {
		w.letGo(false)
		return take(group), fmt.Errorf("%w: %w", errNotBegun, err)
	}
	if w.full != nil && w.fold() == nil {
		// That gave the disk back what the write-ahead log took.
		w.full = nil
	}
	err = w.retryBusy(w.ctx, func() error {
		_, err := w.stmts.exec("BEGIN IMMEDIATE")
		return err
	})
	begun = take(group)
	if err != nil {
		return begun, fmt.Errorf("%w: %w", errNotBegun, err)
	}
	tx := &transaction{statements: w.stmts, mirror: &w.mirror, now: w.config.Now().UnixMicro(), maxFollowed: w.maxFollowed}
	if err = w.mirror.load(w.stmts); err == nil {
		err = tx.run(begun)
	}
	if err == nil {
		_, err = w.stmts.exec("COMMIT")
	}
	if err != nil {
		w.mirror.valid = false
		if _, rollbackErr := w.stmts.exec("ROLLBACK"); rollbackErr != nil && resultCode(rollbackErr) != sqlite3.SQLITE_ERROR {
			// SQLITE_ERROR: the failure has rolled back already.
			err = errors.Join(err, rollbackErr)
		}
		return begun, err
	}
	for _, l := range tx.notified {
		l.notified = false
	}
	if len(tx.notified)+len(tx.emitted)+len(tx.cancelled) > 0 {
		w.committed(tx.notified, len(tx.emitted) > 0, tx.cancelled)
	}
	return begun, nil
}

// take returns the operations that were not abandoned, and can no longer be.
func take(group []*operation) (begun []*operation) {
	for _, op := range group {
		if op.state.CompareAndSwap(opQueued, opBegun) || op.state.Load() == opBegun {
			begun = append(begun, op)
		}
	}
	return begun
}

// transaction is what the operations of a group share.
type transaction struct {
	*statements
	*mirror
	// now is the store's time, in microseconds.
	now int64
	// notified are the lanes that have tasks to wait for which they had not.
	notified []*lane
	// emitted are the steps to be stored as events.
	emitted []emittedStep
	// cancelled are tasks that were being processed.
	cancelled []domain.TaskID
	// workflows are those that the transaction met, by their seq, nil for one that is gone;
	// nodeSteps the steps of nodes that follow has not followed yet, and followed how many
	// nodes it has looked at.
	workflows map[int64]*workflow
	nodeSteps []nodeStep
	followed  int
	// gathered are the groups of tasks that were stored, and with how many members they are full.
	gathered map[string]int
	// maxFollowed is how many it may look at.
	maxFollowed int
}

// run runs the operations and writes the lanes and events back.
func (tx *transaction) run(begun []*operation) error {
	for _, op := range begun {
		if err := op.run(tx); err != nil {
			return err
		}
		if err := tx.follow(); err != nil {
			return err
		}
	}
	if err := tx.storeWorkflows(); err != nil {
		return err
	}
	if err := tx.storeEvents(); err != nil {
		return err
	}
	if err := tx.settleKeys(); err != nil {
		return err
	}
	return tx.store(tx.statements)
}

// move counts a task of the lane from one state into another; 0 is no state. Its key and its
// workflow follow the step.
func (tx *transaction) move(l *lane, of member, from, to state) {
	if of.workflow != 0 && from != to && to != 0 {
		tx.nodeSteps = append(tx.nodeSteps, nodeStep{workflow: of.workflow, seq: of.seq, from: from, to: to})
	}
	if l == nil || from == to {
		return
	}
	l.move(of.seq, from, to)
	tx.change(l)
	if l.class != 0 {
		tx.countRun(l, from, to)
	}
	if l.keyed || l.turns != 0 {
		tx.steps = append(tx.steps, keyStep{l, of.seq, of.key, from, to})
		if to == stateReady {
			return // Those who wait are woken if limits admit it.
		}
	}
	if to == stateReady || to == stateScheduled || to == stateRetrying {
		tx.notify(l)
	}
}

// notify remembers that those who wait for tasks of the lane should look again, unless
// they would find its queue paused.
func (tx *transaction) notify(l *lane) {
	if !l.paused && !l.notified {
		l.notified = true
		tx.notified = append(tx.notified, l)
	}
}
