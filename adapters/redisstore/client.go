package redisstore

import (
	"context"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/adapters/redisstore/verify"
)

// Config says which Redis to use and how. Only URL is needed.
type Config = server.Config

// MaxPartitions is the most partitions that a queue can have.
const MaxPartitions = layout.MaxPartitions

// DefaultNamespace and DefaultCallTimeout are those of a Config.
const (
	DefaultNamespace   = server.DefaultNamespace
	DefaultCallTimeout = server.DefaultCallTimeout
)

// ValidateURL checks the form of a Redis URL without connecting. The error
// names what is wrong and never shows a password.
func ValidateURL(raw string) error { return server.ValidateURL(raw) }

// Client is a checked connection to one Redis: a server, a Sentinel group or a
// Cluster. Its methods are those of the ports that it keeps: tasks, schedules, logs, and who works
// on them. It is safe for concurrent use.
type Client struct {
	*TaskQueue
	*LogRepository
	*SchedulerRegistry
	*ScheduleStore

	server *server.Client
}

// Open connects to the Redis that the configuration names and checks that it
// can keep tasks: its version, its eviction policy, and that it takes writes, of
// every master of a Cluster; and that the queue was not begun with another number
// of partitions, which is a *domain.ValidationError, nor by a later version of the
// program, which is domain.ErrStoreUnavailable. It fails soon after
// Config.CallTimeout if a server does not answer.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	s, err := server.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Client{newTaskQueue(s), newLogRepository(s), newSchedulerRegistry(s), newScheduleStore(s), s}, nil
}

// Close closes the queue, as [TaskQueue.Close] says, and ends the connections. Other
// calls under way fail.
func (c *Client) Close() error {
	c.TaskQueue.Close()
	return c.server.Close()
}

// Warnings are what the check on opening found to be risky, such as a server
// that does not write to disk.
func (c *Client) Warnings() []string { return c.server.Warnings() }

// NewVerifier returns the verifier of the client's namespace.
func NewVerifier(c *Client) *verify.Verifier { return verify.New(c.server) }
