package redisstore_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// BenchmarkDepth measures what each step costs the server beside queues of several
// depths: half of the other tasks are ready, a quarter is scheduled, a quarter
// completed. NAME-µs is the median time of the server for a call of a hundred
// tasks, or for one of stats or list; longest-ms is that of its slowest script, calls
// of the largest size that the scheduler makes among them.
func BenchmarkDepth(b *testing.B) {
	for _, depth := range []int{1000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(depth), func(b *testing.B) {
			d := newDepth(b)
			d.fill(depth)
			require.NoError(b, d.rdb.ConfigSet(b.Context(), "slowlog-log-slower-than", "500").Err())
			require.NoError(b, d.rdb.Do(b.Context(), "SLOWLOG", "RESET").Err())
			for b.Loop() {
				d.round(100)
			}
			for _, name := range slices.Sorted(maps.Keys(d.micros)) {
				all := d.micros[name]
				slices.Sort(all)
				b.ReportMetric(all[len(all)/2], name+"-µs")
			}
			d.round(500)
			d.enqueue(ports.MaxEnqueue, nil)
			var longest time.Duration
			slow, err := d.rdb.SlowLogGet(b.Context(), -1).Result()
			require.NoError(b, err)
			for _, entry := range slow {
				if strings.EqualFold(entry.Args[0], "EVALSHA") {
					longest = max(longest, entry.Duration)
				}
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
		})
	}
}

// depth is a queue with other tasks in it.
type depth struct {
	b       *testing.B
	queue   *redisstore.TaskQueue
	rdb     *redis.Client
	offset  *atomic.Int64
	payload []byte
	micros  map[string][]float64
}

func newDepth(b *testing.B) *depth {
	b.Helper()
	server := redistest.Start(b)
	d := &depth{b: b, offset: new(atomic.Int64), payload: benchPayload(), micros: map[string][]float64{}}
	client, err := redisstore.Open(b.Context(), redisstore.Config{
		URL: server.URL(), ClockOffset: func() time.Duration { return time.Duration(d.offset.Load()) },
	})
	require.NoError(b, err)
	d.queue = client.TaskQueue
	d.rdb = redis.NewClient(&redis.Options{Addr: server.Addr()})
	b.Cleanup(func() {
		require.NoError(b, client.Close())
		require.NoError(b, d.rdb.Close())
	})
	return d
}

func (d *depth) tasks(n int, change func(*domain.Task)) []*domain.Task {
	out := make([]*domain.Task, n)
	for i := range out {
		out[i] = domain.NewTask(uuid.Must(uuid.NewV7()), "work", d.payload)
		if change != nil {
			change(out[i])
		}
	}
	return out
}

func (d *depth) enqueue(n int, change func(*domain.Task)) {
	d.b.Helper()
	_, err := d.queue.Enqueue(d.b.Context(), d.tasks(n, change)...)
	require.NoError(d.b, err)
}

func (d *depth) claim(n int) []*domain.Task {
	d.b.Helper()
	claimed, err := d.queue.Dequeue(d.b.Context(), ports.ClaimRequest{
		ID: uuid.New(), Max: n, Lease: time.Minute, Queues: []string{domain.DefaultQueue},
	})
	require.NoError(d.b, err)
	require.Len(d.b, claimed, n)
	return claimed
}

func (d *depth) complete(tasks []*domain.Task) {
	d.b.Helper()
	updates := portstest.Completed(tasks)
	require.NoError(d.b, d.queue.UpdateTask(d.b.Context(), updates...))
}

func (d *depth) fill(depth int) {
	d.b.Helper()
	const part = 1000
	for n := 0; n < depth; n += part {
		switch size := min(part, depth/4); n / part % 4 {
		case 0, 2:
			d.enqueue(size, func(t *domain.Task) { t.Queue = "others" })
		case 1:
			d.enqueue(size, func(t *domain.Task) { t.Delay = 365 * 24 * time.Hour })
		case 3:
			d.enqueue(size, nil)
			d.complete(d.claim(size))
		}
	}
}

// round takes n tasks through every step.
func (d *depth) round(n int) {
	d.b.Helper()
	ctx := d.b.Context()
	var claimed []*domain.Task
	d.measure("enqueue", func() { d.enqueue(n, nil) })
	d.measure("claim", func() { claimed = d.claim(n) })
	d.measure("complete", func() { d.complete(claimed) })
	d.measure("stats", func() {
		_, err := d.queue.GetQueueStats(ctx)
		require.NoError(d.b, err)
	})
	d.measure("list", func() {
		page, err := d.queue.ListTasks(ctx, domain.TaskFilter{Limit: 100})
		require.NoError(d.b, err)
		require.NotEmpty(d.b, page.Tasks)
	})
	d.enqueue(n, func(t *domain.Task) { t.Delay = time.Second })
	d.offset.Add(int64(2 * time.Second))
	d.measure("promote", func() {
		got, err := d.queue.PromoteDue(ctx, n)
		require.NoError(d.b, err)
		require.Equal(d.b, n, got.Count)
	})
	d.claim(n)
	d.offset.Add(int64(2 * time.Minute))
	d.measure("reap", func() {
		got, err := d.queue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 3, Limit: n})
		require.NoError(d.b, err)
		require.Equal(d.b, n, got.Count)
	})
	d.complete(d.claim(n))
	d.measure("purge", func() {
		ids, err := d.queue.PurgeFinished(ctx, ports.PurgeRequest{Limit: n})
		require.NoError(d.b, err)
		require.Len(d.b, ids, n)
	})
}

var evalshaTime = regexp.MustCompile(`cmdstat_evalsha:calls=\d+,usec=(\d+)`)

// measure notes how long the server's scripts ran for the step.
func (d *depth) measure(name string, step func()) {
	d.b.Helper()
	before := d.scriptMicros()
	step()
	d.micros[name] = append(d.micros[name], d.scriptMicros()-before)
}

func (d *depth) scriptMicros() float64 {
	d.b.Helper()
	text, err := d.rdb.Info(d.b.Context(), "commandstats").Result()
	require.NoError(d.b, err)
	m := evalshaTime.FindStringSubmatch(text)
	require.NotNil(d.b, m, text)
	var micros float64
	_, err = fmt.Sscan(m[1], &micros)
	require.NoError(d.b, err)
	return micros
}
