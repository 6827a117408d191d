package application_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// callWorld is a store whose clock a test moves, and the idempotent calls of a process.
type callWorld struct {
	ports.DocumentStore

	calls  *application.IdempotentCalls
	logs   *observer.ObservedLogs
	offset atomic.Int64
	// save, if set, stands before each save.
	save func(next func() (int64, error)) (int64, error)
	// swap, if set, changes what is saved.
	swap func(*domain.Document)
	down atomic.Bool
}

func newCallWorld() *callWorld {
	w := &callWorld{}
	w.DocumentStore = memstore.NewLogRepository(memstore.Config{Now: func() time.Time { return now.Add(time.Duration(w.offset.Load())) }})
	core, logs := observer.New(zap.WarnLevel)
	w.calls, w.logs = application.NewIdempotentCalls(w, zap.New(core)), logs
	return w
}

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func (w *callWorld) advance(d time.Duration) { w.offset.Add(int64(d)) }

func (w *callWorld) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	if w.down.Load() {
		return nil, domain.ErrStoreUnavailable
	}
	return w.DocumentStore.LoadDocuments(ctx, keys...)
}

func (w *callWorld) SaveDocument(ctx context.Context, s domain.Document, ttl time.Duration) (int64, error) {
	if w.down.Load() {
		return 0, domain.ErrStoreUnavailable
	}
	if w.swap != nil {
		w.swap(&s)
	}
	next := func() (int64, error) { return w.DocumentStore.SaveDocument(ctx, s, ttl) }
	if w.save != nil {
		return w.save(next)
	}
	return next()
}

// do does a call that answers with text, and tells whether it ran.
func (w *callWorld) do(t *testing.T, scope, key, request, text string) (answer string, ran bool, err error) {
	t.Helper()
	got, replayed, err := w.calls.Do(t.Context(), scope, key, []byte(request), func(context.Context) ([]byte, bool, error) {
		ran = true
		return []byte(text), true, nil
	})
	require.Equal(t, err == nil && !ran, replayed)
	return string(got), ran, err
}

// requireRun requires that the call ran; requireReplay that it got an earlier answer.
func (w *callWorld) requireRun(t *testing.T, text string) {
	t.Helper()
	got, ran, err := w.do(t, "scope", "key", "request", text)
	require.NoError(t, err)
	require.True(t, ran)
	require.Equal(t, text, got)
}

func (w *callWorld) requireReplay(t *testing.T, want string) {
	t.Helper()
	got, ran, err := w.do(t, "scope", "key", "request", "another")
	require.NoError(t, err)
	require.False(t, ran)
	require.Equal(t, want, got)
}

func TestAKeyedCallRunsOnce(t *testing.T) {
	t.Parallel()
	t.Run("a repeat gets the first answer, for a day", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		w.requireRun(t, "first")
		w.requireReplay(t, "first")
		w.advance(application.AnswerRetention - time.Second)
		w.requireReplay(t, "first")
		w.advance(time.Second)
		w.requireRun(t, "second")
	})
	t.Run("another process gets it too", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		w.requireRun(t, "first")
		w.calls = application.NewIdempotentCalls(w, zap.NewNop())
		w.requireReplay(t, "first")
	})
	t.Run("another request with the key is refused", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		w.requireRun(t, "first")
		_, ran, err := w.do(t, "scope", "key", "request 2", "")
		require.ErrorIs(t, err, domain.ErrKeyReused)
		require.False(t, ran)
	})
	t.Run("scopes and keys do not meet", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		for _, c := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {"a\x00", "bc"}, {"a", "\x00bc"}} {
			got, ran, err := w.do(t, c[0], c[1], "request", c[0]+"|"+c[1])
			require.NoError(t, err)
			require.True(t, ran)
			require.Equal(t, c[0]+"|"+c[1], got)
		}
	})
	t.Run("of many at the same time one runs", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		var runs, refused atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				answer, _, err := w.calls.Do(t.Context(), "scope", "key", nil, func(context.Context) ([]byte, bool, error) {
					runs.Add(1)
					return []byte("once"), true, nil
				})
				if errors.Is(err, domain.ErrKeyInUse) {
					refused.Add(1)
					return
				}
				require.NoError(t, err)
				require.Equal(t, "once", string(answer))
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, runs.Load())
		require.Less(t, refused.Load(), int64(50))
	})
	t.Run("an answer beyond the size of a state comes back whole", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		random := make([]byte, domain.MaxDocumentData+1) // random bytes do not compress
		rand.NewChaCha8([32]byte{}).Read(random)
		w.requireRun(t, string(random))
		w.requireReplay(t, string(random))
		require.Zero(t, w.logs.Len())
	})
}

func TestAKeyedCallWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	t.Run("holds its key while it runs", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		_, _, err := w.calls.Do(t.Context(), "scope", "key", []byte("request"), func(context.Context) ([]byte, bool, error) {
			_, ran, err := w.do(t, "scope", "key", "request", "") //nolint:contextcheck // it stands for another caller
			require.ErrorIs(t, err, domain.ErrKeyInUse)
			require.False(t, ran)
			_, _, err = w.do(t, "scope", "key", "other", "") //nolint:contextcheck // it stands for another caller
			require.ErrorIs(t, err, domain.ErrKeyReused)
			return nil, true, nil
		})
		require.NoError(t, err)
		w.requireReplay(t, "")
	})
	t.Run("frees it when the answer is not to be kept, or is an error, or a panic", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		got, replayed, err := w.calls.Do(t.Context(), "scope", "key", nil, func(context.Context) ([]byte, bool, error) { return []byte("busy"), false, nil })
		require.NoError(t, err)
		require.False(t, replayed)
		require.Equal(t, "busy", string(got))
		_, _, err = w.calls.Do(t.Context(), "scope", "key", nil, func(context.Context) ([]byte, bool, error) { return nil, true, domain.ErrQueueFull })
		require.Equal(t, domain.ErrQueueFull, err)
		require.Panics(t, func() {
			_, _, _ = w.calls.Do(t.Context(), "scope", "key", nil, func(context.Context) ([]byte, bool, error) { panic("boom") })
		})
		w.requireRun(t, "at last")
	})
	t.Run("frees it 15 seconds after its process died", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		got, _, err := w.calls.Do(t.Context(), "scope", "key", []byte("request"), func(context.Context) ([]byte, bool, error) {
			w.down.Store(true) // nothing that follows reaches the store
			return []byte("done"), true, nil
		})
		require.NoError(t, err, "the call was done, so its caller is told")
		require.Equal(t, "done", string(got))
		require.Equal(t, 1, w.logs.Len(), "and the operator")
		w.down.Store(false)
		w.advance(14 * time.Second)
		_, _, err = w.do(t, "scope", "key", "request", "")
		require.ErrorIs(t, err, domain.ErrKeyInUse)
		w.advance(time.Second)
		w.requireRun(t, "again")
	})
	inBubble(t, "holds it for as long as it goes on", func(t *testing.T) {
		// The stub's clock is moved beside the bubble's.
		w := newCallWorld()
		_, _, err := w.calls.Do(t.Context(), "scope", "key", []byte("request"), func(ctx context.Context) ([]byte, bool, error) {
			for range 40 {
				pass(time.Second)
				w.advance(time.Second)
				_, ran, err := w.do(t, "scope", "key", "request", "") //nolint:contextcheck // it stands for another caller
				require.ErrorIs(t, err, domain.ErrKeyInUse)
				require.False(t, ran)
			}
			return []byte("late"), true, ctx.Err()
		})
		require.NoError(t, err)
		w.requireReplay(t, "late")
	})
	inBubble(t, "ends when it cannot be held", func(t *testing.T) {
		w := newCallWorld()
		begun := time.Now()
		_, _, err := w.calls.Do(t.Context(), "scope", "key", []byte("request"), func(ctx context.Context) ([]byte, bool, error) {
			w.down.Store(true)
			<-ctx.Done()
			return nil, false, ctx.Err()
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, time.Since(begun), 15*time.Second, "before another may begin")
	})
	t.Run("leaves a later call's answer alone", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		_, _, err := w.calls.Do(t.Context(), "scope", "key", []byte("request"), func(context.Context) ([]byte, bool, error) {
			w.advance(time.Hour)     // as if the process had been stopped meanwhile
			w.requireRun(t, "later") //nolint:contextcheck // it stands for another caller
			return []byte("late"), true, nil
		})
		require.NoError(t, err)
		w.requireReplay(t, "later")
	})
	t.Run("goes on when its caller goes away, but not for ever", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		ctx, cancel := context.WithCancel(t.Context())
		_, _, err := w.calls.Do(ctx, "scope", "key", []byte("request"), func(ctx context.Context) ([]byte, bool, error) {
			cancel()
			require.NoError(t, ctx.Err())
			deadline, bounded := ctx.Deadline()
			require.True(t, bounded)
			require.LessOrEqual(t, time.Until(deadline), 50*time.Second)
			return []byte("done"), true, nil
		})
		require.NoError(t, err)
		w.requireReplay(t, "done")
		_, _, err = w.calls.Do(ctx, "scope", "key 2", nil, nil)
		require.ErrorIs(t, err, context.Canceled, "a call that did not begin does not begin")
	})
}

func TestAKeyedCallAndAStoreThatFails(t *testing.T) {
	t.Parallel()
	t.Run("an answer that unpacks to more than any answer is damaged", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		var bomb bytes.Buffer
		z := gzip.NewWriter(&bomb)
		_, err := z.Write(make([]byte, 65<<20))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		w.swap = func(s *domain.Document) {
			if head, rest, _ := bytes.Cut(s.Data, []byte("\n")); len(rest) > 0 {
				s.Data = slices.Concat(head, []byte("\n"), bomb.Bytes())
			}
		}
		w.requireRun(t, "first")
		_, _, err = w.do(t, "scope", "key", "request", "")
		require.ErrorIs(t, err, domain.ErrCorruptRecord)
		require.ErrorContains(t, err, "more than 67108864 bytes")
	})
	t.Run("nothing is done without a reservation", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		w.down.Store(true)
		_, ran, err := w.do(t, "scope", "key", "request", "")
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.False(t, ran)
	})
	t.Run("a reservation whose reply was lost is known again", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		w.save = func(next func() (int64, error)) (int64, error) {
			w.save = nil
			_, err := next()
			require.NoError(t, err)
			return 0, domain.ErrDocumentConflict // the adapter's own repeat finds its save
		}
		w.requireRun(t, "first")
		w.requireReplay(t, "first")
	})
	t.Run("a key that is always taken by others is in use", func(t *testing.T) {
		t.Parallel()
		w := newCallWorld()
		w.save = func(func() (int64, error)) (int64, error) { return 0, domain.ErrDocumentConflict }
		_, ran, err := w.do(t, "scope", "key", "request", "")
		require.ErrorIs(t, err, domain.ErrKeyInUse)
		require.False(t, ran)
	})
}
