package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap"
	"logsift/domain"
	"logsift/ports"
)

func TestRedisFaults(t *testing.T) {
	t.Parallel()
	t.Run("a power cut loses the newest only, and leaves no impossible state", powerCut)
	t.Run("an outage costs an idle worker no processor time and few log lines, and is reported", longOutage)
	t.Run("a frozen Redis holds up neither calls nor the stop", frozenRedis)
	t.Run("a call whose reply was lost may be repeated", lostReplies)
	t.Run("a full Redis takes neither tasks nor logs, and keeps nothing of them", fullRedis)
	t.Run("a Redis that may evict is taken on demand only, with a warning in the statistics", evictingRedis)
	t.Run("a demoted master is reported as read-only, and makes nobody busy", demotedMaster)
}

// load posts tasks until it is told to stop, and gathers what was acknowledged.
type load struct {
	stop, done chan struct{}

	mu    sync.Mutex // guards the fields below
	acked []domain.TaskID
	other map[int]int // other answers by status, 0 for none at all
}

func newLoad(t *testing.T, a api) *load {
	t.Helper()
	l := &load{stop: make(chan struct{}), done: make(chan struct{}), other: map[int]int{}}
	ctx := t.Context()
	go func() {
		defer close(l.done)
		for {
			select {
			case <-l.stop:
				return
			case <-ctx.Done(): // The test has failed.
				return
			default:
			}
			got, err := a.try(ctx, http.MethodPost, tasksPath, "application/json", strings.NewReader(analysisTask))
			l.mu.Lock()
			if err == nil && got.status == http.StatusCreated {
				l.acked = append(l.acked, decode[wire.Task](t, got).ID)
			} else {
				l.other[got.status]++
			}
			l.mu.Unlock()
		}
	}()
	return l
}

// count is how many tasks were acknowledged so far.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// awaitMore waits until n more tasks were acknowledged.
func (l *load) awaitMore(t *testing.T, n int) {
	t.Helper()
	n += l.count()
	require.Eventually(t, func() bool { return l.count() >= n }, patience, 5*time.Millisecond)
}

// end stops it and returns the acknowledged tasks and the other answers.
func (l *load) end() ([]domain.TaskID, map[int]int) {
	close(l.stop)
	<-l.done
	return l.acked, l.other
}

// aofFolder is where Redis keeps its append-only files.
const aofFolder = "appendonlydir"

func powerCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, "--appendonly", "yes", "--appendfsync", "always", "--dir", dir)
	var acked []domain.TaskID
	var leases []domain.Lease
	for i := range 60 {
		task := newTask(doNothing, 0)
		w.add(t, task)
		acked = append(acked, task.ID)
		if i%3 == 0 {
			continue
		}
		got := w.claim(t, 1, time.Minute)[0]
		if i%3 == 1 {
			leases = append(leases, *got.Lease)
			continue
		}
		require.NoError(t, w.queue.UpdateTask(t.Context(), completed(got, `"done"`)))
	}
	w.server.Pause(t)
	saved := filepath.Join(t.TempDir(), aofFolder)
	require.NoError(t, os.CopyFS(saved, os.DirFS(filepath.Join(dir, aofFolder))))
	w.server.Kill(t)

	for _, cut := range []int64{0, 1, 40, 300, 1000, 2500, 6000} {
		t.Run(fmt.Sprintf("of %d bytes", cut), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(filepath.Join(dir, aofFolder), os.DirFS(saved)))
			files, err := filepath.Glob(filepath.Join(dir, aofFolder, "*.incr.aof"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			info, err := os.Stat(files[0])
			require.NoError(t, err)
			require.NoError(t, os.Truncate(files[0], info.Size()-cut))

			w := newWorld(t, "--appendonly", "yes", "--appendfsync", "always", "--dir", dir)
			w.audit(t)
			kept := 0
			for _, id := range acked {
				if _, err := w.queue.GetTask(t.Context(), id); err == nil {
					kept++
				} else {
					require.ErrorIs(t, err, domain.ErrTaskNotFound)
					break
				}
			}
			for _, id := range acked[kept:] {
				_, err := w.queue.GetTask(t.Context(), id)
				require.ErrorIs(t, err, domain.ErrTaskNotFound, "what is lost is the newest")
			}
			if cut == 0 {
				require.Len(t, acked, kept, "what was acknowledged had been written")
			}
			require.Greater(t, kept, len(acked)/3)
			// Those whose claims were lost too are claimed by others, under the same
			// delivery number.
			again := map[domain.TaskID]*domain.Task{}
			got, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute})
			require.NoError(t, err)
			for _, task := range got {
				again[task.ID] = task
			}
			lost := 0
			for _, l := range leases {
				before := w.dump(t)
				err := w.queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: l, Outcome: ports.OutcomeCompleted, Result: []byte(`"old"`)})
				heir, claimed := again[l.TaskID]
				_, missing := w.queue.GetTask(t.Context(), l.TaskID)
				if !claimed && missing == nil {
					require.NoError(t, err, "a lease that is still there is good")
					continue
				}
				lost++
				require.ErrorIs(t, err, domain.ErrLeaseLost)
				require.Equal(t, before, w.dump(t))
				if claimed {
					require.GreaterOrEqual(t, heir.Deliveries, l.Delivery)
					require.NoError(t, w.queue.UpdateTask(t.Context(), completed(heir, `"new"`)))
				}
			}
			t.Logf("%d of %d acknowledged tasks and %d of %d leases lost", len(acked)-kept, len(acked), lost, len(leases))
			w.audit(t)
		})
	}
}

