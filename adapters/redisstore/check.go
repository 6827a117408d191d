package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"logsift/domain"
)

// minVersion is the oldest server that has what the scripts use: ZMSCORE and
// GETEX came with 6.2.
var minVersion = [2]int{6, 2}

// check reads INFO and refuses a server that would lose tasks; it returns
// warnings for one that might. INFO is used rather than CONFIG GET, since a
// least-privilege user may not call that.
func (c *Client) check(ctx context.Context) ([]string, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	text, err := c.rdb.Info(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("connect to redis: %w", c.translate(ctx, err))
	}
	info := parseInfo(text)
	if v := info["redis_version"]; v != "" && olderThan(v, minVersion) {
		return nil, fmt.Errorf("%w: redis %s at %s is too old: %d.%d or newer is needed", domain.ErrStoreUnavailable, v, c.addr(), minVersion[0], minVersion[1])
	}
	if info["role"] == "slave" && info["cluster_enabled"] != "1" {
		return nil, fmt.Errorf("%w: redis at %s is a replica: point the URL at its master", domain.ErrStoreReadOnly, c.addr())
	}
	var warnings []string
	if p := info["maxmemory_policy"]; p != "" && p != "noeviction" {
		if !c.cfg.AllowEviction {
			return nil, fmt.Errorf("%w: redis at %s has maxmemory-policy %s, which may drop tasks: set it to noeviction, or accept the loss with --allow-eviction", domain.ErrStoreUnavailable, c.addr(), p)
		}
		warnings = append(warnings, "redis may evict tasks: maxmemory-policy is "+p)
	}
	if info["aof_enabled"] == "0" {
		warnings = append(warnings, "redis does not keep an append-only file: a crash of the server loses what came after its last snapshot; set appendonly yes")
	}
	return warnings, nil
}

// parseInfo reads the "name:value" lines of INFO.
func parseInfo(text string) map[string]string {
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
