package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

// Of key "a" first runs, and second waits; third is of no key.
func TestBrokenLimitsAreFoundAndMended(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]struct {
		want []string
		do   func(p *storetest.Patient, first, second, third domain.TaskID)
	}{
		"a running task without a slot": {[]string{verify.KindLimitSlotMissing, verify.KindLimitCountWrong}, func(p *storetest.Patient, first, _, _ domain.TaskID) {
			p.Do(t, "HDEL", p.Key("slots:default"), first)
		}},
		"a waiting task with a slot": {[]string{verify.KindLimitSlotStray, verify.KindLimitTaskMissing, verify.KindLimitCountWrong}, func(p *storetest.Patient, _, second, _ domain.TaskID) {
			p.Do(t, "HSET", p.Key("slots:default"), second, "a")
		}},
		"a slot of no task": {[]string{verify.KindLimitSlotStray, verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "HSET", p.Key("slots:default"), "nobody", "a")
		}},
		"a ready task that its key does not know": {[]string{verify.KindLimitTaskMissing, verify.KindLimitCountWrong}, func(p *storetest.Patient, _, second, _ domain.TaskID) {
			p.Do(t, "ZREM", p.Key("keyed:0:default|a"), second)
		}},
		"a free task that is held back": {[]string{verify.KindLimitTaskMissing}, func(p *storetest.Patient, _, _, third domain.TaskID) {
			p.Do(t, "ZREM", p.Key("open:0"), third)
		}},
		"a task that may begin and is none": {[]string{verify.KindLimitTaskStray}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("open:0"), 1, "nobody of 16 byte")
		}},
		"a waiting task that may begin": {[]string{verify.KindLimitCountWrong}, func(p *storetest.Patient, _, second, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("open:0"), 1, second)
		}},
		"a task of a key that is none": {[]string{verify.KindLimitTaskStray, verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("keyed:0:default|a"), 1, "nobody of 16 byte")
		}},
		"a key of which nothing is known": {[]string{verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "DEL", p.Key("keys:default"))
		}},
		"a count of a queue that is wrong": {[]string{verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "HINCRBY", p.Key("running"), "queue", 3)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			for _, l := range []domain.Limit{
				{Name: "keys", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 1, Retries: domain.RetriesOvertake},
				{Name: "queue", Scope: domain.LimitQueue, Queue: domain.DefaultQueue, Concurrency: 2},
			} {
				require.NoError(t, p.Queue.SetLimit(t.Context(), l))
			}
			ofKey := func(task *domain.Task) { task.Key = "a" }
			p.Enqueue(t, ofKey)
			second := p.Enqueue(t, ofKey)
			first := p.Claim(t)
			third := p.Enqueue(t)
			require.Empty(t, p.Verify(t, false))
			harm.do(p, first.ID, second, third)
			found := storetest.Kinds(p.Verify(t, false))
			require.Equal(t, harm.want, found)
			p.Mend(t)
			require.Empty(t, p.Verify(t, false))
			require.Equal(t, third, p.Claim(t).ID, "the slots are as before")
			p.Report(t, first, ports.OutcomeCompleted)
			require.Equal(t, second, p.Claim(t).ID)
			require.Empty(t, p.Verify(t, false))
		})
	}
}