func longOutage(t *testing.T) {
	t.Parallel()
	const outage = 10 * time.Second
	w := newWorld(t, "--appendonly", "yes", "--appendfsync", "always")
	c := w.config()
	c.LogLevel = "info"
	p, a := w.child(t, c)
	a.awaitTask(t, a.posted(t), domain.TaskStatusCompleted)
	w.server.Kill(t)
	died, used := time.Now(), p.stats(t).CPU
	pause(t, outage)
	share := float64(p.stats(t).CPU-used) / float64(time.Since(died))
	lines := p.logged(died)
	t.Logf("in %v: %.2f %% of a processor, %d log lines", time.Since(died), 100*share, lines)
	require.Less(t, share, 0.05)
	require.LessOrEqual(t, lines, int(time.Since(died)/time.Second))
	for _, path := range []string{statsPath, tasksPath, tasksPath + "/" + uuid.NewString(), "/api/v1/logs", "/api/v1/anomalies"} {
		refused(t, a.get(t, path), http.StatusServiceUnavailable, "store-unavailable")
	}
	ready := a.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, ready.status)
	require.False(t, decode[wire.Readiness](t, ready).Components["store"].Ready)
	w.server.Restart(t)
	a.awaitOK(t, "/readyz", 5*time.Second)
	a.awaitTask(t, a.posted(t), domain.TaskStatusCompleted)
	w.audit(t)
}

func frozenRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ai := newAI(t)
	c := w.config()
	ai.configure(&c)
	c.Lease, c.DrainTimeout = shortLease, time.Second
	running, a := app(t, c)
	a.sendLogs(t)
	receive(t, ai.asked)
	w.server.Pause(t)
	for _, call := range []func() answer{
		func() answer { return a.post(t) }, func() answer { return a.get(t, statsPath) }, func() answer { return a.get(t, tasksPath) },
	} {
		got := call()
		refused(t, got, http.StatusServiceUnavailable, "store-unavailable")
		require.Less(t, got.took, callLimit)
	}
	ready := a.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, ready.status)
	require.Less(t, ready.took, callLimit)
	require.Equal(t, http.StatusOK, a.get(t, "/healthz").status)

	begun := time.Now()
	// Whether it knows that it could not give the task back depends on the lease.
	_ = running.Stop(t.Context())
	require.Less(t, time.Since(begun), c.DrainTimeout+bootstrap.StopMargin)
	w.server.Resume(t)
	w.awaitStats(t, "the queue answers", func(s domain.QueueStats) bool { return s.Total() >= 1 })
	w.maintainer(t)
	w.awaitStats(t, "the task is given to others", func(s domain.QueueStats) bool { return s.Processing == 0 && s.Pending >= 1 })
	w.audit(t)
}

