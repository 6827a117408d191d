package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

// minVersion is the oldest server that has what the scripts use: ZMSCORE and
// GETEX came with 6.2.
var minVersion = [2]int{6, 2}

// check reads INFO of every master and refuses a server that would lose tasks; it
// returns warnings for one that might. INFO is used rather than CONFIG GET, since
// a least-privilege user may not call that.
func (c *Client) check(ctx context.Context) ([]string, error) {
	var warnings []string
	var refused error
	err := c.EachMaster(ctx, func(ctx context.Context, m *redis.Client) error {
		text, err := m.Info(ctx).Result()
		if err != nil || refused != nil {
			return err
		}
		var found []string
		found, refused = c.checkInfo(c.nameOf(m), ParseInfo(text))
		for _, w := range found {
			if !slices.Contains(warnings, w) {
				warnings = append(warnings, w)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("connect to redis: %w", err)
	}
	return warnings, refused
}

// nameOf is the address of a server for people: that of the URL, but of a Cluster
// its own.
func (c *Client) nameOf(m *redis.Client) string {
	if _, ok := c.Redis.(*redis.ClusterClient); ok {
		return m.Options().Addr
	}
	return c.addr()
}

// checkInfo judges one server by its INFO.
func (c *Client) checkInfo(addr string, info map[string]string) ([]string, error) {
	if v := info["redis_version"]; v != "" && olderThan(v, minVersion) {
		return nil, fmt.Errorf("%w: redis %s at %s is too old: %d.%d or newer is needed", domain.ErrStoreUnavailable, v, addr, minVersion[0], minVersion[1])
	}
	// A replica of a Cluster sends the client to its master by itself.
	if info["role"] == "slave" && info["cluster_enabled"] != "1" {
		return nil, fmt.Errorf("%w: redis at %s is a replica: point the URL at its master", domain.ErrStoreReadOnly, addr)
	}
	var warnings []string
	if p := info["maxmemory_policy"]; p != "" && p != "noeviction" {
		if !c.Config.AllowEviction {
			return nil, fmt.Errorf("%w: redis at %s has maxmemory-policy %s, which may drop tasks: set it to noeviction, or accept the loss with --allow-eviction", domain.ErrStoreUnavailable, addr, p)
		}
		warnings = append(warnings, "redis may evict tasks: maxmemory-policy is "+p)
	}
	if info["aof_enabled"] == "0" {
		warnings = append(warnings, "redis does not keep an append-only file: a crash of the server loses what came after its last snapshot; set appendonly yes")
	}
	return warnings, nil
}

// ParseInfo reads the "name:value" lines of INFO.
func ParseInfo(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[name] = value
		}
	}
	return out
}

// olderThan reports whether a version such as "7.0.15" is below limit.
func olderThan(version string, limit [2]int) bool {
	parts := strings.SplitN(version, ".", 3)
	for i := range limit {
		if i >= len(parts) {
			return limit[i] > 0
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return false
		}
		if n != limit[i] {
			return n < limit[i]
		}
	}
	return false
}
