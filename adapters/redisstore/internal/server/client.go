package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

// Client is a checked connection to one Redis: a server, a Sentinel group or a
// Cluster. It is safe for concurrent use.
type Client struct {
	// Redis has the connections of all calls but those of the next two.
	Redis redis.UniversalClient
	// leases has the connections of heartbeats and reports, for which no claim and no
	// reader waits: a worker that gets none loses what it runs.
	leases redis.UniversalClient
	// Probes has the connections of TaskQueue.Ready, for which nothing else waits.
	Probes redis.UniversalClient
	// shared has the calls of many callers travel together.
	shared *redis.AutoPipeliner
	// conns are the connections of all of them.
	conns conns
	// Config has a value for each setting.
	Config   Config
	warnings []string
}

// Open connects to the Redis that the configuration names and checks it; see redisstore.Open.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if cfg.Partitions < 1 || cfg.Partitions > layout.MaxPartitions {
		return nil, &domain.ValidationError{Field: "partitions", Value: strconv.Itoa(cfg.Partitions), Rule: fmt.Sprintf("must be between 1 and %d", layout.MaxPartitions)}
	}
	opts, err := readOptions(cfg.URL)
	if err != nil {
		return nil, err
	}
	opts.DialTimeout = cfg.IOTimeout
	// Calls are bounded by their contexts, and by the steps of a conn; this is for what
	// go-redis asks by itself.
	opts.ReadTimeout = cfg.CallTimeout + ports.TransferTime(ports.MaxCallBytes+domain.MaxResult)
	opts.WriteTimeout = opts.ReadTimeout
	c := &Client{Config: cfg}
	opts.Dialer = c.conns.dialer(cfg.IOTimeout, opts.TLSConfig)
	opts.PoolTimeout = cfg.IOTimeout
	opts.ContextTimeoutEnabled = true
	opts.ClientName = "logsift"
	quietOnce.Do(func() { redis.SetLogger(quiet{}) })
	c.Redis, c.leases, c.Probes = connect(opts, 0), connect(opts, leaseConns), connect(opts, probeConns)
	if c.shared, err = autoPipeline(c.Redis); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("open redis: %w", err)
	}
	if c.warnings, err = c.check(ctx); err == nil {
		err = c.checkQueue(ctx)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// slotsAge is how old what a process knows of a Cluster's slots may become. Nobody tells it
// when a replica takes the place of a master that died: the others answer no MOVED for
// slots that they do not have, and go-redis by itself asks once a minute.
const slotsAge = time.Second

const (
	// probeConns is how many connections to a server TaskQueue.Ready may have.
	probeConns = 2
	// leaseConns is how many heartbeats and reports may have: some for each scheduler of
	// a process, of which one is enough, and for the partitions of a call.
	leaseConns = 8
)

// connect returns a client for the options, with as many connections to a server at
// most, or as many as the options say if that is 0.
func connect(opts *redis.UniversalOptions, conns int) redis.UniversalClient {
	own := *opts
	if conns > 0 {
		own.PoolSize = conns
	}
	if !own.IsClusterMode {
		return redis.NewUniversalClient(&own)
	}
	cluster := own.Cluster()
	cluster.ClusterStateReloadInterval = slotsAge
	// Any node is asked for the slots; one that is away must not hold that up for long.
	cluster.DialerRetries = 1
	return redis.NewClusterClient(cluster)
}

// autoPipeline returns what has calls to a client travel together. It ends with the
// client.
func autoPipeline(rdb redis.UniversalClient) (*redis.AutoPipeliner, error) {
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		return cluster.AutoPipeline()
	}
	return rdb.(*redis.Client).AutoPipeline()
}

// quiet drops what go-redis would print to standard error by itself: all that it
// tells there is returned as errors too.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}

// quietOnce guards the logger, which go-redis has one of for the whole process.
var quietOnce sync.Once

// Close ends the connections. Calls under way fail.
func (c *Client) Close() error {
	c.conns.close()
	// That connections are closed twice says nothing.
	_ = errors.Join(c.Redis.Close(), c.leases.Close(), c.Probes.Close())
	return nil
}

