package verify_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
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
			p.Do(t, "ZREM", p.Key("keyed:5:default|a"), second)
		}},
		"a free task that is held back": {[]string{verify.KindLimitTaskMissing}, func(p *storetest.Patient, _, _, third domain.TaskID) {
			p.Do(t, "ZREM", p.Key("open:0"), "\x05")
		}},
		"a free task that its turn does not know": {[]string{verify.KindLimitTaskStray, verify.KindLimitTaskMissing}, func(p *storetest.Patient, _, _, third domain.TaskID) {
			p.Do(t, "ZREM", p.Key("keyed:5:default|"), third)
		}},
		"a key that may begin and has no task": {[]string{verify.KindLimitTaskStray}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("open:0"), 1, "\x05b")
		}},
		"a key that may begin and is full": {[]string{verify.KindLimitTaskStray}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("open:0"), 1, "\x05a")
		}},
		"a turn of another priority": {[]string{verify.KindLimitTaskStray}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("open:0"), 1, "\x05")
		}},
		"a count of what waits that is wrong": {[]string{verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "HINCRBY", p.Key("limited"), "w:default", 3)
		}},
		"a task of no key that is none": {[]string{verify.KindLimitTaskStray}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("keyed:5:default|"), 1, "nobody of 16 byte")
		}},
		"a task of a key that is none": {[]string{verify.KindLimitTaskStray, verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
			p.Do(t, "ZADD", p.Key("keyed:5:default|a"), 1, "nobody of 16 byte")
		}},
		"a key of which nothing is known": {[]string{verify.KindLimitCountWrong, verify.KindLimitCountWrong, verify.KindLimitCountWrong}, func(p *storetest.Patient, _, _, _ domain.TaskID) {
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

// No call looks at all tasks of a key that has many.
func TestStraysAreFoundAmongManyTasksOfAKey(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	require.NoError(t, p.Queue.SetLimit(t.Context(), domain.Limit{Name: "a", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Key: "a", Concurrency: 1}))
	keys := []string{"", "a", "b"}
	for _, name := range keys {
		for range 3 {
			tasks := make([]*domain.Task, 700)
			for i := range tasks {
				tasks[i] = storetest.NewTask(`{}`)
				tasks[i].Key = name
			}
			_, err := p.Queue.Enqueue(t.Context(), tasks...)
			require.NoError(t, err)
		}
	}
	require.Empty(t, p.Verify(t, false))
	for _, name := range keys {
		p.Do(t, "ZADD", p.Key("keyed:5:default|"+name), 1, "nobody of 16 byte", 1e18, "somebody of 16 by")
	}
	found := storetest.Kinds(p.Mend(t))
	require.Subset(t, []string{verify.KindLimitTaskStray, verify.KindLimitCountWrong}, found)
	strays := slices.DeleteFunc(found, func(kind string) bool { return kind != verify.KindLimitTaskStray })
	require.Len(t, strays, 2*len(keys))
	require.Empty(t, p.Verify(t, false))
}

func TestALimitThatCannotBeReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for _, l := range []domain.Limit{
		{Name: "one", Scope: domain.LimitQueue, Queue: domain.DefaultQueue, Concurrency: 1},
		{Name: "one", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 1},
	} {
		for _, part := range []string{"limited", "limits"} {
			p := storetest.NewPatient(t)
			ofKey := func(task *domain.Task) { task.Key = "a" }
			field := map[string]string{"limits": "one", "limited": string(l.Scope[:1]) + ":default"}[part]
			if part == "limited" && l.Scope == domain.LimitKey {
				field = "r:default"
			}
			require.NoError(t, p.Queue.SetLimit(t.Context(), l))
			p.Enqueue(t, ofKey)
			first := p.Claim(t)
			p.Enqueue(t, ofKey)
			p.Do(t, "HSET", p.Key(part), field, "x")
			require.Contains(t, storetest.Kinds(p.Verify(t, false)), verify.KindLimitDamaged)
			p.Enqueue(t, ofKey)
			_, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
			require.NoError(t, err)
			require.NoError(t, p.Queue.SetLimit(t.Context(), l))
			list, err := p.Queue.ListLimits(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 1)
			p.Report(t, first, ports.OutcomeCompleted)
			require.Empty(t, p.Verify(t, false))
			p.Do(t, "HSET", p.Key(part), field, "x")
			require.NoError(t, p.Queue.DeleteLimit(t.Context(), "one"))
			require.Empty(t, p.Verify(t, false))
		}
	}
}

func TestATaskThatIsGoneDoesNotBlockItsKey(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	ofKey := func(task *domain.Task) { task.Key = "a" }
	require.NoError(t, p.Queue.SetLimit(t.Context(), domain.Limit{Name: "one", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 1}))
	gone := p.Enqueue(t, ofKey)
	second := p.Enqueue(t, ofKey)
	p.Do(t, "HDEL", p.Key("tasks"), gone)
	got, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Empty(t, got)
	p.Enqueue(t, ofKey)
	require.Equal(t, second, p.Claim(t).ID)
	require.Empty(t, p.Verify(t, false))
}

// cut ends a context after so many looks at it.
type cut struct {
	context.Context //nolint:containedctx // It is one.

	left atomic.Int64
}

func (c *cut) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return c.Context.Err()
}

func TestALimitThatWasSetByHalfIsTold(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	l := domain.Limit{Name: "one", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 1}
	p.Enqueue(t, func(task *domain.Task) { task.Key = "a" })
	for concurrency := 1; concurrency <= 2; concurrency++ {
		l.Concurrency = concurrency
		for looks := int64(1); ; looks++ {
			ctx := &cut{Context: t.Context()}
			ctx.left.Store(looks)
			require.Error(t, p.Queue.SetLimit(ctx, l))
			list, err := p.Queue.ListLimits(t.Context())
			require.NoError(t, err)
			if len(list) > 0 && list[0].Limit == l {
				break
			}
		}
		require.Equal(t, []string{verify.KindLimitDamaged}, storetest.Kinds(p.Verify(t, false)))
		require.NoError(t, p.Queue.SetLimit(t.Context(), l))
		require.Empty(t, p.Verify(t, false))
	}
}
