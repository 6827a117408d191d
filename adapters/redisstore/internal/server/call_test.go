package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheContextOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		short, long := within(parent, time.Second), within(parent, time.Hour)
		at, ok := short.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Second, time.Until(at))
		at, _ = long.Deadline()
		require.Equal(t, time.Minute, time.Until(at), "a call ends with what it is of")

		require.NoError(t, short.Err())
		<-time.After(time.Second)
		require.ErrorIs(t, short.Err(), context.DeadlineExceeded)
		require.NoError(t, long.Err())
		cancel()
		<-long.Done()
		require.ErrorIs(t, long.Err(), context.Canceled)
	})
}
