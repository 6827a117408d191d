package portstest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// stateSabotages are the sabotages of ports.StateStore.
var stateSabotages = map[string]logSabotage{
	"data end at their last byte that is not NUL": {
		"States/gives_back_what_was_saved", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				state.Data = bytes.TrimRight(state.Data, "\x00")
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"data are cut": {
		"States/keeps_the_largest_states", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				state.Data = state.Data[:min(len(state.Data), domain.MaxStateData-1)]
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"a key that has nothing has a revision": {
		"States/gives_nothing_for_a_key_that_has_nothing", func(r *brokenLogs) {
			r.load = func(ctx context.Context, keys ...string) ([]domain.State, error) {
				states, err := r.LogRepository.LoadStates(ctx, keys...)
				for i := range states {
					states[i].Revision = max(states[i].Revision, 1)
				}
				return states, err
			}
		},
	},
	"states come in the order of their keys": {
		"States/loads_many_keys_in_their_order,_each_as_often_as_it_is_named", func(r *brokenLogs) {
			r.load = func(ctx context.Context, keys ...string) ([]domain.State, error) {
				return r.LogRepository.LoadStates(ctx, slices.Sorted(slices.Values(keys))...)
			}
		},
	},
	"saving the same again is no save": {
		"States/gives_each_save_a_higher_revision", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				if got, err := r.LogRepository.LoadStates(ctx, state.Key); err != nil || bytes.Equal(got[0].Data, state.Data) {
					return state.Revision, err
				}
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"the newest save wins": {
		"States/changes_nothing_if_the_revision_is_another", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				next, err := r.LogRepository.SaveState(ctx, state, ttl)
				for errors.Is(err, domain.ErrStateConflict) {
					got, loadErr := r.LogRepository.LoadStates(ctx, state.Key)
					if loadErr != nil {
						return 0, loadErr
					}
					state.Revision = got[0].Revision
					next, err = r.LogRepository.SaveState(ctx, state, ttl)
				}
				return next, err
			}
		},
	},
	"states stay for ever": {
		"States/forgets_a_state_when_its_time_is_over", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, _ time.Duration) (int64, error) {
				return r.LogRepository.SaveState(ctx, state, 0)
			}
		},
	},
	"a time to live stays until another is named": {
		"States/counts_the_time_to_live_from_the_last_save", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				if state.Revision > 0 && ttl == 0 {
					ttl = time.Minute
				}
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"revisions are counted from 1 again": {
		"States/starts_again_after_a_state_expired,_and_never_with_a_revision_that_was_there", countRevisions,
	},
	"who comes too late is told to have saved": {
		"States/lets_one_of_those_win_that_save_at_the_same_time", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				next, err := r.LogRepository.SaveState(ctx, state, ttl)
				if errors.Is(err, domain.ErrStateConflict) {
					return state.Revision + 1, nil
				}
				return next, err
			}
		},
	},
	"every tenth save is lost": {
		"States/adds_up_what_many_add_at_the_same_time", func(r *brokenLogs) {
			var saves atomic.Int64
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				if saves.Add(1)%10 == 0 {
					return state.Revision + 1, nil
				}
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"spaces around a key do not count": {
		"States/takes_keys_of_any_bytes", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				if state.Key != " " {
					state.Key = strings.Trim(state.Key, " ")
				}
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"long keys are cut": {
		"States/refuses_what_breaks_a_limit,_by_the_name_of_the_field", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				state.Key = state.Key[:min(len(state.Key), domain.MaxStateKey)]
				return r.LogRepository.SaveState(ctx, state, ttl)
			}
		},
	},
	"a state goes with a batch": {
		"States/keeps_states_apart_from_logs_and_analyses", func(r *brokenLogs) {
			var gone atomic.Bool
			r.remove = func(ctx context.Context, batches ...domain.BatchID) error {
				gone.Store(true)
				return r.LogRepository.DeleteBatches(ctx, batches...)
			}
			r.load = func(ctx context.Context, keys ...string) ([]domain.State, error) {
				if gone.Load() {
					return []domain.State{{Key: keys[0]}}, nil
				}
				return r.LogRepository.LoadStates(ctx, keys...)
			}
		},
	},
	"one copy of the data serves all": {
		"States/shares_no_memory_of_states_with_its_callers", func(r *brokenLogs) {
			r.load = func(ctx context.Context, keys ...string) ([]domain.State, error) {
				states, err := r.LogRepository.LoadStates(ctx, keys...)
				for i := range states {
					states[i].Data = states[0].Data
				}
				return states, err
			}
		},
	},
	"contexts of states are not looked at": {
		"States/ends_a_call_for_states_whose_context_has_ended", func(r *brokenLogs) {
			r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
				return r.LogRepository.SaveState(context.WithoutCancel(ctx), state, ttl)
			}
		},
	},
	"each process has states of its own": {
		"States/shows_the_same_states_to_another_process,_and_keeps_them_over_a_restart", func(r *brokenLogs) {
			r.reopen = func() ports.LogRepository { return memstore.NewLogRepository(memstore.Config{}) }
		},
	},
}

// countRevisions has each key count its saves, and begin anew when it has nothing.
func countRevisions(r *brokenLogs) {
	var mu sync.Mutex // guards both maps
	counted, stored := map[string]int64{}, map[string]int64{}
	r.state = func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
		mu.Lock()
		defer mu.Unlock()
		count := state.Revision
		if count > 0 && count == counted[state.Key] {
			state.Revision = stored[state.Key]
		}
		next, err := r.LogRepository.SaveState(ctx, state, ttl)
		if err != nil {
			return 0, err
		}
		counted[state.Key], stored[state.Key] = count+1, next
		return count + 1, nil
	}
}
