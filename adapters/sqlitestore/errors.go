package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"logsift/domain"
)

// resultCode returns the primary SQLite result code of err, or SQLITE_OK if it
// has none.
func resultCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlite3.SQLITE_OK
	}
	return e.Code() & 0xff
}

// translate gives an error of the database the meaning that the ports know. An
// error that has one already is returned as it is.
func translate(action string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, domain.ErrClosed), errors.Is(err, domain.ErrCorruptRecord),
		errors.Is(err, domain.ErrStoreUnavailable), errors.Is(err, domain.ErrStoreReplaced):
		return fmt.Errorf("%s: %w", action, err)
	case errors.Is(err, sql.ErrConnDone):
		return fmt.Errorf("%s: %w", action, domain.ErrClosed)
	}
	kind := domain.ErrStoreUnavailable
	switch resultCode(err) {
	case sqlite3.SQLITE_FULL:
		kind = domain.ErrStoreFull
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		kind = domain.ErrStoreReadOnly
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		kind = domain.ErrCorruptRecord
	}
	return fmt.Errorf("%s: %w: %w", action, kind, err)
}
