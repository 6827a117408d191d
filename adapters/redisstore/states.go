package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

var (
	logsLoadStatesScript = loadScript("logs_load_states")
	logsSaveStateScript  = loadScript("logs_save_state")
)

// LoadStates implements ports.StateStore. States are read some at a time, so that
// no reply is much larger than the largest state.
func (r *LogRepository) LoadStates(ctx context.Context, keys ...string) ([]domain.State, error) {
	out, err := domain.EmptyStates(keys...)
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
func (r *LogRepository) loadStates(ctx context.Context, states []domain.State) (int, error) {
	keys := make([]string, len(states))
	for i := range states {
		keys[i] = r.keys.state(states[i].Key)
	}
	reply, err := r.client.runSlice(ctx, logsLoadStatesScript, keys, r.client.offset(), enoughBytes)
	if err != nil {
		return 0, err
	}
	n := len(reply) / 2
	if n < 1 || n > len(states) {
		return 0, fmt.Errorf("redis script logs_load_states: %d of %d states", n, len(states))
	}
	for i := range states[:n] {
		revision, ok := intAt(reply, 2*i)
		if !ok || revision < 0 {
			return 0, corruptState(states[i].Key)
		}
		if states[i].Revision = revision; revision > 0 {
			states[i].Data = []byte(textAt(reply, 2*i+1))
		}
	}
	return n, nil
}

// SaveState implements ports.StateStore. A call that go-redis repeats, since the
// reply was lost, saves once.
//
// A revision is the time of the save in microseconds, or one more than that before
// it. So a key that expired gets no revision twice unless the clock of Redis is set
// back to before its last save.
func (r *LogRepository) SaveState(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
	if err := state.ValidateSave(ttl); err != nil {
		return 0, fmt.Errorf("save state: %w", err)
	}
	micros := int64(0)
	if ttl > 0 {
		micros = int64(ttl-1)/1000 + 1 // rounded up
	}
	save := uuid.New()
	reply, err := r.client.run(ctx, logsSaveStateScript, []string{r.keys.state(state.Key)},
		r.client.offset(), state.Revision, save[8:], micros, state.Data)
	if err != nil {
		return 0, err
	}
	switch revision, ok := reply.(int64); {
	case !ok:
		return 0, fmt.Errorf("redis script logs_save_state: reply is %T, not a number", reply)
	case revision < 0:
		return 0, corruptState(state.Key)
	case revision == 0:
		return 0, fmt.Errorf("state %q: %w", state.Key, domain.ErrStateConflict)
	default:
		return revision, nil
	}
}

func corruptState(key string) error {
	return fmt.Errorf("state %q: %w: its record is damaged, or of another version", key, domain.ErrCorruptRecord)
}
