// Package redisbench is a Redis as a benchmark needs it: a whole database that is
// measured, and emptied. Nothing else may use it.
package redisbench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/server"
)

// flushPoll is how often Clear looks whether the server has freed its memory.
const flushPoll = 10 * time.Millisecond

// Store is a database of a Redis.
type Store struct{ server *server.Client }

// Open connects to the database.
func Open(ctx context.Context, cfg server.Config) (*Store, error) {
	c, err := server.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Store{c}, nil
}

// Close ends the connections.
func (s *Store) Close() error { return s.server.Close() }

// Warnings are what makes figures of this Redis hard to compare, such as that it does
// not write to disk.
func (s *Store) Warnings() []string { return s.server.Warnings() }

// ServerCPU is the processor time, of user and system, that the server has used
// since it started, by its own account; of a Cluster, that of all its masters.
func (s *Store) ServerCPU(ctx context.Context) (time.Duration, error) {
	sec, err := s.sumInfo(ctx, "cpu", "used_cpu_user", "used_cpu_sys")
	return time.Duration(sec * float64(time.Second)), err
}

// Bytes is the memory that the server has allocated, whatever uses it.
func (s *Store) Bytes(ctx context.Context) (int64, error) {
	n, err := s.sumInfo(ctx, "memory", "used_memory")
	return int64(n), err
}

// IsEmpty reports whether the database of the URL has no key, of whatever
// namespace or program.
func (s *Store) IsEmpty(ctx context.Context) (bool, error) {
	var keys int64
	err := s.server.EachMaster(ctx, func(ctx context.Context, m *redis.Client) error {
		n, err := m.DBSize(ctx).Result()
		keys += n
		return err
	})
	return keys == 0, err
}

// Clear removes every key of the database of the URL, of whatever namespace or
// program, and returns when the server has freed their memory.
func (s *Store) Clear(ctx context.Context) error {
	// The server frees the memory beside its work, so that it answers meanwhile
	// however much there is.
	err := s.server.EachMaster(ctx, func(ctx context.Context, m *redis.Client) error { return m.FlushDBAsync(ctx).Err() })
	if err != nil {
		return err
	}
	tick := time.NewTicker(flushPoll)
	defer tick.Stop()
	for {
		pending, err := s.sumInfo(ctx, "memory", "lazyfree_pending_objects")
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
func (s *Store) sumInfo(ctx context.Context, section string, names ...string) (float64, error) {
	var sum float64
	err := s.server.EachMaster(ctx, func(ctx context.Context, m *redis.Client) error {
		text, err := m.Info(ctx, section).Result()
		if err != nil {
			return err
		}
		info := server.ParseInfo(text)
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
