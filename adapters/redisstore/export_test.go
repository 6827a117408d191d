package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
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

// EnqueueFirst stores a task in the first partition.
func EnqueueFirst(ctx context.Context, q *TaskQueue, task *domain.Task) error {
	_, err := q.parts[0].Enqueue(ctx, task)
	return err
}

// ClaimAt claims with the next enqueue of this process, or at the given time.
func ClaimAt(ctx context.Context, q *TaskQueue, req ports.ClaimRequest, at time.Time) ([]*domain.Task, error) {
	tasks, _, err := q.claim(ctx, req, claimTime{at: at})
	return tasks, err
}