func lostReplies(t *testing.T) {
	t.Parallel()
	// Each call is made on a queue of its own, in which a task is waiting, one is
	// claimed, one has an expired lease, one is due, one has failed and one is old.
	type tools struct {
		*world
		queue   *redisstore.TaskQueue
		added   *domain.Task
		claimed *domain.Task
		failed  *domain.Task
		claim   ports.ClaimRequest
	}
	calls := map[string]func(context.Context, *tools) error{
		"enqueue": func(ctx context.Context, w *tools) error { return errOf(w.queue.Enqueue(ctx, w.added)) },
		"claim": func(ctx context.Context, w *tools) error {
			tasks, err := w.queue.Dequeue(ctx, w.claim)
			if err == nil && len(tasks) != 1 {
				return fmt.Errorf("claimed %d tasks", len(tasks))
			}
			return err
		},
		"recover": func(ctx context.Context, w *tools) error {
			return errOf(w.queue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 3, Limit: 10}))
		},
		"promote": func(ctx context.Context, w *tools) error { return errOf(w.queue.PromoteDue(ctx, 10)) },
		"purge": func(ctx context.Context, w *tools) error {
			return errOf(w.queue.PurgeFinished(ctx, ports.PurgeRequest{Limit: 10}))
		},
		"cancel again": func(ctx context.Context, w *tools) error {
			return ifNot(w.queue.CancelTask(ctx, w.claimed.ID), domain.ErrInvalidTransition)
		},
		"retry by a person": func(ctx context.Context, w *tools) error {
			return ifNot(w.queue.RetryTask(ctx, w.failed.ID), domain.ErrInvalidTransition)
		},
		"delete": func(ctx context.Context, w *tools) error {
			return ifNot(w.queue.DeleteTask(ctx, w.failed.ID), domain.ErrTaskNotFound)
		},
	}
	for name, call := range leaseCalls {
		calls[name] = func(ctx context.Context, w *tools) error { return call(ctx, w.queue, *w.claimed.Lease) }
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// prepare makes such a queue, and outcome tells what is in it afterwards.
			prepare := func(through func(addr string) string) *tools {
				w := sharedWorld(t)
				out := &tools{world: w, added: newTask(doNothing, 0), claim: ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute}}
				old, failed, expired, claimed := newTask(doNothing, 0), newTask(doNothing, 0), newTask(doNothing, 0), newTask(doNothing, 0)
				w.add(t, old, failed)
				got := w.claim(t, 2, time.Minute)
				require.NoError(t, w.queue.UpdateTask(t.Context(), completed(got[0], ""), ports.TaskUpdate{Lease: *got[1].Lease, Outcome: ports.OutcomeFailed}))
				w.add(t, expired)
				w.claim(t, 1, ports.MinLease)
				w.add(t, claimed)
				out.claimed, out.failed = w.claim(t, 1, time.Minute)[0], failed
				w.add(t, newTask(doNothing, 0), newTask(doNothing, 0), newTask(doNothing, 0, func(t *domain.Task) { t.Delay = 100 * time.Millisecond }))
				pause(t, 150*time.Millisecond)
				// With a short time-out, since it is to run into it.
				_, out.queue = w.open(t, through(w.server.Addr()), 2*time.Second)
				// The connections, the lanes and the scripts are there already; reports have
				// connections of their own.
				require.NoError(t, ifNot(out.queue.DeleteTask(t.Context(), uuid.New()), domain.ErrTaskNotFound))
				require.NoError(t, ifNot(out.queue.ReleaseTask(t.Context(), domain.Lease{TaskID: uuid.New(), ClaimID: uuid.New(), Delivery: 1}), domain.ErrLeaseLost))
				return out
			}
			outcome := func(w *tools) []string {
				page, err := w.world.queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 100})
				require.NoError(t, err)
				var out []string
				for _, task := range page.Tasks {
					out = append(out, fmt.Sprint(task.Status, counters(task), len(task.Errors), task.Lease != nil))
				}
				stats := w.audit(t)
				stats.OldestPending = 0
				return append(out, fmt.Sprintf("%+v", stats))
			}
			undisturbed := prepare(func(addr string) string { return "redis://" + addr + "/0" })
			require.NoError(t, call(t.Context(), undisturbed))
			want := outcome(undisturbed)

			var p proxy
			w := prepare(func(addr string) string {
				p = newProxy(t, addr)
				return p.url
			})
			before := outcome(w)
			p.toxic(t, "limit_data", "downstream", map[string]int{"bytes": 1})
			require.ErrorIs(t, call(t.Context(), w), domain.ErrStoreUnavailable)
			if name != "extend" {
				require.NotEqual(t, before, outcome(w), "it was carried out")
			}
			p.mend(t)
			require.NoError(t, call(t.Context(), w))
			// The others have no argument to be known by: a repeat does what is left to do.
			if name != "purge" && name != "recover" && name != "promote" {
				require.NoError(t, call(t.Context(), w))
			}
			require.Equal(t, want, outcome(w), "the same as without the loss")
		})
	}
}

