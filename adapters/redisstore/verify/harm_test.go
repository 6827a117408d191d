package verify_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"logsift/adapters/redisstore/internal/storetest"
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
	harms := map[string]func(t storetest.T, p *storetest.Patient, id domain.TaskID){}
	for n, g := range garbage {
		for _, part := range parts {
			harms[fmt.Sprintf("%s has garbage %d", part, n)] = func(t storetest.T, p *storetest.Patient, id domain.TaskID) {
				p.Do(t, "HSET", p.Key(part), id, g)
			}
		}
		for _, index := range indexes {
			harms[fmt.Sprintf("%s has the member of garbage %d", index, n)] = func(t storetest.T, p *storetest.Patient, _ domain.TaskID) {
				p.Do(t, "ZADD", p.Key(index), 1, g)
				p.Do(t, "HSET", p.Key("tasks"), g, g)
			}
		}
		harms[fmt.Sprintf("the finished tasks have garbage %d", n)] = func(t storetest.T, p *storetest.Patient, _ domain.TaskID) {
			p.Do(t, "LPUSH", p.Key("finished"), g)
		}
	}
	for _, score := range scores {
		for _, index := range indexes {
			harms[fmt.Sprintf("%s has score %s", index, score)] = func(t storetest.T, p *storetest.Patient, id domain.TaskID) {
				p.Do(t, "ZADD", p.Key(index), score, id)
			}
		}
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			for id := range p.Fill(t) {
				harm(t, p, id)
			}
			var good []domain.TaskID
			for range 3 {
				good = append(good, p.Enqueue(t, func(t *domain.Task) { t.Priority = 0 }))
			}
			p.Advance(2 * time.Hour) // retries are due, leases have expired
			_, err := p.Queue.PromoteDue(t.Context(), 100)
			require.NoError(t, err)
			_, err = p.Queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 100})
			require.NoError(t, err)
			got := map[domain.TaskID]bool{}
			for range 8 {
				tasks, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute})
				require.NoError(t, err)
				for _, task := range tasks {
					p.Report(t, task, ports.OutcomeCompleted)
					got[task.ID] = true
				}
			}
			for _, id := range good {
				require.Contains(t, got, id)
			}
			stats, err := p.Queue.GetQueueStats(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, stats.Completed, int64(3))
			for _, status := range append(domain.TaskStatuses(), 0) {
				page, err := p.Queue.ListTasks(t.Context(), domain.TaskFilter{Status: status, Limit: 200})
				require.NoError(t, err)
				_, err = json.Marshal(page)
				require.NoError(t, err, "what is listed can be shown")
			}
			p.Mend(t)
		})
	}
}

// TestRandomHarmIsMended breaks random things, several at once.
func TestRandomHarmIsMended(t *testing.T) {
	t.Parallel()
	indexes := []string{"active", "scheduled", "retrying", "completed", "failed", "cancelled", "ready:0", "ready:1", "ready:2"}
	rapid.Check(t, func(rt *rapid.T) {
		p := storetest.NewPatient(t)
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
			id := p.In(rt, status, func(t *domain.Task) {
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
				p.Do(rt, "ZREM", p.Key(index), id)
			case "zadd":
				p.Do(rt, "ZADD", p.Key(index), rapid.SampledFrom([]string{"1", "-inf", "5e15", "0.25"}).Draw(rt, "score"), id)
				if fresh[id] {
					damaged[id] = true // a task without a state is what its index says
				}
			case "due":
				p.Do(rt, "ZADD", p.Key("due"), rapid.SampledFrom([]string{"1", "9e15"}).Draw(rt, "score"), id)
			case "undue":
				p.Do(rt, "ZREM", p.Key("due"), id)
			case "state":
				p.Do(rt, "HSET", p.Key("state"), id, rapid.SliceOfN(rapid.Byte(), 44, 51).Draw(rt, "state"))
				damaged[id] = true
			case "nostate":
				p.Do(rt, "HDEL", p.Key("state"), id)
				damaged[id] = true
			case "record":
				p.Do(rt, "HSET", p.Key("tasks"), id, rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "record"))
				delete(want, id)
			case "norecord":
				p.Do(rt, "HDEL", p.Key("tasks"), id)
				delete(want, id)
			case "unique":
				p.Do(rt, "HSET", p.Key("unique"), "k", id)
				p.Do(rt, "HSET", p.Key("unique_of"), id, "k")
			case "nounique":
				p.Do(rt, "DEL", p.Key("unique"))
			case "finished":
				p.Do(rt, "RPOP", p.Key("finished"))
			case "seq":
				p.Do(rt, "HSET", p.Key("meta"), "seq", rapid.SampledFrom([]string{"0", "x", "-5"}).Draw(rt, "seq"))
			case "lane":
				p.Do(rt, "HSET", p.Key("lanes"), rapid.SampledFrom([]string{"default|work", "other|work"}).Draw(rt, "lane"),
					rapid.SampledFrom([]string{"0", "1", "7", "x"}).Draw(rt, "number"))
				// Processes that know the table as it was would not look at another that is sound.
				p.Do(rt, "HSET", p.Key("meta"), "generation", uuid.NewString())
			case "lanes":
				p.Do(rt, "HSET", p.Key("meta"), rapid.SampledFrom([]string{"lanes", "generation"}).Draw(rt, "field"),
					rapid.SampledFrom([]string{"0", "1", "7", "x"}).Draw(rt, "value"))
			case "results":
				p.Do(rt, "HSET", p.Key("results"), uuid.New(), "x")
			}
		}
		p.Mend(rt)
		page, err := p.Queue.ListTasks(rt.Context(), domain.TaskFilter{Limit: 200})
		require.NoError(rt, err)
		got, open := map[domain.TaskID]domain.TaskStatus{}, 0
		for _, task := range page.Tasks {
			require.NotContains(rt, got, task.ID)
			got[task.ID] = task.Status
			if !task.Status.Terminal() {
				open++
			}
		}
		stats, err := p.Queue.GetQueueStats(rt.Context())
		require.NoError(rt, err)
		require.Equal(rt, int64(len(got)), stats.Total())
		for id, status := range want {
			require.Contains(rt, got, id, "no task is lost whose record is whole")
			if !damaged[id] {
				require.Equal(rt, status, got[id])
			}
		}
		require.Len(rt, p.Drain(rt), open, "what is unfinished can be finished")
		require.Empty(rt, p.Verify(rt, false))
	})
}
