package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"

	"logsift/domain"
)

// Synchronous says when a commit is synced to the disk.
type Synchronous string

const (
	// SynchronousFull syncs each commit: acknowledged writes survive a loss of
	// power.
	SynchronousFull Synchronous = "full"
	// SynchronousNormal syncs at checkpoints only: a crash of the process loses
	// nothing, a loss of power may lose the newest acknowledged writes. The file
	// stays intact in either case.
	SynchronousNormal Synchronous = "normal"
)

// Limits and defaults of a [Config].
const (
	DefaultBusyTimeout  = 5 * time.Second
	DefaultPollInterval = time.Second
	MaxPollInterval     = time.Minute
)

// readers is how many short reads run at once.
const readers = 4

// maxSearchers is how many searches run at once at most: no more than half of the
// processors, so that they leave time for everything else.
const maxSearchers = 4

// Config holds the settings of a [DB]. The zero value is the default.
type Config struct {
	// BusyTimeout is how long a call waits for the lock of another process,
	// from 1 ms; 0 is DefaultBusyTimeout.
	BusyTimeout time.Duration
	// Synchronous is SynchronousFull if empty.
	Synchronous Synchronous
	// PollInterval is the longest time that a waiting Dequeue sleeps before it
	// looks for itself, from 1 ms to MaxPollInterval; 0 is DefaultPollInterval.
	// Wake-ups do not depend on it.
	PollInterval time.Duration
	// Now is the clock, for tests; nil is time.Now.
	Now func() time.Time
}

// withDefaults fills in the defaults and checks the fields.
func (c Config) withDefaults() (Config, error) {
	if c.BusyTimeout == 0 {
		c.BusyTimeout = DefaultBusyTimeout
	}
	if c.Synchronous == "" {
		c.Synchronous = SynchronousFull
	}
	if c.PollInterval == 0 {
		c.PollInterval = DefaultPollInterval
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.BusyTimeout < time.Millisecond:
		return c, &domain.ValidationError{Field: "busy_timeout", Value: c.BusyTimeout.String(), Rule: "must be at least 1ms"}
	case c.Synchronous != SynchronousFull && c.Synchronous != SynchronousNormal:
		return c, &domain.ValidationError{Field: "synchronous", Value: string(c.Synchronous), Rule: "must be full or normal"}
	case c.PollInterval < time.Millisecond || c.PollInterval > MaxPollInterval:
		return c, &domain.ValidationError{Field: "poll_interval", Value: c.PollInterval.String(), Rule: "must be between 1ms and " + MaxPollInterval.String()}
	}
	return c, nil
}

// DB is an open store file. Its methods are those of the ports that it keeps: tasks,
// schedules, logs, and who works on them. It is safe for concurrent use.
type DB struct {
	*TaskQueue
	*LogRepository
	*SchedulerRegistry
	*ScheduleStore

	config Config
	files  *files
	// reads are the connections for reads that look at little, searches those for
	// reads that look at many rows and find few.
	reads, searches *sql.DB
	// guard is one of reads that is there from Open to Close. The watcher uses it.
	guard  *sql.Conn
	writer *writer
	hub    *hub
	// closed is closed when Close begins.
	closed     chan struct{}
	closeOnce  sync.Once
	closeErr   error
	background sync.WaitGroup
}

// Open opens the store file at path, creates it if there is none, and brings an
// older one up to date. The folder must exist. A new file is readable by its
// owner only.
//
// Errors wrap domain.ErrInvalid for a path or a setting that cannot be,
// domain.ErrCorruptRecord for a file that is no SQLite database,
// domain.ErrStoreReadOnly for one that cannot be written, and
// domain.ErrStoreUnavailable for one that cannot be opened, belongs to another
// program, or was written by a newer version.
func Open(ctx context.Context, path string, config Config) (*DB, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if path == "" || path == ":memory:" {
		return nil, &domain.ValidationError{Field: "path", Value: path, Rule: "must name a file"}
	}
	files, err := openFiles(path)
	if err != nil {
		return nil, err
	}
	db, err := openDB(ctx, files, config)
	if err != nil {
		return nil, errors.Join(err, files.database.Close())
	}
	db.background.Add(2)
	go func() {
		defer db.background.Done()
		db.watch(newStatements(context.WithoutCancel(ctx), db.guard))
	}()
	go func() {
		defer db.background.Done()
		db.watchFiles(context.WithoutCancel(ctx))
	}()
	return db, nil
}

