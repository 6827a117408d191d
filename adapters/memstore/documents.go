package memstore

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"logsift/domain"
)

// storedState is a state with its end, zero for none.
type storedState struct {
	revision int64
	data     []byte
	until    time.Time
}

func (s storedState) expired(now time.Time) bool { return !s.until.IsZero() && !s.until.After(now) }

func (r *LogRepository) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	out, err := domain.EmptyDocuments(keys...)
	if err != nil {
		return nil, fmt.Errorf("load states: %w", err)
	}
	if err := r.begin(ctx, "load states"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	now := r.cfg.now()
	for i, key := range keys {
		if s, ok := r.states[key]; ok && !s.expired(now) {
			out[i].Revision, out[i].Data = s.revision, bytes.Clone(s.data)
		}
	}
	return out, nil
}

func (r *LogRepository) SaveDocument(ctx context.Context, state domain.Document, ttl time.Duration) (int64, error) {
	if err := state.ValidateSave(ttl); err != nil {
		return 0, fmt.Errorf("save state: %w", err)
	}
	if err := r.begin(ctx, "save state"); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	now := r.cfg.now()
	stored := r.states[state.Key]
	if stored.expired(now) {
		stored = storedState{}
	}
	if stored.revision != state.Revision {
		return 0, fmt.Errorf("state %q: %w", state.Key, domain.ErrDocumentConflict)
	}
	r.number++
	fresh := storedState{revision: r.number, data: bytes.Clone(state.Data)}
	if ttl > 0 {
		fresh.until = now.Add(ttl)
	}
	r.states[state.Key] = fresh
	return fresh.revision, nil
}

// removeExpiredStates frees the memory of states that expired.
func (r *LogRepository) removeExpiredStates(now time.Time) {
	maps.DeleteFunc(r.states, func(_ string, s storedState) bool { return s.expired(now) })
}
