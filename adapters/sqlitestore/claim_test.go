package sqlitestore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

func TestClaimsEndExpiredTasksInSeveralTransactions(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	db, _ := openStore(t, Config{
		Synchronous: SynchronousNormal, Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
	})
	enqueue := func(n int, change func(*domain.Task)) {
		tasks := make([]*domain.Task, n)
		for i := range tasks {
			tasks[i] = domain.NewTask(uuid.New(), "test", nil)
			change(tasks[i])
		}
		_, err := db.Enqueue(t.Context(), tasks...)
		require.NoError(t, err)
	}
	var ended []int64 // how many FAILED tasks there are after each commit
	committed := db.writer.committed
	db.writer.committed = func(lanes []*lane, events bool, cancelled []domain.TaskID) {
		stats, err := db.GetQueueStats(t.Context())
		if err == nil {
			ended = append(ended, stats.Failed)
		}
		committed(lanes, events, cancelled)
	}
	const expired = 2*passedPerClaim + 1
	for _, wait := range []time.Duration{0, time.Minute} {
		enqueue(expired, func(task *domain.Task) { task.ExpiresIn, task.Priority = time.Minute, domain.PriorityHigh })
		enqueue(1, func(task *domain.Task) { task.Priority = domain.PriorityLow })
		offset.Add(int64(time.Minute))
		// Commits are told of while somebody reads events.
		_, err := db.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 1})
		require.NoError(t, err)
		ended = nil
		before, err := db.GetQueueStats(t.Context())
		require.NoError(t, err)
		tasks, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Hour, Wait: wait})
		require.NoError(t, err)
		require.Len(t, tasks, 1)
		require.Equal(t, domain.PriorityLow, tasks[0].Priority)
		last := before.Failed
		for _, n := range ended {
			require.LessOrEqual(t, n-last, int64(passedPerClaim), "in one transaction")
			last = n
		}
		require.Equal(t, before.Failed+expired, last)
	}
	done, err := db.PromoteDue(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 2*expired, done.Expired, "all are counted once")
}

func TestAClaimEndsAsManyMembersOfAGroupAsOtherTasks(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	db, _ := openStore(t, Config{
		Synchronous: SynchronousNormal, Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
	})
	const expired = 2*passedPerClaim + 1
	tasks := make([]*domain.Task, 2+expired)
	for i := range tasks {
		tasks[i] = domain.NewTask(uuid.New(), "test", nil)
		tasks[i].Group, tasks[i].GroupSize, tasks[i].GroupAge = "a", 10, time.Hour
		if 0 < i && i <= expired {
			tasks[i].ExpiresIn = time.Minute
		}
	}
	_, err := db.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
	offset.Add(int64(time.Minute))
	run := func() []*domain.Task {
		got, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Hour})
		require.NoError(t, err)
		return got
	}
	require.Len(t, run(), 1)
	stats, err := db.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(passedPerClaim), stats.Failed, "in one transaction")
	done, err := db.PromoteDue(t.Context(), 2*passedPerClaim)
	require.NoError(t, err)
	require.Equal(t, expired, done.Expired, "all are counted once")
	require.NoError(t, db.RunTaskNow(t.Context(), tasks[1+expired].ID))
	require.Len(t, run(), 1)
}
