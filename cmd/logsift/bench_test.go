package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/redistest"
)

// bench runs this test binary as logsift bench.
func bench(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"bench"}, args...)...)
	cmd.Args[0] = "logsift"
	return cmd
}

func TestBenchOnRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	require.NoError(t, rdb.Set(t.Context(), "precious", "data", 0).Err())
	args := []string{"--store", server.URL(), "--work", "w3", "-n", "2000", "-c", "10"}

	refused := bench(t, args...)
	out, err := refused.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 2, refused.ProcessState.ExitCode(), string(out))
	require.Contains(t, string(out), "store must be empty")
	require.Equal(t, "data", rdb.Get(t.Context(), "precious").Val(), "without --yes nothing is removed")

	out, err = bench(t, append(args, "--yes")...).Output()
	require.NoError(t, err)
	var figures map[string]any
	require.NoError(t, json.Unmarshal(out, &figures))
	for _, name := range []string{"rate", "server_us", "client_us", "bytes_queued", "bytes_done"} {
		require.Greater(t, figures[name], 0.0, name)
	}
	require.ErrorIs(t, rdb.Get(t.Context(), "precious").Err(), redis.Nil, "with --yes the whole database is emptied")
}
