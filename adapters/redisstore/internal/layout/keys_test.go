package layout_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// The tables have the type of each key, and no key that nobody writes.
func TestTheTablesHaveEachKey(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	p.Fill(t)
	batch := uuid.New()
	_, err := p.Logs.SaveLogs(t.Context(), batch, storetest.LogLines(1)...)
	require.NoError(t, err)
	_, err = p.Logs.CloseBatch(t.Context(), batch)
	require.NoError(t, err)
	require.NoError(t, p.Logs.SaveAnalysis(t.Context(), batch, storetest.Result(1)))
	_, err = p.Logs.SaveDocument(t.Context(), domain.Document{Key: "key"}, time.Hour)
	require.NoError(t, err)
	_, err = p.Open(t).ReportScheduler(t.Context(), domain.SchedulerReport{ID: uuid.New()}, time.Minute)
	require.NoError(t, err)
	p.Enqueue(t)
	require.NoError(t, p.Open(t).SaveProgress(t.Context(), ports.RunProgress{Lease: *p.Claim(t).Lease}))
	schedules := p.Open(t)
	bad := domain.Schedule{Name: "bad", Every: time.Hour, Task: storetest.NewTask(`{}`)}
	for _, s := range []domain.Schedule{bad, {Name: "good", Every: time.Hour, Task: bad.Task}} {
		_, err = schedules.SaveSchedules(t.Context(), domain.ScheduleRecord{Schedule: s, NextTick: time.Now()})
		require.NoError(t, err)
	}
	p.Do(t, "HSET", "{"+p.Namespace+":schedules}:records", "bad", "garbage")
	broken, corrupt := p.Enqueue(t), p.Enqueue(t)
	p.Do(t, "ZREM", p.Key("ready:0"), broken)
	p.SetRecord(t, corrupt, func(string) string { return "garbage" })
	p.Do(t, "DEL", p.Key("cancelled"))
	p.Do(t, "SET", p.Key("cancelled"), "foreign")
	p.Verify(t, true)
	for _, l := range []domain.Limit{
		{Name: "queue", Scope: domain.LimitQueue, Queue: domain.DefaultQueue, Rate: domain.Rate{Count: 9, Per: time.Minute}},
		{Name: "keys", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 2, Rate: domain.Rate{Count: 9, Per: time.Minute}},
	} {
		require.NoError(t, p.Queue.SetLimit(t.Context(), l))
	}
	for range 3 {
		p.Enqueue(t, func(task *domain.Task) { task.Key = "a" })
	}
	for p.Claim(t).Key != "a" {
		continue
	}
	p.Enqueue(t, func(task *domain.Task) { task.ExpiresIn = time.Hour })
	own := p.Enqueue(t, func(task *domain.Task) { task.Retention = time.Hour })
	require.NoError(t, p.Queue.CancelTask(t.Context(), own))
	_, err = p.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{FailedRetention: time.Hour, Limit: 100})
	require.NoError(t, err)
	p.Report(t, p.Claim(t), ports.OutcomeCompleted)
	for range 3 {
		p.Enqueue(t)
	}
	for p.Claim(t).Key != "a" {
		continue // Now it has all the slots that it may have, and others wait.
	}
	p.Enqueue(t, func(task *domain.Task) { task.Group = "g" })
	flow := &domain.Workflow{ID: uuid.New(), Nodes: []domain.WorkflowNode{{Ref: "first", Task: storetest.NewTask(`{}`)}}}
	for i := range 2000 {
		flow.Nodes = append(flow.Nodes, domain.WorkflowNode{Ref: strconv.Itoa(i), Task: bad.Task, After: []string{"first"}})
	}
	store := p.Open(t)
	_, err = store.CreateWorkflow(t.Context(), flow)
	require.NoError(t, err)
	require.NoError(t, store.CancelTask(t.Context(), domain.TaskIDOf(flow.ID, "first")))
	flow.ID = uuid.New()
	p.Enqueue(t, func(task *domain.Task) { task.ID = domain.TaskIDOf(flow.ID, "first") })
	_, err = store.CreateWorkflow(t.Context(), flow)
	require.ErrorIs(t, err, domain.ErrTaskExists)
	_, err = p.Queue.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 1})
	require.NoError(t, err)

	seen := map[string]bool{}
	keys, err := p.Redis.Keys(t.Context(), "{"+p.Namespace+":*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		row, ok := layout.Row(p.Namespace, key)
		require.True(t, ok, "%q is in no table", key)
		seen[row.Name] = true
		if row.Type != "any" {
			require.Equal(t, row.Type, p.Redis.Type(t.Context(), key).Val(), "%q", key)
		}
	}
	for _, row := range layout.Rows() {
		require.True(t, seen[row.Name], "nothing writes %q", row.Name)
	}
}
