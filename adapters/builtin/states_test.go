package builtin_test

import (
	"context"
	"sync"
	"time"

	"logsift/domain"
)

// states is a ports.DocumentStore for tests. before, if it is set, runs before each
// save, outside of any lock.
type states struct {
	mu       sync.Mutex
	all      map[string]domain.Document
	before   func()
	loadErr  error
	saveErr  error
	saves    int
	refusals int
}

func newStates() *states { return &states{all: map[string]domain.Document{}} }

func (s *states) LoadDocuments(_ context.Context, keys ...string) ([]domain.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loadErr != nil {
		return nil, s.loadErr
	}
	out := make([]domain.Document, len(keys))
	for i, key := range keys {
		out[i] = s.all[key]
		out[i].Key = key
	}
	return out, nil
}

func (s *states) SaveDocument(_ context.Context, state domain.Document, _ time.Duration) (int64, error) {
	if s.before != nil {
		s.before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saveErr != nil {
		return 0, s.saveErr
	}
	if err := state.Validate(); err != nil {
		return 0, err
	}
	if s.all[state.Key].Revision != state.Revision {
		s.refusals++
		return 0, domain.ErrDocumentConflict
	}
	s.saves++
	state.Revision++
	s.all[state.Key] = state
	return state.Revision, nil
}

// bytes is how large the state of a key is.
func (s *states) bytes(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all[key].Data)
}
