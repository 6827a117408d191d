package domain_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestHowLongATaskWasReady(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(1_000_000+s), 0) }
	for name, c := range map[string]struct {
		task  domain.Task
		want  time.Duration
		known bool
	}{
		"a new task":                 {domain.Task{CreatedAt: at(0), StartedAt: at(3), Deliveries: 1}, 3 * time.Second, true},
		"a scheduled one":            {domain.Task{CreatedAt: at(0), ScheduledAt: at(2), StartedAt: at(3), Deliveries: 1}, time.Second, true},
		"one scheduled for the past": {domain.Task{CreatedAt: at(5), ScheduledAt: at(2), StartedAt: at(6), Deliveries: 1}, time.Second, true},
		"a retried one": {domain.Task{
			CreatedAt: at(0), ScheduledAt: at(60), StartedAt: at(64), Deliveries: 2, Attempt: 1, Errors: []domain.TaskError{{At: at(1)}},
		}, 4 * time.Second, true},
		"a recovered one": {domain.Task{
			CreatedAt: at(0), StartedAt: at(64), Deliveries: 2, Recoveries: 1, Errors: []domain.TaskError{{At: at(62)}},
		}, 2 * time.Second, true},
		"one whose clock went back": {domain.Task{CreatedAt: at(9), StartedAt: at(3), Deliveries: 1}, 0, true},
		"one that was given back":   {domain.Task{CreatedAt: at(0), StartedAt: at(3), Deliveries: 2}, 0, false},
		"one that runs again": {domain.Task{
			CreatedAt: at(0), StartedAt: at(3), Deliveries: 3, Errors: []domain.TaskError{{At: at(1)}, {At: at(2)}},
		}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait, known := c.task.QueueWait()
			require.Equal(t, c.known, known)
			require.Equal(t, c.want, wait)
		})
	}
}
