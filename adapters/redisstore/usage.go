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

// flushPoll is how often Clear looks whether the server has freed its memory.
const flushPoll = 10 * time.Millisecond

// ServerCPU is the processor time, of user and system, that the server has used
// since it started, by its own account; of a Cluster, that of all its masters.
func (c *Client) ServerCPU(ctx context.Context) (time.Duration, error) {
	sec, err := c.sumInfo(ctx, "cpu", "used_cpu_user", "used_cpu_sys")
	return time.Duration(sec * float64(time.Second)), err
}

// Bytes is the memory that the server has allocated, whatever uses it.
func (c *Client) Bytes(ctx context.Context) (int64, error) {
	n, err := c.sumInfo(ctx, "memory", "used_memory")
	return int64(n), err
}

// IsEmpty reports whether the database of the URL has no key, of whatever
// namespace or program.
func (c *Client) IsEmpty(ctx context.Context) (bool, error) {
	var keys int64
	err := c.eachMaster(ctx, func(ctx context.Context, m *redis.Client) error {
		n, err := m.DBSize(ctx).Result()
		keys += n
		return err
	})
	return keys == 0, err
}

// Clear removes every key of the database of the URL, of whatever namespace or
// program, and returns when the server has freed their memory.
func (c *Client) Clear(ctx context.Context) error {
	// The server frees the memory beside its work, so that it answers meanwhile
	// however much there is.
	err := c.eachMaster(ctx, func(ctx context.Context, m *redis.Client) error { return m.FlushDBAsync(ctx).Err() })
	if err != nil {
		return err
	}
	tick := time.NewTicker(flushPoll)
	defer tick.Stop()
	for {
		pending, err := c.sumInfo(ctx, "memory", "lazyfree_pending_objects")
		if err != nil || pending == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sumInfo adds up numbers of one section of INFO, over all masters.
func (c *Client) sumInfo(ctx context.Context, section string, names ...string) (float64, error) {
	var sum float64
	err := c.eachMaster(ctx, func(ctx context.Context, m *redis.Client) error {
		text, err := m.Info(ctx, section).Result()
		if err != nil {
			return err
		}
		info := parseInfo(text)
		for _, name := range names {
			v, err := strconv.ParseFloat(info[name], 64)
			if err != nil {
				return fmt.Errorf("INFO %s: %s: %w", section, name, err)
			}
			sum += v
		}
		return nil
	})
	return sum, err
}

// eachMaster calls f with the server, or with every master of a Cluster, one at a
// time, within the time limit of a call.
func (c *Client) eachMaster(ctx context.Context, f func(context.Context, *redis.Client) error) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var err error
	switch rdb := c.rdb.(type) {
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
		return c.translate(ctx, err)
	}
	return nil
}
