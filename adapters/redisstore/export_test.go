package redisstore

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// Hook lets tests see and delay the commands of a client.
func Hook(c *Client, h redis.Hook) { c.server.Redis.AddHook(h) }

// HoldConnection takes a connection of the client out of its pool, until it is released.
func HoldConnection(t *testing.T, c *Client) (release func()) {
	t.Helper()
	conn := c.server.Redis.(*redis.Client).Conn()
	require.NoError(t, conn.Ping(t.Context()).Err())
	return func() { require.NoError(t, conn.Close()) }
}
