package redisstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"logsift/domain"
	"logsift/ports"
)

// TestGarbageStopsNobody puts garbage into each part of a task, in each status.
func TestGarbageStopsNobody(t *testing.T) {
	t.Parallel()
	garbage := []string{
		"", "\x00", "x", strings.Repeat("\x00", 44), strings.Repeat("\xff", 44), strings.Repeat("\xff", 51), strings.Repeat("\xfb", 51),
		"\x01\xff\xff\xff" + strings.Repeat("\xff", 40), "\x01\x00\x00\x05" + strings.Repeat("\x00", 40),
		"\x02" + strings.Repeat("\x01", 30), strings.Repeat("\xc3\x28", 600),
	}
	parts := []string{"tasks", "state", "results", "errors", "unique_of"}
	scores := []string{"-inf", "+inf", "-1", "0.5", "1e300"}
	indexes := []string{"active", "scheduled", "retrying", "due", "completed", "failed", "cancelled", "ready:0"}
	harms := map[string]func(t tester, p *patient, id domain.TaskID){}
	for n, g := range garbage {
		for _, part := range parts {
			harms[fmt.Sprintf("%s has garbage %d", part, n)] = func(t tester, p *patient, id domain.TaskID) {
				p.do(t, "HSET", p.key(part), id, g)
			}
		}
		for _, index := range indexes {
			harms[fmt.Sprintf("%s has the member of garbage %d", index, n)] = func(t tester, p *patient, _ domain.TaskID) {
				p.do(t, "ZADD", p.key(index), 1, g)
				p.do(t, "HSET", p.key("tasks"), g, g)
			}
		}
		harms[fmt.Sprintf("the finished tasks have garbage %d", n)] = func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "LPUSH", p.key("finished"), g)
		}
	}
	for _, score := range scores {
		for _, index := range indexes {
			harms[fmt.Sprintf("%s has score %s", index, score)] = func(t tester, p *patient, id domain.TaskID) {
				p.do(t, "ZADD", p.key(index), score, id)
			}
		}
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			for id := range p.fill(t) {
				harm(t, p, id)
			}
			var good []domain.TaskID
			for range 3 {
				good = append(good, p.enqueue(t, func(t *domain.Task) { t.Priority = 0 }))
			}
			p.w.advance(2 * time.Hour) // retries are due, leases have expired
			_, err := p.queue.PromoteDue(t.Context(), 100)
			require.NoError(t, err)
			_, err = p.queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 100})
			require.NoError(t, err)
			got := map[domain.TaskID]bool{}
			for range 8 {
				tasks, err := p.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute})
				require.NoError(t, err)
				for _, task := range tasks {
					p.report(t, task, ports.OutcomeCompleted)
					got[task.ID] = true
				}
			}
			for _, id := range good {
				require.Contains(t, got, id)
			}
			stats, err := p.queue.GetQueueStats(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, stats.Completed, int64(3))
			for _, status := range append(domain.TaskStatuses(), 0) {
				page, err := p.queue.ListTasks(t.Context(), domain.TaskFilter{Status: status, Limit: 200})
				require.NoError(t, err)
				_, err = json.Marshal(page)
				require.NoError(t, err, "what is listed can be shown")
			}
			for _, f := range p.verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Empty(t, p.verify(t, true))
		})
	}
}

