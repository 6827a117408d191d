package redisbench_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redisbench"
	"logsift/adapters/redisstore/redistest"
)

func TestADatabaseIsMeasuredAndEmptied(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store, err := redisbench.Open(t.Context(), redisstore.Config{URL: server.URL()})
	require.NoError(t, err)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	other := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: 1})
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, rdb.Close())
		require.NoError(t, other.Close())
	})

	empty, err := store.IsEmpty(t.Context())
	require.NoError(t, err)
	require.True(t, empty)
	before, err := store.Bytes(t.Context())
	require.NoError(t, err)

	require.NoError(t, other.Set(t.Context(), "kept", "yes", 0).Err())
	pipe := rdb.Pipeline()
	for i := range 10_000 {
		pipe.HSet(t.Context(), "hash", strconv.Itoa(i), strings.Repeat("x", 1000))
	}
	_, err = pipe.Exec(t.Context())
	require.NoError(t, err)
	empty, err = store.IsEmpty(t.Context())
	require.NoError(t, err)
	require.False(t, empty, "whoever's the keys are")
	full, err := store.Bytes(t.Context())
	require.NoError(t, err)
	require.Greater(t, full-before, int64(10_000_000))
	cpu, err := store.ServerCPU(t.Context())
	require.NoError(t, err)
	require.Positive(t, cpu)

	require.NoError(t, store.Clear(t.Context()))
	empty, err = store.IsEmpty(t.Context())
	require.NoError(t, err)
	require.True(t, empty)
	after, err := store.Bytes(t.Context())
	require.NoError(t, err)
	require.Less(t, after-before, int64(1_000_000), "the memory is free when Clear returns")
	require.Equal(t, "yes", other.Get(t.Context(), "kept").Val(), "another database is left alone")
}
