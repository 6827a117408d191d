package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

// MaxPartitions is the most partitions that a queue can have: more than the nodes
// of a large Cluster, and few enough for a claim that finds nothing to ask each.
const MaxPartitions = 64

// partitionOf is the partition of a task: FNV-1a of its id, modulo the number of
// partitions. It is part of the data layout.
func partitionOf(id domain.TaskID, partitions int) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, b := range id {
		h = (h ^ uint64(b)) * prime
	}
	return int(h % uint64(partitions))
}

// How many partitions a queue has is part of the generation of its lanes, which
// each script that puts tasks anywhere compares. So a process that is set to
// another number reads and writes nothing in the wrong partition, not even after
// the database was emptied under it. The first partition has its generation
// before any other has one, so that two processes cannot begin with two numbers.

// newGeneration makes a generation for the lanes of a queue: a random string,
// behind the number of partitions and a slash if they are several.
func newGeneration(partitions int) string {
	if partitions == 1 {
		return uuid.NewString()
	}
	return strconv.Itoa(partitions) + "/" + uuid.NewString()
}

// generationPartitions is the number of partitions that a generation tells of, 0
// if it is damaged.
func generationPartitions(generation string) int {
	count, id, several := strings.Cut(generation, "/")
	if !several {
		count, id = "1", generation
	}
	n, err := strconv.Atoi(count)
	if _, bad := uuid.Parse(id); bad != nil || err != nil || n < 1 || n > MaxPartitions {
		return 0
	}
	return n
}

// checkGeneration refuses the generation of a queue that has another number of
// partitions than this process is set to. A damaged one does no harm to a queue of
// one partition.
func (c *Client) checkGeneration(generation string) error {
	switch n := generationPartitions(generation); {
	case generation == "" || n == c.cfg.Partitions || n == 0 && c.cfg.Partitions == 1:
		return nil
	case n == 0:
		return fmt.Errorf("%w: the lanes of the queue are damaged: run logsift verify --repair", domain.ErrStoreUnavailable)
	default:
		return fmt.Errorf("%w: %w", domain.ErrStoreUnavailable, c.otherPartitions(n))
	}
}

func (c *Client) otherPartitions(stored int) error {
	return &domain.ValidationError{
		Field: "partitions", Value: strconv.Itoa(c.cfg.Partitions),
		Rule: fmt.Sprintf("must be %d, which the queue of namespace %s was begun with: to change it, let the queue run empty, stop all processes and remove its keys", stored, c.cfg.Namespace),
	}
}

// checkPartitions refuses a queue that was begun with another number of
// partitions. It asks every partition that may be: what is damaged does not keep
// a verifier from mending it.
func (c *Client) checkPartitions(ctx context.Context) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	generations := make([]*redis.StringCmd, MaxPartitions)
	// The error of each is looked at below.
	_, _ = c.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range generations {
			generations[i] = pipe.HGet(ctx, newQueueKeys(c.cfg.Namespace, i).meta, laneGeneration)
		}
		return nil
	})
	for _, cmd := range generations {
		generation, err := cmd.Result()
		switch {
		case errors.Is(err, redis.Nil), redis.HasErrorPrefix(err, "WRONGTYPE"):
			continue
		case err != nil:
			return fmt.Errorf("read the number of partitions: %w", c.translate(ctx, err))
		}
		if n := generationPartitions(generation); n != 0 && n != c.cfg.Partitions {
			return c.otherPartitions(n)
		}
	}
	return nil
}
