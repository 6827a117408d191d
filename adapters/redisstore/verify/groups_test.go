package verify_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

// Of a group of four, the first is ready.
func TestBrokenGroupsAreFoundAndMended(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want string
		harm func(p *storetest.Patient, group string, members []domain.TaskID)
	}{
		"one that gathers is missing": {verify.KindGroupTaskMissing, func(p *storetest.Patient, group string, members []domain.TaskID) { p.Do(t, "ZREM", group, members[2]) }},
		"the ready one is missing":    {verify.KindGroupTaskMissing, func(p *storetest.Patient, group string, members []domain.TaskID) { p.Do(t, "ZREM", group, members[0]) }},
		"all are missing":             {verify.KindGroupTaskMissing, func(p *storetest.Patient, group string, _ []domain.TaskID) { p.Do(t, "DEL", group) }},
		"the ready one seems to wait": {verify.KindGroupTaskMissing, func(p *storetest.Patient, group string, members []domain.TaskID) {
			p.Do(t, "ZADD", group, 7, members[0])
		}},
		"one of no group": {verify.KindGroupTaskStray, func(p *storetest.Patient, group string, _ []domain.TaskID) {
			p.Do(t, "ZADD", group, 7, p.Enqueue(t, func(task *domain.Task) { task.Delay = time.Hour }))
		}},
		"one that is gone": {verify.KindGroupTaskStray, func(p *storetest.Patient, group string, _ []domain.TaskID) {
			p.Do(t, "ZADD", group, 7, "nobody of 16 byte")
		}},
		"a group of no list":  {verify.KindKeyUnknown, func(p *storetest.Patient, _ string, _ []domain.TaskID) { p.Do(t, "ZADD", p.Key("group:x"), 7, "x") }},
		"nobody gathers them": {verify.KindGroupsForgotten, func(p *storetest.Patient, _ string, _ []domain.TaskID) { p.Do(t, "HDEL", p.Key("meta"), "follow") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			members := make([]domain.TaskID, 4)
			for i := range members {
				members[i] = p.Enqueue(t, func(task *domain.Task) { task.Group, task.GroupSize = "a\x00\"ä", 4 })
			}
			require.Empty(t, p.Verify(t, false))
			c.harm(p, p.Key(`group:0:a\u0000\"ä`), members)
			require.Contains(t, storetest.Kinds(p.Verify(t, false)), c.want)
			p.Mend(t)
			require.Empty(t, p.Verify(t, false))
			run, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
			require.NoError(t, err)
			require.Len(t, run, 4)
			for i, task := range run {
				require.Equal(t, members[i], task.ID)
			}
			require.Empty(t, p.Verify(t, false))
		})
	}
}
