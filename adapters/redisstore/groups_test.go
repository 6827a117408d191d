package redisstore_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/domain"
	"logsift/ports"
)

func TestMembersByMistakeAreNotTakenAlong(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	enqueue := func(n int) []domain.TaskID {
		ids := make([]domain.TaskID, n)
		for i := range ids {
			ids[i] = p.Enqueue(t, func(task *domain.Task) { task.Group, task.GroupSize = "a", 3 })
		}
		return ids
	}
	claim := func() (ids []domain.TaskID, tasks []*domain.Task) {
		tasks, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute})
		require.NoError(t, err)
		for _, task := range tasks {
			ids = append(ids, task.ID)
		}
		return ids, tasks
	}
	stale := enqueue(3)
	_, tasks := claim()
	p.Report(t, tasks[0], ports.OutcomeRetry)
	p.Report(t, tasks[1], ports.OutcomeCompleted)
	members := enqueue(6)
	for i, id := range stale {
		p.Do(t, "ZADD", p.Key(`group:0:a`), 5+i, id)
	}
	// Two are in the first run, and the third would begin the second.
	got, _ := claim()
	require.Equal(t, members[:4], got)
	require.Empty(t, p.Verify(t, false))
	members = append(members, enqueue(1)...)
	got, _ = claim()
	require.Equal(t, members[4:], got)
}