// Warnings are what the check on opening found to be risky, such as a server
// that does not write to disk.
func (c *Client) Warnings() []string { return c.warnings }

// Bound gives a call its time limit.
func (c *Client) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.Config.CallTimeout)
}

// LimitFor is the time limit of a call that moves so many bytes.
func (c *Client) LimitFor(bytes int) time.Duration {
	return c.Config.CallTimeout + ports.TransferTime(bytes)
}

// Offset is the first argument of every script: how far, in microseconds, a
// test has moved the store's clock; "0" in production.
func (c *Client) Offset() string {
	if c.Config.ClockOffset == nil {
		return "0"
	}
	return strconv.FormatInt(c.Config.ClockOffset().Microseconds(), 10)
}

// Run calls a script by its hash, or by its text where the server does not
// know it, within the time limit, and translates the error.
func (c *Client) Run(ctx context.Context, s *layout.Script, keys []string, args ...any) (any, error) {
	return c.RunWithin(ctx, c.Config.CallTimeout, s, keys, args...)
}

// RunWithin is run with a time limit of its own.
func (c *Client) RunWithin(ctx context.Context, limit time.Duration, s *layout.Script, keys []string, args ...any) (any, error) {
	// A dial that hangs, too, is waited for until the end of the context alone.
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	rdb := c.Redis
	if s.Leases {
		rdb = c.leases
	}
	reply, err := s.Run(ctx, rdb, keys, args...).Result()
	if err != nil {
		return nil, fmt.Errorf("redis script %s: %w", s.Name, c.Translate(ctx, err))
	}
	return reply, nil
}

// RunShared is run for scripts that many callers call at the same time: their calls
// travel together, so that they take neither a connection nor a round trip each. The
// arguments must not change afterwards, also if ctx ends the wait.
func (c *Client) RunShared(ctx context.Context, s *layout.Script, keys []string, args ...any) (any, error) {
	ctx, cancel := c.Bound(ctx)
	defer cancel()
	var reply any
	err := ctx.Err()
	if err == nil {
		done := make(chan *redis.Cmd, 1)
		// What travels together does not end with the context of one caller.
		go func() { done <- s.Run(context.WithoutCancel(ctx), c.shared, keys, args...) }()
		select {
		case cmd := <-done:
			reply, err = cmd.Result()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("redis script %s: %w", s.Name, c.Translate(ctx, err))
	}
	return reply, nil
}

// RunSlice is run for scripts that reply with an array.
func (c *Client) RunSlice(ctx context.Context, s *layout.Script, keys []string, args ...any) ([]any, error) {
	return c.RunSliceWithin(ctx, c.Config.CallTimeout, s, keys, args...)
}

// RunSliceWithin is runSlice with a time limit of its own.
func (c *Client) RunSliceWithin(ctx context.Context, limit time.Duration, s *layout.Script, keys []string, args ...any) ([]any, error) {
	return Array(c.RunWithin(ctx, limit, s, keys, args...))
}

// Array is the reply of a script that replies with an array.
func Array(reply any, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	out, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("redis script: reply is %T, not an array", reply)
	}
	return out, nil
}

// EachMaster calls f with the server, or with every master of a Cluster, one at a
// time, within the time limit of a call.
func (c *Client) EachMaster(ctx context.Context, f func(context.Context, *redis.Client) error) error {
	ctx, cancel := c.Bound(ctx)
	defer cancel()
	var err error
	switch rdb := c.Redis.(type) {
	case *redis.Client:
		err = f(ctx, rdb)
	case *redis.ClusterClient:
		var mu sync.Mutex // ForEachMaster calls at the same time
		err = rdb.ForEachMaster(ctx, func(ctx context.Context, m *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			return f(ctx, m)
		})
	default:
		return fmt.Errorf("%w: no access to the servers of a %T", domain.ErrStoreUnavailable, rdb)
	}
	if err != nil {
		return c.Translate(ctx, err)
	}
	return nil
}
