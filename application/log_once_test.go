package application_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// counter is an analyser that counts how often it sees each entry. Its zero value
// is ready.
type counter struct {
	mu   sync.Mutex
	seen map[domain.LogID]int
}

func (c *counter) Analyze(_ context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[domain.LogID]int{}
	}
	for _, e := range req.Logs {
		c.seen[e.ID]++
	}
	return domain.AnalysisResult{AnalysedCount: len(req.Logs)}, nil
}

// processes are some that take in and analyse the logs of one store.
type processes struct {
	queue    ports.TaskQueue
	services []*application.LogService
	analyzer counter
}

// startProcesses starts the processes; each has a queue and a repository of its own,
// which lead to the same store. The function that it returns stops them.
func startProcesses(t *testing.T, open func() (ports.TaskQueue, ports.LogRepository)) (*processes, func()) {
	t.Helper()
	f := &processes{}
	var schedulers []*application.DefaultScheduler
	for range 3 {
		queue, logs := open()
		service, err := application.NewLogService(logs, queue, application.LogServiceConfig{BatchSize: 20, BatchAge: 20 * time.Millisecond, MaxPending: 10_000}, nil)
		require.NoError(t, err)
		scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: 4, Purger: service}, nil)
		require.NoError(t, err)
		require.NoError(t, scheduler.RegisterProcessor(domain.TaskTypeLogAnalysis, application.NewLogAnalysisProcessor(logs, &f.analyzer, nil)))
		require.NoError(t, scheduler.Start(t.Context()))
		f.queue, f.services, schedulers = queue, append(f.services, service), append(schedulers, scheduler)
	}
	return f, func() {
		for _, s := range schedulers {
			require.NoError(t, s.Stop(t.Context()))
		}
	}
}

// produce sends entries to all processes at once. Every third call is sent again
// to another process, as a shipper does that lost the answer.
func (f *processes) produce(t *testing.T) map[domain.LogID]bool {
	t.Helper()
	var (
		mu      sync.Mutex
		written = map[domain.LogID]bool{}
		errs    []error
		wg      sync.WaitGroup
	)
	for producer := range 8 {
		wg.Go(func() {
			for call := range 12 {
				logs, _ := entries(producer*5 + call + 1)
				_, err := f.services[producer%len(f.services)].CreateLogs(t.Context(), logs...)
				if err == nil && call%3 == 0 {
					_, err = f.services[(producer+1)%len(f.services)].CreateLogs(t.Context(), logs...)
				}
				mu.Lock()
				errs = append(errs, err)
				for _, e := range logs {
					written[e.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return written
}

// idle reports whether no task waits or runs.
func (f *processes) idle(t *testing.T) bool {
	t.Helper()
	stats, err := f.queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	return stats.Total() == stats.Completed
}

// verify requires that each entry was analysed, and once.
func (f *processes) verify(t *testing.T, written map[domain.LogID]bool) {
	t.Helper()
	f.analyzer.mu.Lock()
	defer f.analyzer.mu.Unlock()
	require.Len(t, f.analyzer.seen, len(written), "every entry is analysed")
	for id, times := range f.analyzer.seen {
		require.True(t, written[id])
		require.Equal(t, 1, times, fmt.Sprintf("entry %s is analysed once", id))
	}
}

func TestSeveralProducersAndWorkersAnalyseEachEntryOnce(t *testing.T) {
	t.Parallel()

	inBubble(t, "memstore", func(t *testing.T) {
		queue, logs := memstore.NewTaskQueue(memstore.Config{}), memstore.NewLogRepository(memstore.Config{})
		f, stop := startProcesses(t, func() (ports.TaskQueue, ports.LogRepository) { return queue, logs })
		written := f.produce(t)
		settle(time.Second)
		require.True(t, f.idle(t))
		f.verify(t, written)
		stop()
	})

	t.Run("redisstore", func(t *testing.T) {
		t.Parallel()
		server, namespace := redistest.Shared(t)
		f, stop := startProcesses(t, func() (ports.TaskQueue, ports.LogRepository) {
			client, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL(), Namespace: namespace})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, client.Close()) })
			return client, client
		})
		written := f.produce(t)
		require.Eventually(t, func() bool { return f.idle(t) }, 30*time.Second, 10*time.Millisecond)
		f.verify(t, written)
		stop()
	})
}
