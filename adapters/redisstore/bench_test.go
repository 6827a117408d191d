package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// benchPayload is about what an analysis task with twenty log ids carries.
func benchPayload() []byte {
	ids := make([]domain.LogID, 20)
	for i := range ids {
		ids[i] = uuid.New()
	}
	return domain.NewLogAnalysisTask(uuid.New(), ids...).Payload
}

// BenchmarkDrain measures what a task costs from its enqueue to its completion,
// in batches, with the CPU time that the server spends on it.
func BenchmarkDrain(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			server := redistest.Start(b)
			client, err := redisstore.Open(b.Context(), redisstore.Config{URL: server.URL()})
			require.NoError(b, err)
			queue := client.TaskQueue
			rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
			b.Cleanup(func() {
				require.NoError(b, client.Close())
				require.NoError(b, rdb.Close())
			})
			payload := benchPayload()
			before := serverCPU(b, rdb)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += size {
				tasks := make([]*domain.Task, size)
				for i := range tasks {
					tasks[i] = domain.NewTask(uuid.Must(uuid.NewV7()), "work", payload)
				}
				_, err := queue.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
				claimed, err := queue.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: size, Lease: ports.MaxLease})
				require.NoError(b, err)
				require.Len(b, claimed, size)
				require.NoError(b, queue.UpdateTask(b.Context(), portstest.Completed(claimed)...))
			}
			b.StopTimer()
			b.ReportMetric((serverCPU(b, rdb)-before)*1e6/float64(b.N), "server-µs/op")
		})
	}
}

// BenchmarkFanIn measures what a node costs of a workflow whose last task waits for 10,000
// others, from the creation to the end.
func BenchmarkFanIn(b *testing.B) {
	client, err := redisstore.Open(b.Context(), redisstore.Config{URL: redistest.Start(b).URL()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, client.Close()) })
	const before, batch = 10_000, 500
	for b.Loop() {
		last := domain.WorkflowNode{Ref: "last", Task: domain.NewTask(uuid.Nil, "work", nil)}
		flow := &domain.Workflow{ID: uuid.New()}
		for i := range before {
			last.After = append(last.After, strconv.Itoa(i))
			flow.Nodes = append(flow.Nodes, domain.WorkflowNode{Ref: last.After[i], Task: domain.NewTask(uuid.Nil, "work", benchPayload())})
		}
		flow.Nodes = append(flow.Nodes, last)
		_, err := client.CreateWorkflow(b.Context(), flow)
		require.NoError(b, err)
		for done := 0; done <= before; {
			claimed, err := client.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: batch, Lease: ports.MaxLease})
			require.NoError(b, err)
			require.NotEmpty(b, claimed)
			require.NoError(b, client.UpdateTask(b.Context(), portstest.Completed(claimed)...))
			done += len(claimed)
		}
	}
	b.ReportMetric(float64(b.N)*(before+1)/b.Elapsed().Seconds(), "nodes/s")
}

// serverCPU is the processor time that the server has used, in seconds.
func serverCPU(b *testing.B, rdb *redis.Client) float64 {
	b.Helper()
	text, err := rdb.Info(b.Context(), "cpu").Result()
	require.NoError(b, err)
	var sum float64
	for line := range strings.Lines(text) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if v, ok := strings.CutPrefix(line, name); ok {
				var f float64
				_, err := fmt.Sscanf(v, "%f", &f)
				require.NoError(b, err)
				sum += f
			}
		}
	}
	return sum
}

func BenchmarkTaskQueue(b *testing.B) {
	portstest.BenchmarkTaskQueue(b, func(b *testing.B) ports.TaskQueue {
		b.Helper()
		client, err := redisstore.Open(b.Context(), redisstore.Config{URL: redistest.Start(b).URL()})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, client.Close()) })
		return client
	})
}

// BenchmarkLimitedKeys measures what a task costs of 100 keys, each of which runs one at a
// time, and how many four workers drain in a second by claims of 25.
func BenchmarkLimitedKeys(b *testing.B) {
	for _, limited := range []bool{false, true} {
		b.Run(fmt.Sprintf("limited=%v", limited), func(b *testing.B) {
			server := redistest.Start(b)
			client, err := redisstore.Open(b.Context(), redisstore.Config{URL: server.URL()})
			require.NoError(b, err)
			rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
			b.Cleanup(func() {
				require.NoError(b, client.Close())
				require.NoError(b, rdb.Close())
			})
			if limited {
				require.NoError(b, client.SetLimit(b.Context(), domain.Limit{Name: "keys", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 1}))
			}
			begin := serverCPU(b, rdb)
			for done := 0; done < b.N; done += 1000 {
				tasks := make([]*domain.Task, min(1000, b.N-done))
				for i := range tasks {
					tasks[i] = domain.NewTask(uuid.Must(uuid.NewV7()), "work", nil)
					tasks[i].Key = strconv.Itoa(i % 100)
				}
				_, err := client.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
			}
			before := serverCPU(b, rdb)
			b.ResetTimer()
			var done atomic.Int64
			const workers = 4
			ended := make(chan error, workers)
			work := func() error {
				for done.Load() < int64(b.N) {
					claimed, err := client.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 25, Lease: ports.MaxLease})
					if err != nil {
						return err
					}
					if err := client.UpdateTask(b.Context(), portstest.Completed(claimed)...); err != nil {
						return err
					}
					done.Add(int64(len(claimed)))
				}
				return nil
			}
			for range workers {
				go func() { ended <- work() }()
			}
			for range workers {
				require.NoError(b, <-ended)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			b.ReportMetric((before-begin)*1e6/float64(b.N), "enqueue-server-µs/op")
			b.ReportMetric((serverCPU(b, rdb)-before)*1e6/float64(b.N), "run-server-µs/op")
		})
	}
}

// BenchmarkTenants measures how long the tasks of a tenant wait, one in each 10 ms for 10 s, alone and
// beside 100,000 of another one, with ten workers.
func BenchmarkTenants(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(strconv.Itoa(others), func(b *testing.B) {
			client, err := redisstore.Open(b.Context(), redisstore.Config{URL: redistest.Start(b).URL()})
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, client.Close()) })
			task := func(key string) *domain.Task {
				t := domain.NewTask(uuid.Must(uuid.NewV7()), "work", nil)
				t.Key = key
				return t
			}
			for done := 0; done < others; done += 1000 {
				tasks := make([]*domain.Task, 1000)
				for i := range tasks {
					tasks[i] = task("a")
				}
				_, err := client.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
			}
			ctx, stop := context.WithCancel(b.Context())
			var workers sync.WaitGroup
			var mu sync.Mutex
			var waits []time.Duration
			for range 10 {
				workers.Go(func() {
					for ctx.Err() == nil {
						claimed, err := client.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Wait: time.Second})
						if err != nil || len(claimed) == 0 {
							continue
						}
						if claimed[0].Key == "b" {
							mu.Lock()
							waits = append(waits, time.Since(claimed[0].CreatedAt))
							mu.Unlock()
						}
						_ = client.UpdateTask(ctx, ports.TaskUpdate{Lease: *claimed[0].Lease, Outcome: ports.OutcomeCompleted})
					}
				})
			}
			const tasks = 1000
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for range tasks {
				<-tick.C
				_, err := client.Enqueue(b.Context(), task("b"))
				require.NoError(b, err)
			}
			require.Eventually(b, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(waits) == tasks
			}, time.Minute, 10*time.Millisecond)
			stop()
			workers.Wait()
			slices.Sort(waits)
			b.ReportMetric(float64(waits[tasks/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(waits[tasks*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
