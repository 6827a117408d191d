package redisstore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowServer takes a millisecond for each batch.
type slowServer struct {
	mu           sync.Mutex // guards the fields below
	sent         [][]*enqueueCall
	atOnce, most int
}

func (s *slowServer) send(_ context.Context, calls []*enqueueCall) {
	s.mu.Lock()
	s.sent = append(s.sent, calls)
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	s.mu.Unlock()
	<-time.After(time.Millisecond)
	for _, c := range calls {
		c.reply = []any{c.epoch}
	}
	s.mu.Lock()
	s.atOnce--
	s.mu.Unlock()
}

// callers has so many callers make so many calls each, one after another.
func callers(t *testing.T, b *enqueueBatcher, s *slowServer, count, each int) {
	t.Helper()
	var all sync.WaitGroup
	for range count {
		all.Go(func() {
			for range each {
				_, err := b.do(t.Context(), oneTask("g"), s.send)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.running.Wait()
	require.Equal(t, load{}, b.sent, "nothing is under way")
	require.Empty(t, b.waiting)
}

func oneTask(epoch string) *enqueueCall {
	return &enqueueCall{epoch: epoch, tasks: []any{"id", "record"}}
}

func TestEnqueuesTravelTogether(t *testing.T) {
	t.Parallel()
	t.Run("few callers are sent one by one, at the same time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &slowServer{}
			callers(t, &enqueueBatcher{}, s, maxSingle, 20)
			require.Len(t, s.sent, 20*maxSingle)
			require.Equal(t, maxSingle, s.most)
		})
	})

	t.Run("many callers are sent in two halves", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &slowServer{}
			callers(t, &enqueueBatcher{}, s, 16, 100)
			require.Less(t, len(s.sent), 16*100/8*3/2, "of about eight calls each")
			require.GreaterOrEqual(t, s.most, maxInFlight)
			total := 0
			for _, calls := range s.sent {
				total += len(calls)
			}
			require.Equal(t, 1600, total)
		})
	})

	t.Run("a call that waits has its turn while others come and go", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, s := &enqueueBatcher{}, &slowServer{}
			var stopped atomic.Bool
			var others sync.WaitGroup
			for i := range maxSingle - 1 {
				others.Go(func() {
					// They are never in flight all at once.
					<-time.After(time.Duration(i) * 200 * time.Microsecond)
					for !stopped.Load() {
						if _, err := b.do(t.Context(), oneTask("g"), s.send); err != nil {
							t.Error(err)
						}
					}
				})
			}
			<-time.After(10*time.Millisecond + 500*time.Microsecond)
			others.Go(func() { _, _ = b.do(t.Context(), oneTask("g"), s.send) })
			<-time.After(990 * time.Microsecond)
			begun := time.Now()
			patience, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := b.do(patience, oneTask("g"), s.send)
			stopped.Store(true)
			require.NoError(t, err)
			require.LessOrEqual(t, time.Since(begun), 3*time.Millisecond)
			others.Wait()
			b.running.Wait()
		})
	})

	t.Run("epochs do not mix", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, s := &enqueueBatcher{}, &slowServer{}
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					want := string(rune('a' + i%3))
					reply, err := b.do(t.Context(), oneTask(want), s.send)
					if err != nil || reply[0] != want {
						t.Errorf("%v, %v", reply, err)
					}
				})
			}
			all.Wait()
			b.running.Wait()
			for _, calls := range s.sent {
				for _, c := range calls {
					require.Equal(t, calls[0].epoch, c.epoch)
				}
			}
		})
	})

	t.Run("a caller that goes gets no answer, and harms nobody", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, s := &enqueueBatcher{}, &slowServer{}
			var others sync.WaitGroup
			for range maxSingle {
				others.Go(func() { _, _ = b.do(t.Context(), oneTask("g"), s.send) })
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Microsecond)
			defer cancel()
			begun := time.Now()
			_, err := b.do(ctx, oneTask("g"), s.send)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 500*time.Microsecond, time.Since(begun))
			others.Wait()
			b.running.Wait()
			require.Len(t, s.sent, maxSingle+1, "its task was stored all the same")
		})
	})
}