// TestRandomHarmIsMended breaks random things, several at once.
func TestRandomHarmIsMended(t *testing.T) {
	t.Parallel()
	indexes := []string{"active", "scheduled", "retrying", "completed", "failed", "cancelled", "ready:0", "ready:1", "ready:2"}
	rapid.Check(t, func(rt *rapid.T) {
		p := newPatient(t)
		// The status of each task that has one stored, and which records and states
		// are as they were.
		want, fresh, damaged := map[domain.TaskID]domain.TaskStatus{}, map[domain.TaskID]bool{}, map[domain.TaskID]bool{}
		statuses := rapid.SliceOfN(rapid.SampledFrom(domain.TaskStatuses()), 1, 12).Draw(rt, "statuses")
		slices.SortFunc(statuses, func(a, b domain.TaskStatus) int { return int(b) - int(a) }) // ready ones last: a claim takes the best
		for _, status := range statuses {
			queue := rapid.SampledFrom([]string{"default", "other"}).Draw(rt, "queue")
			priority := domain.Priority(rapid.IntRange(0, 10).Draw(rt, "priority"))
			key := rapid.SampledFrom([]string{"", "", uuid.NewString()}).Draw(rt, "unique")
			var delay time.Duration
			if status == pending && rapid.Bool().Draw(rt, "delayed") {
				delay = time.Hour
			}
			id := p.in(rt, status, func(t *domain.Task) {
				t.Queue, t.UniqueKey, t.Priority, t.Delay = queue, key, priority, delay
			})
			want[id], fresh[id] = status, status == pending
		}
		ids := slices.SortedFunc(maps.Keys(want), func(a, b domain.TaskID) int { return strings.Compare(a.String(), b.String()) })
		for range rapid.IntRange(1, 8).Draw(rt, "harms") {
			id := rapid.SampledFrom(ids).Draw(rt, "id")
			index := rapid.SampledFrom(indexes).Draw(rt, "index")
			switch rapid.SampledFrom([]string{"zrem", "zadd", "due", "undue", "state", "nostate", "record", "norecord", "unique", "nounique", "finished", "seq", "lane", "lanes", "results"}).Draw(rt, "harm") {
			case "zrem":
				p.do(rt, "ZREM", p.key(index), id)
			case "zadd":
				p.do(rt, "ZADD", p.key(index), rapid.SampledFrom([]string{"1", "-inf", "5e15", "0.25"}).Draw(rt, "score"), id)
				if fresh[id] {
					damaged[id] = true // a task without a state is what its index says
				}
			case "due":
				p.do(rt, "ZADD", p.key("due"), rapid.SampledFrom([]string{"1", "9e15"}).Draw(rt, "score"), id)
			case "undue":
				p.do(rt, "ZREM", p.key("due"), id)
			case "state":
				p.do(rt, "HSET", p.key("state"), id, rapid.SliceOfN(rapid.Byte(), 44, 51).Draw(rt, "state"))
				damaged[id] = true
			case "nostate":
				p.do(rt, "HDEL", p.key("state"), id)
				damaged[id] = true
			case "record":
				p.do(rt, "HSET", p.key("tasks"), id, rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "record"))
				delete(want, id)
			case "norecord":
				p.do(rt, "HDEL", p.key("tasks"), id)
				delete(want, id)
			case "unique":
				p.do(rt, "HSET", p.key("unique"), "k", id)
				p.do(rt, "HSET", p.key("unique_of"), id, "k")
			case "nounique":
				p.do(rt, "DEL", p.key("unique"))
			case "finished":
				p.do(rt, "RPOP", p.key("finished"))
			case "seq":
				p.do(rt, "HSET", p.key("meta"), "seq", rapid.SampledFrom([]string{"0", "x", "-5"}).Draw(rt, "seq"))
			case "lane":
				p.do(rt, "HSET", p.key("lanes"), rapid.SampledFrom([]string{"default|work", "other|work"}).Draw(rt, "lane"),
					rapid.SampledFrom([]string{"0", "1", "7", "x"}).Draw(rt, "number"))
			case "lanes":
				p.do(rt, "HSET", p.key("meta"), rapid.SampledFrom([]string{"lanes", "generation"}).Draw(rt, "field"),
					rapid.SampledFrom([]string{"0", "1", "7", "x"}).Draw(rt, "value"))
			case "results":
				p.do(rt, "HSET", p.key("results"), uuid.New(), "x")
			}
		}
		for _, f := range p.verify(rt, true) {
			require.True(rt, f.Repaired(), "%v", f)
		}
		require.Empty(rt, p.verify(rt, true))
		page, err := p.queue.ListTasks(rt.Context(), domain.TaskFilter{Limit: 200})
		require.NoError(rt, err)
		got, open := map[domain.TaskID]domain.TaskStatus{}, 0
		for _, task := range page.Tasks {
			require.NotContains(rt, got, task.ID)
			got[task.ID] = task.Status
			if !task.Status.Terminal() {
				open++
			}
		}
		stats, err := p.queue.GetQueueStats(rt.Context())
		require.NoError(rt, err)
		require.Equal(rt, int64(len(got)), stats.Total())
		for id, status := range want {
			require.Contains(rt, got, id, "no task is lost whose record is whole")
			if !damaged[id] {
				require.Equal(rt, status, got[id])
			}
		}
		require.Len(rt, p.drain(rt), open, "what is unfinished can be finished")
		require.Empty(rt, p.verify(rt, false))
	})
}

