package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

// Client is a checked connection to one Redis: a server, a Sentinel group or a
// Cluster. It is safe for concurrent use; a TaskQueue and a LogRepository may
// share one.
type Client struct {
	rdb      redis.UniversalClient
	cfg      Config
	warnings []string
}

// Open connects to the Redis that the configuration names and checks that it
// can keep tasks: its version, its eviction policy, and that it takes writes, of
// every master of a Cluster; and that the queue was not begun with another number
// of partitions, which is a *domain.ValidationError. It fails soon after
// Config.CallTimeout if a server does not answer.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if cfg.Partitions < 1 || cfg.Partitions > MaxPartitions {
		return nil, &domain.ValidationError{Field: "partitions", Value: strconv.Itoa(cfg.Partitions), Rule: fmt.Sprintf("must be between 1 and %d", MaxPartitions)}
	}
	opts, err := readOptions(cfg.URL)
	if err != nil {
		return nil, err
	}
	opts.DialTimeout = cfg.IOTimeout
	opts.ReadTimeout = cfg.IOTimeout
	opts.WriteTimeout = cfg.IOTimeout
	opts.ContextTimeoutEnabled = true
	opts.ClientName = "logsift"
	quietOnce.Do(func() { redis.SetLogger(quiet{}) })
	c := &Client{rdb: redis.NewUniversalClient(opts), cfg: cfg}
	if c.warnings, err = c.check(ctx); err == nil {
		err = c.checkPartitions(ctx)
	}
	if err != nil {
		_ = c.rdb.Close()
		return nil, err
	}
	return c, nil
}

// quiet drops what go-redis would print to standard error by itself: all that it
// tells there is returned as errors too.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}

// quietOnce guards the logger, which go-redis has one of for the whole process.
var quietOnce sync.Once

// Close ends the connections. Calls under way fail.
func (c *Client) Close() error { return c.rdb.Close() }

// Warnings are what the check on opening found to be risky, such as a server
// that does not write to disk.
func (c *Client) Warnings() []string { return c.warnings }

// Ping asks the server, or every master of a Cluster, for a sign of life within
// Config.CallTimeout.
func (c *Client) Ping(ctx context.Context) error {
	return c.eachMaster(ctx, func(ctx context.Context, m *redis.Client) error { return m.Ping(ctx).Err() })
}

// bound gives a call its time limit.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.cfg.CallTimeout)
}

// offset is the first argument of every script: how far, in microseconds, a
// test has moved the store's clock; "0" in production.
func (c *Client) offset() string {
	if c.cfg.ClockOffset == nil {
		return "0"
	}
	return strconv.FormatInt(c.cfg.ClockOffset().Microseconds(), 10)
}

// run calls a script by its hash, or by its text where the server does not
// know it, within the time limit, and translates the error.
func (c *Client) run(ctx context.Context, s *script, keys []string, args ...any) (any, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	reply, err := s.redis.Run(ctx, c.rdb, keys, args...).Result()
	if err != nil {
		return nil, fmt.Errorf("redis script %s: %w", s.name, c.translate(ctx, err))
	}
	return reply, nil
}

// runSlice is run for scripts that reply with an array.
func (c *Client) runSlice(ctx context.Context, s *script, keys []string, args ...any) ([]any, error) {
	reply, err := c.run(ctx, s, keys, args...)
	if err != nil {
		return nil, err
	}
	out, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("redis script %s: reply is %T, not an array", s.name, reply)
	}
	return out, nil
}

// microTime turns microseconds since 1970 into a time, and 0 into the zero time;
// so too what only damage can be, and JSON could not show: a time before 1970 or
// after the year 9999.
func microTime(us int64) time.Time {
	const end = 253402300800000000
	if us <= 0 || us >= end {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// timeMicro is the inverse of microTime.
func timeMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
