package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"logsift/domain"
)

// readyTimeout bounds the write of DB.Ready. It is less than what those who probe a
// process allow, so that they hear the reason.
const readyTimeout = time.Second

// Ready reports whether the store takes writes now, by one that changes no data, and
// if not, why: the error wraps domain.ErrStoreFull, domain.ErrStoreReadOnly,
// domain.ErrCorruptRecord, domain.ErrClosed or domain.ErrStoreUnavailable. The write
// takes a second at most. No read holds it up. It is safe for concurrent use.
func (db *DB) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := db.writer.do(ctx, "check the store", func(tx *transaction) error {
		if full := db.writer.full; full != nil {
			return full // This write may be so small that there is room for it.
		}
		_, err := tx.exec("UPDATE clock SET last_us = last_us WHERE id = 1")
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("check the store: %w: %s", domain.ErrStoreUnavailable, db.writer.holdUp())
	}
	return err
}
