package chaos_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/application"
	"logsift/bootstrap/systemtest/chaos"
	"logsift/domain"
)

// Three processes fire schedules of a second and are killed all the time, each at any
// instruction. Each tick has exactly one task, or is noted as left out.
func TestChaosOfSchedules(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	const lasts = 12 * time.Second
	redis := startRedis(t)
	client, err := redisstore.Open(t.Context(), redisstore.Config{URL: redis.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	service := application.NewScheduleService(client, client, nil)
	begun := map[string]time.Time{}
	for name, overlap := range map[string]domain.Overlap{"allow": domain.OverlapAllow, "skip": domain.OverlapSkip, "replace": domain.OverlapReplace} {
		r, _, err := service.PutSchedule(t.Context(), domain.Schedule{
			Name: name, Every: time.Second, Overlap: overlap, Missed: domain.MissedAll, MaxMissed: domain.MaxMaxMissed, Task: domain.NewTask(uuid.Nil, "tick", nil),
		})
		require.NoError(t, err)
		begun[name] = r.Since
	}
	processes := make([]*chaos.Process, 3)
	for i := range processes {
		processes[i] = chaos.NewProcess(chaos.ChildConfig{Role: chaos.RoleServe, Name: string(rune('a' + i)), Dir: t.TempDir(), Store: redis.URL, Settings: chaos.DefaultSettings()})
		defer processes[i].Close()
	}
	r := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		// Many kills hit what a tick does: it begins at the full second of the schedule.
		<-time.After(time.Until(begun["allow"].Add(time.Since(begun["allow"]).Truncate(time.Second) + time.Second)))
		<-time.After(time.Duration(r.Int64N(int64(20 * time.Millisecond))))
		victim := processes[r.IntN(len(processes))]
		victim.Kill()
		victim.Start()
		kills++
	}
	require.Greater(t, kills, 8)
	<-time.After(2 * domain.ScheduleLease)

	for name := range begun {
		record, err := service.PauseSchedule(t.Context(), name)
		require.NoError(t, err)
		left := map[domain.TaskID]bool{}
		for _, f := range record.Firings {
			left[f.TaskID] = f.Outcome != domain.FiringFired
		}
		for tick := begun[name].Add(time.Second); tick.Before(record.NextTick); tick = tick.Add(time.Second) {
			id := record.Schedule.TaskIDAt(tick)
			_, err := client.GetTask(t.Context(), id)
			switch noted, known := left[id]; {
			case err == nil:
				require.False(t, noted, "%s: the tick of %v is noted as left out", name, tick)
			case name == "allow" || known:
				require.True(t, noted, "%s: the tick of %v has no task: %v", name, tick, err)
			}
		}
		if name == "allow" {
			stats, err := client.ListTasks(t.Context(), domain.TaskFilter{Limit: domain.MaxPageSize})
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(stats.Tasks), int(lasts/time.Second))
		}
	}
}