func errOf[T any](_ T, err error) error { return err }

// ifNot returns err unless it is the expected one.
func ifNot(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func fullRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, a := app(t, w.apiOnly())
	a.posted(t)
	require.NoError(t, w.raw.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	before := w.dump(t)
	refused(t, a.post(t), http.StatusInsufficientStorage, "store-full")
	batch := a.call(t, http.MethodPost, tasksPath+":batch", "application/x-ndjson", strings.Repeat(analysisTask+"\n", 100))
	require.Equal(t, http.StatusInsufficientStorage, batch.status, "%s", batch.body)
	logs := a.call(t, http.MethodPost, "/api/v1/logs?source=app", "text/plain", "2026-05-01 08:00:00 ERROR full\n")
	require.Equal(t, http.StatusInsufficientStorage, logs.status, "%s", logs.body)
	require.Equal(t, before, w.dump(t), "nothing partial is left behind")
	require.Equal(t, http.StatusOK, a.get(t, statsPath).status)
	require.NoError(t, w.raw.ConfigSet(t.Context(), "maxmemory", "0").Err())
	a.posted(t)
	w.audit(t)
}

func evictingRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "volatile-lru", "--appendonly", "yes")
	c := bootstrap.DefaultConfig()
	c.Store, c.Addr, c.LogLevel, c.Workers = server.URL(), "127.0.0.1:0", "warn", 0
	_, err := bootstrap.New(t.Context(), c)
	require.ErrorContains(t, err, "maxmemory-policy volatile-lru")
	require.ErrorContains(t, err, "--allow-eviction")
	c.AllowEviction = true
	p := spawn(t, childConfig{Role: roleApp, App: &c})
	require.Eventually(t, func() bool { return strings.Contains(p.log(), "redis may evict tasks") }, patience, 5*time.Millisecond)
	a := api{"http://" + p.await(t, "being ready", kind("ready", "")).Text}
	require.Contains(t, fmt.Sprint(decode[wire.Stats](t, a.get(t, statsPath)).Warnings), "evict")
}

// demote makes a replica of the world's server, and returns how to undo it.
func (w *world) demote(t *testing.T) (promote func()) {
	t.Helper()
	host, port, _ := strings.Cut(redistest.Start(t).Addr(), ":")
	require.NoError(t, w.raw.ReplicaOf(t.Context(), host, port).Err())
	require.Eventually(t, func() bool { return w.info(t, "replication")["master_link_status"] == "up" }, patience, 20*time.Millisecond)
	return func() { require.NoError(t, w.raw.ReplicaOf(t.Context(), "NO", "ONE").Err()) }
}

func demotedMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes")
	c := w.config()
	c.LogLevel = "info"
	p, a := w.child(t, c)
	a.awaitTask(t, a.posted(t), domain.TaskStatusCompleted)
	promote := w.demote(t)
	demoted, used := time.Now(), p.stats(t).CPU
	refused(t, a.post(t), http.StatusServiceUnavailable, "store-read-only")
	require.Equal(t, http.StatusOK, a.get(t, statsPath).status, "what can be read is told")
	pause(t, 4*time.Second)
	require.Less(t, float64(p.stats(t).CPU-used)/float64(time.Since(demoted)), 0.05)
	require.LessOrEqual(t, p.logged(demoted), 4)
	promote()
	a.awaitTask(t, a.posted(t), domain.TaskStatusCompleted)
	w.audit(t)
}
