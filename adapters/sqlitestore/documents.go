package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"logsift/domain"
)

const (
	// expiredPerSave is how many expired states a save removes beside its own:
	// more than one, so that they grow fewer while states are saved.
	expiredPerSave = 4
	// expiredPerPurge is how many a transaction of PurgeAnalyses removes. They
	// may be large.
	expiredPerPurge = 64
)

// LoadDocuments reads all documents as of one moment.
func (r *LogRepository) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	out, err := domain.EmptyDocuments(keys...)
	if err != nil {
		return nil, fmt.Errorf("load states: %w", err)
	}
	err = r.db.read(ctx, "load states", func(s *statements) error {
		now := r.db.now()
		for i := range out {
			err := s.each(func(r *row) error {
				out[i].Revision, out[i].Data = r.int(0), r.blob(1)
				return r.err
			}, "SELECT revision, data FROM state WHERE key = ? AND (until_us = 0 OR until_us > ?)", []byte(out[i].Key), now)
			if err != nil {
				return fmt.Errorf("state %q: %w", out[i].Key, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r *LogRepository) SaveDocument(ctx context.Context, state domain.Document, ttl time.Duration) (int64, error) {
	if err := state.ValidateSave(ttl); err != nil {
		return 0, fmt.Errorf("save state: %w", err)
	}
	// Copies: the transaction may outlive the call.
	key, data := []byte(state.Key), append([]byte{}, state.Data...)
	var revision int64
	err := r.db.writer.do(ctx, "save state", func(tx *transaction) error {
		revision = 0
		stored, _, err := tx.number("SELECT revision FROM state WHERE key = ? AND (until_us = 0 OR until_us > ?)", key, tx.now)
		if err != nil || stored != state.Revision {
			return err
		}
		if _, err := tx.exec("DELETE FROM state WHERE key = ?", key); err != nil {
			return err
		}
		if err := tx.removeExpiredStates(expiredPerSave); err != nil {
			return err
		}
		until := int64(0)
		if ttl > 0 {
			until = tx.now + int64(ttl-1)/1000 + 1 // rounded up
		}
		revision, _, err = tx.number("INSERT INTO state (key, until_us, data) VALUES (?, ?, ?) RETURNING revision", key, until, data)
		return err
	})
	if err == nil && revision == 0 {
		err = fmt.Errorf("state %q: %w", state.Key, domain.ErrDocumentConflict)
	}
	return revision, err
}

// removeExpiredStates deletes up to n states that expired, the oldest first.
func (tx *transaction) removeExpiredStates(n int) error {
	_, err := tx.exec(`DELETE FROM state WHERE revision IN (SELECT revision FROM state INDEXED BY state_until
		WHERE until_us > 0 AND until_us <= ? ORDER BY until_us LIMIT ?)`, tx.now, n)
	return err
}