// openDB connects to the files.
func openDB(ctx context.Context, files *files, config Config) (*DB, error) {
	// fullfsync matters on macOS, whose fsync leaves the data in the drive's cache.
	writes, err := openPool(files, 1, "_pragma=busy_timeout(0)"+
		"&_pragma=cache_size(-32768)&_pragma=journal_size_limit(16777216)&_pragma=wal_autocheckpoint(1000)"+
		"&_pragma=fullfsync(1)&_pragma=synchronous("+string(config.Synchronous)+")")
	if err != nil {
		return nil, translate("open "+files.path, err)
	}
	w, err := newWriter(ctx, writes, files, config)
	if err != nil {
		return nil, errors.Join(translate("open "+files.path, err), writes.Close())
	}
	query := fmt.Sprintf("mode=ro&_pragma=busy_timeout(%d)&_pragma=cache_size(-8192)", config.BusyTimeout.Milliseconds())
	reads, err := openPool(files, readers+1, query)
	searches, searchErr := openPool(files, min(max(runtime.GOMAXPROCS(0)/2, 1), maxSearchers), query)
	if err = errors.Join(err, searchErr); err != nil {
		return nil, errors.Join(translate("open "+files.path, err), w.disconnect())
	}
	guard, err := reads.Conn(ctx)
	if err == nil {
		err = files.remember()
	}
	if err != nil {
		return nil, errors.Join(translate("open "+files.path, err), searches.Close(), reads.Close(), w.disconnect())
	}
	db := &DB{config: config, files: files, reads: reads, searches: searches, guard: guard, writer: w, hub: newHub(), closed: make(chan struct{})}
	db.TaskQueue, db.LogRepository = &TaskQueue{db: db}, &LogRepository{db}
	db.SchedulerRegistry, db.ScheduleStore = &SchedulerRegistry{db}, &ScheduleStore{db}
	w.committed = func(lanes []*lane, events bool, cancelled []domain.TaskID) {
		db.hub.notify(lanes, events)
		if len(cancelled) > 0 {
			db.hub.watches.Tell(cancelled)
		}
	}
	w.start()
	return db, nil
}

// Close ends waiting calls with domain.ErrClosed, finishes the writes that have
// begun, and closes the file. Further calls return what the first did: an error that wraps
// domain.ErrStoreReplaced if the file is no longer the store's.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closed)
		db.background.Wait()
		errs := []error{db.searches.Close(), db.reads.Close()}
		if db.files.check() == nil {
			// The writer goes last: the last connection to close folds the
			// write-ahead log into the file.
			errs = append(errs, db.guard.Close(), db.writer.close())
		} else {
			// The guard goes last: it cannot write, and SQLite leaves all files as they
			// are while it is there.
			errs = append(errs, db.writer.close(), db.guard.Close())
		}
		db.closeErr = errors.Join(append(errs, db.files.database.Close(), db.files.state())...)
	})
	return db.closeErr
}

// filesInterval is how often the files are looked at.
const filesInterval = 200 * time.Millisecond

// watchFiles has the writer let go of files that are no longer the store's, until the
// store is closed.
func (db *DB) watchFiles(ctx context.Context) {
	ticker := time.NewTicker(filesInterval)
	defer ticker.Stop()
	for {
		select {
		case <-db.closed:
			return
		case <-ticker.C:
			if db.files.check() != nil {
				// The error is that of check.
				_ = db.writer.do(ctx, "let go of the files", func(*transaction) error { return nil })
			}
		}
	}
}

// now returns the store's time.
func (db *DB) now() int64 { return db.config.Now().UnixMicro() }

// openPool returns a pool of at most size connections to the file.
func openPool(files *files, size int, query string) (*sql.DB, error) {
	abs, err := filepath.Abs(files.path)
	if err != nil {
		return nil, err
	}
	abs = filepath.ToSlash(abs)
	if !strings.HasPrefix(abs, "/") {
		abs = "/" + abs
	}
	name := url.URL{Scheme: "file", Path: abs, RawQuery: query + "&_error_rc=1&_dqs=0&_pragma=temp_store(memory)&_pragma=foreign_keys(1)"}
	c, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector{c, files})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// connector connects to the files as long as they are the store's: a connection opens them
// by their names.
type connector struct {
	driver.Connector
	files *files
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.files.check(); err != nil {
		return nil, err
	}
	return c.Connector.Connect(ctx)
}

// read runs fn, which looks at little, on one consistent view of the store.
func (db *DB) read(ctx context.Context, action string, fn func(q *statements) error) error {
	return db.view(ctx, db.reads, action, fn)
}

// search does as read with an fn that looks at many rows. Few run at once: the others
// wait for their turn, and hold up no read.
func (db *DB) search(ctx context.Context, action string, fn func(q *statements) error) error {
	return db.view(ctx, db.searches, action, fn)
}

// view runs fn on one consistent view of the store, by a connection of the pool.
func (db *DB) view(ctx context.Context, pool *sql.DB, action string, fn func(q *statements) error) (err error) {
	select {
	case <-db.closed:
		return fmt.Errorf("%s: %w", action, domain.ErrClosed)
	default:
	}
	if err := db.files.state(); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return db.readError(ctx, action, err)
	}
	q := newStatements(ctx, tx)
	err = fn(q)
	// A read has nothing to commit; ending the view is all that is left.
	err = errors.Join(err, q.close())
	if rollbackErr := tx.Rollback(); !errors.Is(rollbackErr, sql.ErrTxDone) {
		err = errors.Join(err, rollbackErr)
	}
	return db.readError(ctx, action, err)
}

// readError translates err. When the context has ended, that is the reason,
// whatever the driver made of it.
func (db *DB) readError(ctx context.Context, action string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", action, ctx.Err())
	}
	select {
	case <-db.closed:
		return fmt.Errorf("%s: %w", action, domain.ErrClosed)
	default:
	}
	return translate(action, err)
}
