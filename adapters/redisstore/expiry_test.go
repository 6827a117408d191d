package redisstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/domain"
	"logsift/ports"
)

// expiredTask is a task that expired before it was enqueued.
func expiredTask() *domain.Task {
	task := storetest.NewTask(`{}`)
	task.ExpiresAt = time.Now().Add(-time.Minute)
	return task
}

func oneTask() ports.ClaimRequest {
	return ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute}
}

// TestClaimsThatMeetAnExpiredTaskAtOnceDoNotFail has one claim end what another has found.
func TestClaimsThatMeetAnExpiredTaskAtOnceDoNotFail(t *testing.T) {
	t.Parallel()
	q := newWorld(t).queue(t)
	for range 20 {
		_, err := q.Enqueue(t.Context(), expiredTask())
		require.NoError(t, err)
		errs := make([]error, 4)
		var claims sync.WaitGroup
		for i := range errs {
			claims.Go(func() {
				var tasks []*domain.Task
				tasks, errs[i] = q.Dequeue(t.Context(), oneTask())
				if len(tasks) > 0 {
					t.Error("an expired task was given out")
				}
			})
		}
		claims.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
}

// TestADamagedExpiredTaskHoldsNobodyUp has a record that names another ready list than the
// one that its task is in.
func TestADamagedExpiredTaskHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.queue(t)
	other := storetest.NewTask(`{}`)
	other.Queue = "other"
	damaged, good := expiredTask(), storetest.NewTask(`{}`)
	_, err := q.Enqueue(t.Context(), other, damaged, good)
	require.NoError(t, err)
	raw, key := storetest.Raw(t, w.Server), "{"+w.Namespace+":0}:tasks"
	record, err := raw.HGet(t.Context(), key, string(damaged.ID[:])).Bytes()
	require.NoError(t, err)
	record[2] ^= 1
	require.NoError(t, raw.HSet(t.Context(), key, string(damaged.ID[:]), record).Err())
	claimed := map[domain.TaskID]bool{}
	for range 3 {
		tasks, err := q.Dequeue(t.Context(), oneTask())
		require.NoError(t, err)
		for _, task := range tasks {
			claimed[task.ID] = true
		}
	}
	require.True(t, claimed[other.ID] && claimed[good.ID])
}

// TestATaskIsFoundByTwoCallsAtOnce has two calls of a process that does not know yet in
// which partition a task with a key is.
func TestATaskIsFoundByTwoCallsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).with(4)
	w.Namespace += "-parts"
	one, another := w.queue(t), w.queue(t)
	for range 50 {
		task := storetest.NewTask(`{}`)
		task.Key = uuid.NewString()
		_, err := one.Enqueue(t.Context(), task)
		require.NoError(t, err)
		claimed, err := one.Dequeue(t.Context(), oneTask())
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		errs := make([]error, 2)
		var calls sync.WaitGroup
		for i := range errs {
			calls.Go(func() { _, errs[i] = another.ExtendLease(t.Context(), time.Minute, *claimed[0].Lease) })
		}
		calls.Wait()
		require.NoError(t, errs[0])
		require.NoError(t, errs[1])
	}
}
