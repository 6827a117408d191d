package chaos_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/chaos"
)

// TestNemeses does to one Redis, one after another and with nothing beside, what takes
// a while to be judged: all processes have to be back in time, and to say how it is.
func TestNemeses(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 20 seconds; -short leaves it out")
	}
	const s, ms = time.Second, time.Millisecond
	load := chaos.DefaultLoad()
	load.Logs, load.EndBatch = 150, 40
	// The newest queues are gone after the restore, and no other one tells of that.
	load.Queues, load.QueuesUntil = 40, 10500*ms
	found, err := run(t, startRedis(t), chaos.Options{
		Seed: 1, Settings: chaos.DefaultSettings(), Load: load, Length: 16 * s, DrainLimit: 15 * s,
		Plan: chaos.Plan{
			{At: s, Fault: chaos.FaultRedisFull, For: 6500 * ms},
			{At: 9 * s, Fault: chaos.FaultRestore, For: 2 * s},
		},
	})
	require.Empty(t, strings.Join(found, "\n"))
	require.NoError(t, err)
}
