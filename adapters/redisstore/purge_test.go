package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

// TestDeadLettersHoldNoPurgeUp has many FAILED tasks, which are kept for longer, end between
// others.
func TestDeadLettersHoldNoPurgeUp(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server.URL(), redisstore.Config{Namespace: "n"})
	rdb := storetest.Raw(t, server)
	const dead, others = 2500, 30
	tasks := make([]*domain.Task, dead+others)
	for i := range tasks {
		tasks[i] = storetest.NewTask("{}")
	}
	enqueue(t, queue, tasks...)
	var want []domain.TaskID
	for n := 0; n < len(tasks); {
		claimed := claim(t, queue, ports.MaxClaim)
		updates := make([]ports.TaskUpdate, len(claimed))
		for i, task := range claimed {
			updates[i] = ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeFailed, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "x"}}
			if n < others-1 || n >= len(tasks)-1 {
				updates[i] = ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}
				want = append(want, task.ID)
			}
			n++
		}
		require.NoError(t, queue.UpdateTask(t.Context(), updates...))
	}
	before := calls(t, rdb)["evalsha"]
	gone, err := queue.PurgeFinished(t.Context(), ports.PurgeRequest{FailedRetention: time.Hour, Limit: others})
	require.NoError(t, err)
	require.Equal(t, want, gone)
	require.LessOrEqual(t, calls(t, rdb)["evalsha"]-before, 10, "not one for each that is kept")

	for _, limit := range []int{1, 7, 1000} {
		some, err := queue.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: limit})
		require.NoError(t, err)
		require.Len(t, some, limit, "what was not removed is where it was")
		gone = append(gone, some...)
	}
	rest, err := queue.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: ports.MaxClaim})
	require.NoError(t, err)
	again, err := queue.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: ports.MaxClaim})
	require.NoError(t, err)
	require.Len(t, append(append(gone, rest...), again...), len(tasks))
	require.Zero(t, statsOf(t, queue).Total())
}
