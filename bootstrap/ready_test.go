package bootstrap

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStoreIsAskedOnceForAllWhoAskWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, full := 0, errors.New("full")
		var answer error
		ready := recent(func(ctx context.Context) error {
			asked++
			<-time.After(100 * time.Millisecond)
			return errors.Join(answer, ctx.Err())
		})
		requireAll := func(want error) {
			var asking sync.WaitGroup
			for range 100 {
				asking.Go(func() {
					if err := ready(t.Context()); !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
				})
			}
			asking.Wait()
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_ = ready(gone) // who goes away leaves an answer to the others, or asks nothing
		requireAll(nil)
		require.Equal(t, 1, asked)
		answer = full
		<-time.After(time.Second)
		requireAll(full)
		require.Equal(t, 2, asked)
	})
}

func TestAStoreThatDoesNotAnswerIsToldSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ready := recent(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		began := time.Now()
		require.ErrorIs(t, ready(t.Context()), context.DeadlineExceeded)
		require.Less(t, time.Since(began), 2*time.Second, "before a request for it times out")
	})
}
