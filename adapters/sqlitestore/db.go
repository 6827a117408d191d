package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

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

// readers is how many reads run at once.
const readers = 4

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

// DB is an open store file. It is safe for concurrent use.
type DB struct {
	config Config
	reads  *sql.DB
	writer *writer
	hub    *hub
	// closed is closed when Close begins.
	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error
	watcher   sync.WaitGroup
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
	if err := touch(path); err != nil {
		return nil, err
	}
	// fullfsync matters on macOS, whose fsync leaves the data in the drive's cache.
	writes, err := openPool(path, 1, "_pragma=busy_timeout(0)"+
		"&_pragma=cache_size(-32768)&_pragma=journal_size_limit(67108864)&_pragma=wal_autocheckpoint(4000)"+
		"&_pragma=fullfsync(1)&_pragma=synchronous("+string(config.Synchronous)+")")
	if err != nil {
		return nil, translate("open "+path, err)
	}
	w, err := newWriter(ctx, writes, config)
	if err != nil {
		return nil, errors.Join(translate("open "+path, err), writes.Close())
	}
	reads, err := openPool(path, readers+1, fmt.Sprintf("_query_only=1&_pragma=busy_timeout(%d)&_pragma=cache_size(-8192)", config.BusyTimeout.Milliseconds()))
	if err != nil {
		return nil, errors.Join(translate("open "+path, err), w.close())
	}
	db := &DB{config: config, reads: reads, writer: w, hub: newHub(), closed: make(chan struct{})}
	w.committed = db.hub.wake
	w.start()
	db.watcher.Add(1)
	go func() {
		defer db.watcher.Done()
		db.watch(context.WithoutCancel(ctx))
	}()
	return db, nil
}

// Close ends waiting calls with domain.ErrClosed, finishes the writes that have
// begun, and closes the file. Further calls return what the first did.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closed)
		db.watcher.Wait()
		// The writer goes last: the last connection to close folds the
		// write-ahead log into the file.
		db.closeErr = errors.Join(db.reads.Close(), db.writer.close())
	})
	return db.closeErr
}

// now returns the store's time.
func (db *DB) now() int64 { return db.config.Now().UnixMicro() }

// touch creates the file with narrow rights if there is none, and finds out
// early, with the system's own words, what stands in the way.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The path is the operator's choice.
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrPermission):
		if _, statErr := os.Stat(path); statErr == nil {
			return fmt.Errorf("open store file: %w: %w", domain.ErrStoreReadOnly, err)
		}
	}
	return fmt.Errorf("open store file: %w: %w", domain.ErrStoreUnavailable, err)
}

// openPool returns a pool of at most size connections to the file.
func openPool(path string, size int, query string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	abs = filepath.ToSlash(abs)
	if !strings.HasPrefix(abs, "/") {
		abs = "/" + abs
	}
	name := url.URL{Scheme: "file", Path: abs, RawQuery: query + "&_error_rc=1&_dqs=0&_pragma=temp_store(memory)&_pragma=foreign_keys(1)"}
	pool, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// read runs fn on one consistent view of the store.
func (db *DB) read(ctx context.Context, action string, fn func(q *statements) error) (err error) {
	select {
	case <-db.closed:
		return fmt.Errorf("%s: %w", action, domain.ErrClosed)
	default:
	}
	tx, err := db.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
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
