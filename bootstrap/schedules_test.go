package bootstrap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/application"
	"logsift/domain"
)

func TestSchedulesFireOnceOverAllProcesses(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		c := config(store)
		body := fmt.Sprintf(`{"every_seconds":1,"missed":"all","task":{"type":"log_analysis","queue":"often","payload":{"log_ids":[%q]}}}`, uuid.New())
		c.Schedules = map[string]json.RawMessage{"often": json.RawMessage(body)}
		one, two := start(t, c), start(t, c)
		var s wire.Schedule
		require.Eventually(t, func() bool {
			require.Equal(t, http.StatusOK, call(t, one, http.MethodGet, "/api/v1/queue/schedules/often", "", "", &s))
			return len(s.Firings) >= 3
		}, 20*time.Second, 50*time.Millisecond)
		require.NoError(t, two.Stop(t.Context()))
		require.Equal(t, http.StatusOK, call(t, one, http.MethodPost, "/api/v1/queue/schedules/often:pause", "", "", nil))
		require.NoError(t, one.Stop(t.Context()))

		again := start(t, c)
		var after wire.Schedule
		require.Equal(t, http.StatusOK, call(t, again, http.MethodGet, "/api/v1/queue/schedules/often", "", "", &after))
		require.True(t, after.Paused, "a start leaves what is stored already")
		require.Equal(t, s.UpdatedAt, after.UpdatedAt)
		var list wire.TaskList
		require.Equal(t, http.StatusOK, call(t, again, http.MethodGet, "/api/v1/queue/tasks?queue=often", "", "", &list))
		require.Len(t, list.Tasks, len(after.Firings), "one task a tick, over both")
		fired := map[uuid.UUID]bool{}
		for i, f := range after.Firings {
			require.Equal(t, "fired", f.Outcome)
			require.Equal(t, time.Duration(i)*time.Second, after.Firings[0].Tick.Sub(*f.Tick), "no tick is left out")
			fired[f.TaskID] = true
		}
		for _, task := range list.Tasks {
			require.True(t, fired[task.ID])
		}
	})
}

func TestSchedulesWithoutATickLeftAreLeftOut(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	soon, past := time.Now().Add(time.Hour).Format(time.RFC3339), time.Now().Add(-time.Hour).Format(time.RFC3339)
	task := `"task":{"type":"log_analysis","payload":{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]}}`
	c.Schedules = map[string]json.RawMessage{
		"daily": json.RawMessage(`{"every_seconds":86400,"end":"` + soon + `",` + task + `}`),
		"over":  json.RawMessage(`{"cron":"@hourly","end":"` + past + `",` + task + `}`),
		"stays": json.RawMessage(`{"every_seconds":86400,` + task + `}`),
	}
	p := start(t, c)
	var list wire.ScheduleList
	require.Equal(t, http.StatusOK, call(t, p, http.MethodGet, "/api/v1/queue/schedules", "", "", &list))
	require.Len(t, list.Schedules, 1)
	require.Equal(t, "stays", list.Schedules[0].Name)
}

// BenchmarkSchedules has schedules due in one second, and four schedulers that fire them,
// and tells how long after the tick the last task was enqueued.
func BenchmarkSchedules(b *testing.B) {
	const schedules, processes = 10_000, 4
	url := redistest.Start(b).URL()
	for n := range b.N {
		open := func() *redisstore.Client {
			client, err := redisstore.Open(b.Context(), redisstore.Config{URL: url, Namespace: fmt.Sprint("bench", n)})
			require.NoError(b, err)
			b.Cleanup(func() { _ = client.Close() })
			return client
		}
		client := open()
		tick := time.Now().Add(10 * time.Second).Truncate(time.Second).UTC()
		records := make([]domain.ScheduleRecord, schedules)
		for i := range records {
			records[i] = domain.ScheduleRecord{
				Schedule: domain.Schedule{Name: fmt.Sprint("s", i), Every: time.Hour, Start: tick, Task: domain.NewTask(uuid.Nil, "work", []byte(`{"n":1}`))},
				Since:    tick.Add(-time.Hour), NextTick: tick,
			}
		}
		_, err := client.SaveSchedules(b.Context(), records...)
		require.NoError(b, err)
		var stops sync.WaitGroup
		var running []*application.DefaultScheduler
		for range processes {
			c := open()
			s, err := application.NewScheduler(c, application.SchedulerConfig{
				Workers: application.NoWorkers, Maintain: true, Schedules: application.NewScheduleService(c, c, nil),
			}, nil)
			require.NoError(b, err)
			require.NoError(b, s.Start(b.Context()))
			running = append(running, s)
		}
		<-time.After(time.Until(tick))
		for {
			stats, err := client.GetQueueStats(b.Context())
			require.NoError(b, err)
			if stats.Pending == schedules {
				break
			}
			require.Less(b, time.Since(tick), 30*time.Second)
			<-time.After(5 * time.Millisecond)
		}
		b.ReportMetric(time.Since(tick).Seconds(), "s-to-last")
		<-time.After(200 * time.Millisecond)
		stats, err := client.GetQueueStats(b.Context())
		require.NoError(b, err)
		require.Equal(b, int64(schedules), stats.Total(), "each once")
		for _, s := range running {
			stops.Go(func() { _ = s.Stop(context.WithoutCancel(b.Context())) })
		}
		stops.Wait()
	}
}
