package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var (
	logsLoadStatesScript = layout.LoadScript("logs/load_states")
	logsSaveStateScript  = layout.LoadScript("logs/save_state")
)

// LoadDocuments reads some documents at a time, so that no reply is much larger than the largest state.
func (r *LogRepository) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	out, err := domain.EmptyDocuments(keys...)
	if err != nil {
		return nil, fmt.Errorf("load states: %w", err)
	}
	for rest := out; len(rest) > 0; {
		n, err := r.loadStates(ctx, rest[:min(len(rest), logStep)])
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return out, nil
}

// loadStates fills in the first of the states and returns how many.
func (r *LogRepository) loadStates(ctx context.Context, states []domain.Document) (int, error) {
	keys := make([]string, len(states))
	for i := range states {
		keys[i] = r.keys.State(states[i].Key)
	}
	answer, err := r.client.RunShared(ctx, logsLoadStatesScript, keys, r.client.Offset(), enoughBytes)
	if err != nil {
		return 0, err
	}
	reply, _ := answer.([]any)
	n := len(reply) / 2
	if n < 1 || n > len(states) {
		return 0, fmt.Errorf("redis script %s: %d of %d states", logsLoadStatesScript.Name, n, len(states))
	}
	for i := range states[:n] {
		revision, ok := layout.IntAt(reply, 2*i)
		if !ok || revision < 0 {
			return 0, corruptState(states[i].Key)
		}
		if states[i].Revision = revision; revision > 0 {
			states[i].Data = []byte(layout.TextAt(reply, 2*i+1))
		}
	}
	return n, nil
}

// SaveDocument saves once also if go-redis repeats the call, since the reply was lost.
//
// A revision is the time of the save in microseconds, or one more than that before
// it. So a key that expired gets no revision twice unless the clock of Redis is set
// back to before its last save.
func (r *LogRepository) SaveDocument(ctx context.Context, state domain.Document, ttl time.Duration) (int64, error) {
	if err := state.ValidateSave(ttl); err != nil {
		return 0, fmt.Errorf("save state: %w", err)
	}
	micros := int64(0)
	if ttl > 0 {
		micros = int64(ttl-1)/1000 + 1 // rounded up
	}
	save := uuid.New()
	reply, err := r.client.RunShared(ctx, logsSaveStateScript, []string{r.keys.State(state.Key)},
		r.client.Offset(), state.Revision, save[8:], micros, bytes.Clone(state.Data))
	if err != nil {
		return 0, err
	}
	switch revision, ok := reply.(int64); {
	case !ok:
		return 0, fmt.Errorf("redis script %s: reply is %T, not a number", logsSaveStateScript.Name, reply)
	case revision < 0:
		return 0, corruptState(state.Key)
	case revision == 0:
		return 0, fmt.Errorf("state %q: %w", state.Key, domain.ErrDocumentConflict)
	default:
		return revision, nil
	}
}

func corruptState(key string) error {
	return fmt.Errorf("state %q: %w: its record is damaged, or of another version", key, domain.ErrCorruptRecord)
}
