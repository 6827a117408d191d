package redisstore_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

// line is a bad line to a server: each connection of it carries so many bytes a second
// each way, and each piece comes after a delay.
type line struct {
	bytesPerSecond int // 0 for any number
	delay          atomic.Int64
	url            string
	// armed has the next reply be lost, with its connection; cuts counts those.
	armed atomic.Bool
	cuts  atomic.Int64
}

func startLine(t *testing.T, server *redistest.Server, bytesPerSecond int) *line {
	t.Helper()
	var dialer net.ListenConfig
	listener, err := dialer.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &line{bytesPerSecond: bytesPerSecond, url: "redis://" + listener.Addr().String() + "/0"}
	var open sync.WaitGroup
	var mu sync.Mutex
	conns := []io.Closer{listener}
	carry := func(to, from net.Conn, replies bool) {
		defer to.Close()
		defer from.Close()
		l.carry(to, from, replies)
	}
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			backend, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", server.Addr())
			if err != nil {
				_ = client.Close()
				return
			}
			mu.Lock()
			conns = append(conns, client, backend)
			mu.Unlock()
			open.Go(func() { carry(backend, client, false) })
			open.Go(func() { carry(client, backend, true) })
		}
	})
	t.Cleanup(func() {
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		open.Wait()
	})
	return l
}

func (l *line) carry(to io.Writer, from io.Reader, replies bool) {
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		if replies && l.armed.CompareAndSwap(true, false) {
			l.cuts.Add(1)
			return
		}
		if n > 0 {
			wait := time.Duration(l.delay.Load())
			if l.bytesPerSecond > 0 {
				wait += time.Duration(n) * time.Second / time.Duration(l.bytesPerSecond)
			}
			<-time.After(wait)
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func TestALargeTaskComesThroughASlowLine(t *testing.T) {
	t.Parallel()
	// Each way takes longer than IOTimeout, and longer than CallTimeout.
	config := redisstore.Config{IOTimeout: 500 * time.Millisecond, CallTimeout: 700 * time.Millisecond}
	queue := openQueue(t, startLine(t, redistest.Start(t), 1<<20).url, config)
	task := storetest.NewTask(strings.Repeat("1", domain.MaxPayload))
	enqueue(t, queue, task)
	got, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{
		Lease: *got[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte(strings.Repeat("2", domain.MaxPayload)),
	}))
	stored, err := queue.GetTask(t.Context(), task.ID)
	require.NoError(t, err)
	require.Len(t, stored.Result, domain.MaxPayload)
}

func TestReadersCostNoWorkerItsLease(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	slow := startLine(t, server, 0)
	queue := openQueue(t, slow.url, redisstore.Config{IOTimeout: time.Second, CallTimeout: 2 * time.Second})
	enqueue(t, queue, storetest.NewTask(`{}`))
	lease := *claim(t, queue, 1)[0].Lease
	_, err := queue.ExtendLease(t.Context(), time.Minute, lease)
	require.NoError(t, err)
	slow.delay.Store(int64(250 * time.Millisecond))

	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var refused atomic.Int64
	for range 200 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := queue.GetQueueStats(ctx); err != nil && ctx.Err() == nil {
					refused.Add(1)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return refused.Load() > 0 }, 20*time.Second, 10*time.Millisecond, "readers have no connection to spare")
	for range 3 {
		_, err := queue.ExtendLease(t.Context(), time.Minute, lease)
		require.NoError(t, err)
	}
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeCompleted}))
	stop()
	readers.Wait()
}

func TestATaskWithAKeyWaitsLongerForTurnsThanACallMayTake(t *testing.T) {
	t.Parallel()
	line := startLine(t, redistest.Start(t), 0)
	queue := openQueue(t, line.url, redisstore.Config{IOTimeout: time.Second, CallTimeout: 600 * time.Millisecond})
	enqueue(t, queue, storetest.NewTask(`{}`))
	for range 3 {
		enqueue(t, queue, newTasks(1000)...)
	}
	line.delay.Store(int64(70 * time.Millisecond))
	task := storetest.NewTask(`{}`)
	task.Key = "a"
	enqueue(t, queue, task)
}
