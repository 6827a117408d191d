package server

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

// Fields of meta that tell of the table of ready lists.
const (
	FieldEpoch  = "generation"
	FieldLayout = "lanes"
)

var tableScript = layout.LoadScript("queue/table")

// checkEpoch refuses the epoch of a queue that has another number of
// partitions than this process is set to. A damaged one does no harm to a queue of
// one partition.
func (c *Client) checkEpoch(epoch string) error {
	switch n := layout.EpochPartitions(epoch); {
	case epoch == "" || n == c.Config.Partitions || n == 0 && c.Config.Partitions == 1:
		return nil
	case n == 0:
		return ErrTableDamaged
	default:
		return fmt.Errorf("%w: %w", domain.ErrStoreUnavailable, c.otherPartitions(n))
	}
}

func (c *Client) otherPartitions(stored int) error {
	return &domain.ValidationError{
		Field: "partitions", Value: strconv.Itoa(c.Config.Partitions),
		Rule: fmt.Sprintf("must be %d, which the queue of namespace %s was begun with: to change it, let the queue run empty, stop all processes and remove its keys", stored, c.Config.Namespace),
	}
}

// checkQueue refuses a queue that was begun with another number of partitions, or that
// has a later layout. It asks every partition that may be: what is damaged does not keep
// a verifier from mending it.
func (c *Client) checkQueue(ctx context.Context) error {
	ctx, cancel := c.Bound(ctx)
	defer cancel()
	tables := make([]*redis.SliceCmd, layout.MaxPartitions)
	// The error of each is looked at below.
	_, _ = c.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range tables {
			tables[i] = pipe.HMGet(ctx, layout.NewQueueKeys(c.Config.Namespace, i).Meta, FieldEpoch, FieldLayout)
		}
		return nil
	})
	for _, cmd := range tables {
		found, err := cmd.Result()
		switch {
		case redis.HasErrorPrefix(err, "WRONGTYPE"):
			continue
		case err != nil:
			return fmt.Errorf("read how the queue is stored: %w", c.Translate(ctx, err))
		}
		if version, _, ok := layout.SplitLayout(layout.TextAt(found, 1)); ok && version > layout.Version {
			return c.LaterLayout(version)
		}
		if n := layout.EpochPartitions(layout.TextAt(found, 0)); n != 0 && n != c.Config.Partitions {
			return c.otherPartitions(n)
		}
	}
	return nil
}

var (
	// ErrTableDamaged is that of a table of ready lists that cannot be read.
	ErrTableDamaged = fmt.Errorf("%w: the lanes of the queue are damaged: run logsift verify --repair", domain.ErrStoreUnavailable)
	// ErrTableChanges is that of a call that never found the table as it had read it.
	ErrTableChanges = fmt.Errorf("%w: the lanes of the queue keep changing", domain.ErrStoreUnavailable)
)

// CallTable runs the script of the ready lists, and returns the epoch of the table and
// its fields. how is "begin", "groups" or "".
func (c *Client) CallTable(ctx context.Context, keys *layout.QueueKeys, how string, add ...string) (string, map[string]string, error) {
	args := []any{layout.NewEpoch(c.Config.Partitions), layout.Version, layout.MaxReadyLists, layout.ReservedList, how}
	for _, name := range add {
		args = append(args, name)
	}
	reply, err := c.RunSlice(ctx, tableScript, keys.ForTable(), args...)
	if err != nil {
		return "", nil, err
	}
	epoch, ok := reply[0].(string)
	switch {
	case ok:
	case len(reply) == 2:
		version, _ := layout.IntAt(reply, 1)
		return "", nil, c.LaterLayout(int(version))
	default:
		return "", nil, ErrTableDamaged
	}
	fields := make(map[string]string, len(reply)/2)
	for i := 1; i+1 < len(reply); i += 2 {
		fields[layout.TextAt(reply, i)] = layout.TextAt(reply, i+1)
	}
	return epoch, fields, c.checkEpoch(epoch)
}

// LaterLayout refuses a queue that a later version of the program has begun or used.
func (c *Client) LaterLayout(version int) error {
	return fmt.Errorf("%w: the queue of namespace %s has layout %d, of a newer version of logsift; this one reads layouts up to %d: start the newer version", domain.ErrStoreUnavailable, c.Config.Namespace, version, layout.Version)
}
