package server

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/layout"
)

func TestACallEndsInTimeWhenItsDialHangs(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	t.Cleanup(func() { _ = rdb.Close() })
	c := &Client{Redis: rdb, Config: Config{CallTimeout: 50 * time.Millisecond}}
	began := time.Now()
	_, err := c.Run(t.Context(), layout.LoadScript("queue/ready"), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 2*time.Second)
}
