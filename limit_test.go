package logsift_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift"
)

func TestALimitHoldsForTheHandlersOfAProgram(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		q := logsift.New(store, logsift.Options{Workers: 8})
		limit := logsift.Limit{Name: "mails", Scope: logsift.LimitType, Type: "mail", Concurrency: 2}
		for range 2 {
			require.NoError(t, q.SetLimit(t.Context(), limit), "a repeat changes nothing")
		}
		other := limit
		other.Name = "other"
		require.ErrorIs(t, q.SetLimit(t.Context(), other), logsift.ErrLimitExists)
		var mu sync.Mutex
		running, most, two := 0, 0, make(chan struct{})
		mail := logsift.Handle(q, "mail", func(context.Context, int) (int, error) {
			mu.Lock()
			running++
			if running == 2 && most < 2 {
				close(two)
			}
			most = max(most, running)
			mu.Unlock()
			<-two
			mu.Lock()
			defer mu.Unlock()
			running--
			return 0, nil
		})
		require.NoError(t, q.Start(t.Context()))
		tasks, err := mail.EnqueueMany(t.Context(), make([]int, 10))
		require.NoError(t, err)
		for _, task := range tasks {
			_, err := task.Wait(t.Context())
			require.NoError(t, err)
		}
		require.NoError(t, q.Stop(t.Context()))
		require.Equal(t, 2, most)
		require.NoError(t, q.Limits().DeleteLimit(t.Context(), "mails"))
		require.ErrorIs(t, q.Limits().DeleteLimit(t.Context(), "mails"), logsift.ErrLimitNotFound)
	})
}