// TestALiveStoreGivesNoFalseAlarm works on a store, logs too, while it is checked,
// with repairs and without.
func TestALiveStoreGivesNoFalseAlarm(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	done := make(chan struct{})
	var workers sync.WaitGroup
	work := func(step func(n int) error) {
		workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				var batch *domain.BatchError
				if err := step(n); err != nil && !errors.As(err, &batch) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	ctx := t.Context()
	ids := make(chan domain.TaskID, 1000)
	for worker := range 2 {
		work(func(n int) error {
			stats, err := p.queue.GetQueueStats(ctx)
			if err != nil || stats.Total() > 3000 {
				return err
			}
			var tasks []*domain.Task
			for i := range 20 {
				task := newTask(strings.Repeat("x", n%500))
				task.Queue, task.Priority = fmt.Sprintf("q%d", n/50%20), domain.Priority(i%11)
				switch i % 5 {
				case 0:
					task.Delay = time.Duration(i) * time.Millisecond
				case 1:
					task.UniqueKey = fmt.Sprintf("k%d", i)
				}
				tasks = append(tasks, task)
				select {
				case ids <- task.ID:
				default:
				}
			}
			_, err = p.queue.Enqueue(ctx, tasks...)
			return err
		})
		work(func(n int) error {
			got, err := p.queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1 + n%50, Lease: 100 * time.Millisecond})
			if err != nil || n%17 == worker {
				return err // a worker that dies with its leases
			}
			var updates []ports.TaskUpdate
			var leases []domain.Lease
			for i, task := range got {
				if i%4 == 3 {
					leases = append(leases, *task.Lease)
					continue
				}
				updates = append(updates, ports.TaskUpdate{
					Lease: *task.Lease, Outcome: ports.Outcome(1 + i%4), RetryIn: time.Duration(i) * time.Millisecond, Result: []byte("{}"),
					Failure: domain.TaskError{Reason: domain.ReasonError, Message: "failed"},
				})
			}
			return errors.Join(p.queue.UpdateTask(ctx, updates...), p.queue.ReleaseTask(ctx, leases...))
		})
	}
	work(func(n int) error {
		var id domain.TaskID
		select {
		case id = <-ids:
		case <-done:
			return nil
		}
		switch n % 4 {
		case 0:
			return p.queue.DeleteTask(ctx, id)
		case 1:
			return p.queue.CancelTask(ctx, id)
		case 2:
			return p.queue.RunTaskNow(ctx, id)
		default:
			return p.queue.RetryTask(ctx, id)
		}
	})
	work(func(int) error {
		_, err := p.queue.PromoteDue(ctx, 100)
		_, reapErr := p.queue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 1, Limit: 100})
		_, purgeErr := p.queue.PurgeFinished(ctx, 300*time.Millisecond, 100)
		return errors.Join(err, reapErr, purgeErr)
	})
	work(func(n int) error {
		batch := uuid.New()
		for range 3 {
			if _, err := p.logs.SaveLogs(ctx, batch, logLines(20)...); err != nil {
				return err
			}
		}
		_, err := p.logs.CloseBatch(ctx, batch)
		err = errors.Join(err, p.logs.SaveAnalysis(ctx, batch, result(n%3)))
		if n%2 == 0 {
			err = errors.Join(err, p.logs.DeleteBatches(ctx, batch))
		}
		return err
	})
	work(func(int) error {
		_, err := p.logs.PurgeLogs(ctx, 200*time.Millisecond, 100)
		_, analysesErr := p.logs.PurgeAnalyses(ctx, 200*time.Millisecond, 100)
		return errors.Join(err, analysesErr)
	})
	work(func(n int) error {
		key := fmt.Sprint("key ", n%40)
		states, err := p.logs.LoadStates(ctx, key)
		if err != nil {
			return err
		}
		state := domain.State{Key: key, Revision: states[0].Revision, Data: make([]byte, n%1000)}
		_, err = p.logs.SaveState(ctx, state, time.Duration(n%3)*20*time.Millisecond)
		if errors.Is(err, domain.ErrStateConflict) {
			return nil // it has expired meanwhile
		}
		return err
	})
	looked := domain.VerifySummary{}
	for n := range 6 {
		summary, err := p.verifier.Verify(ctx, ports.VerifyRequest{Repair: n%2 == 1, Report: func(f domain.Finding) {
			t.Errorf("false alarm: %+v", f)
		}})
		require.NoError(t, err)
		looked.Tasks, looked.Logs = looked.Tasks+summary.Tasks, looked.Logs+summary.Logs
		looked.Analyses, looked.States = looked.Analyses+summary.Analyses, looked.States+summary.States
	}
	close(done)
	workers.Wait()
	require.Positive(t, looked.Tasks)
	require.Positive(t, looked.Logs)
	require.Positive(t, looked.Analyses)
	require.Positive(t, looked.States)
	t.Logf("looked at %d tasks, %d logs, %d analyses", looked.Tasks, looked.Logs, looked.Analyses)
	require.Empty(t, p.verify(t, false))
}
