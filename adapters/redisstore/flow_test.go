package redisstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

// together counts the round trips that have several calls of scripts.
type together struct{ atomic.Int64 }

func (n *together) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (n *together) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (n *together) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "evalsha" {
			n.Add(1)
		}
		return next(ctx, cmds)
	}
}

// TestAFlowWhoseRepliesAreLostIsExact enqueues, claims and reports at the same time, so that
// calls travel together, over a line that loses replies of them.
func TestAFlowWhoseRepliesAreLostIsExact(t *testing.T) {
	t.Parallel()
	const producers, each = 4, 60
	server := redistest.Start(t)
	line := startLine(t, server, 0)
	client := openClient(t, line.url, redisstore.Config{})
	var shared together
	redisstore.Hook(client, &shared)
	var work sync.WaitGroup
	for range producers {
		work.Go(func() {
			for i := range each {
				if i%10 == 5 {
					line.armed.Store(true)
				}
				if _, err := client.Enqueue(t.Context(), storetest.NewTask(`{}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	runs := map[domain.TaskID]int{}
	var reports sync.WaitGroup
	for len(runs) < producers*each {
		claimed, err := client.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute, Wait: 10 * time.Second})
		require.NoError(t, err)
		require.NotEmpty(t, claimed)
		updates := make([]ports.TaskUpdate, len(claimed))
		for i, task := range claimed {
			runs[task.ID]++
			updates[i] = ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}
		}
		reports.Go(func() {
			if err := client.UpdateTask(t.Context(), updates...); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	reports.Wait()
	for id, n := range runs {
		require.Equal(t, 1, n, id)
	}
	stats, err := client.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, producers*each, stats.Completed)
	require.EqualValues(t, producers*each, stats.Total())
	require.Positive(t, line.cuts.Load())
	require.Positive(t, shared.Load())
}

// TestAClaimWhoseContextEndsGivesWhatItTook has claims wait for an enqueue in each of two
// partitions, while tasks come to one of them and contexts end.
func TestAClaimWhoseContextEndsGivesWhatItTook(t *testing.T) {
	t.Parallel()
	q := openQueue(t, redistest.Start(t).URL(), redisstore.Config{Partitions: 2})
	claimed, enqueued := 0, 0
	for claimed < 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		stored := make(chan error, 1)
		go func() {
			stored <- redisstore.EnqueueFirst(t.Context(), q, storetest.NewTask(`{}`))
		}()
		tasks, err := redisstore.ClaimAt(ctx, q, ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute}, time.Now().Add(time.Hour))
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.NoError(t, <-stored)
		enqueued++
		claimed += len(tasks)
		stats, err := q.GetQueueStats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, claimed, stats.Processing, "a task is claimed that nobody knows of")
		require.EqualValues(t, enqueued, stats.Total())
	}
}
