package verify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var verifyGroupsScript = layout.LoadScript("verify/groups")

// groups compares the members of groups with the tasks, which are sound by then.
func (c *queueCheck) groups() error {
	k := &c.keys
	if c.foreignTable() || c.foreign[k.Scheduled] {
		return nil
	}
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	follow, err := c.client.Redis.HGet(ctx, k.Meta, "follow").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("look for groups: %w", c.client.Translate(ctx, err))
	}
	if !strings.Contains(follow, "g") {
		if !c.grouped {
			return nil
		}
		if c.req.Repair {
			if _, _, err := c.client.CallTable(c.ctx, k, "groups"); err != nil {
				return err
			}
			if err := c.loadTable(); err != nil {
				return err
			}
		}
		c.report(domain.Finding{Kind: KindGroupsForgotten, Place: k.Meta, Detail: "tasks have groups, and nothing gathers them", Action: c.done("gathered from now on")})
	}
	err = c.scanKeys(k.Prefix+"group:", func(key string) error {
		name := strings.TrimPrefix(key, k.Prefix)
		list, _, named := strings.Cut(strings.TrimPrefix(name, "group:"), ":")
		if n, err := strconv.Atoi(list); !named || err != nil || n < 0 || n > layout.MaxReadyLists {
			action, err := c.moveAside(key, "")
			c.report(domain.Finding{Kind: KindKeyUnknown, Place: key, Detail: "it is that of no group", Action: action})
			return err
		}
		if err := c.keyType(key, "zset", nil); err != nil || c.foreign[key] {
			return err
		}
		return c.groupPages(key, name)
	})
	for n := 0; err == nil && n < c.readyKeys; n++ {
		err = c.groupPages(k.Ready(n), "")
	}
	if err == nil {
		err = c.groupPages(k.Scheduled, "")
	}
	return err
}

// groupPages pages through a set of members of the group name, or of tasks if that is "".
func (c *queueCheck) groupPages(key, name string) error {
	if c.foreign[key] {
		return nil
	}
	return c.pages(verifyGroupsScript, []string{key, c.keys.Meta}, []any{name, c.mode()}, func(reply []any) error {
		c.findings(reply, c.place)
		return nil
	})
}
