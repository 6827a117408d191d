package logsift_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift"
	"logsift/adapters/memstore"
	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/adapters/sqlitestore"
	"logsift/application"
	"logsift/application/queuetest"
	"logsift/domain"
	"logsift/ports"
)

var (
	_ logsift.Store = (*redisstore.Client)(nil)
	_ logsift.Store = (*sqlitestore.DB)(nil)
	_ logsift.Store = (*memstore.Store)(nil)
	_ logsift.Store = (*queuetest.Store)(nil)
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// onEachStore runs a test on a new store of each kind.
func onEachStore(t *testing.T, test func(t *testing.T, store logsift.Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, memstore.New(memstore.Config{}))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "tasks.db"), sqlitestore.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		test(t, store)
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		server, namespace := redistest.Shared(t)
		store, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL(), Namespace: namespace})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		test(t, store)
	})
}

// start starts a queue, and stops it at the end of the test, before its store is closed.
func start(t *testing.T, q *logsift.Queue) {
	t.Helper()
	require.NoError(t, q.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, q.Stop(context.WithoutCancel(t.Context()))) })
}

type order struct {
	Item  string
	Count int
}

func TestTasksRunOnEachStore(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		q := logsift.New(store, logsift.Options{Workers: 4})
		runs := make(chan logsift.Run, 10)
		ship := logsift.Handle(q, "ship", func(ctx context.Context, o order) (order, error) {
			runs <- logsift.Task(ctx)
			require.NoError(t, logsift.Progress(ctx, 50, "half", nil))
			logsift.Task(ctx).Log("ships", "count", o.Count)
			require.ErrorIs(t, logsift.Progress(ctx, 101, "", nil), domain.ErrInvalid)
			if o.Count < 0 {
				return o, logsift.Permanent(errors.New("nothing to ship"))
			}
			return order{o.Item, o.Count + 1}, nil
		}, logsift.OnQueue("mail"), logsift.MaxRetries(7), logsift.Timeout(time.Hour))
		later := logsift.Handle(q, "later", func(context.Context, struct{}) (struct{}, error) {
			return struct{}{}, nil
		}, logsift.In(time.Hour))
		start(t, q)

		id := uuid.New()
		task, err := ship.Enqueue(t.Context(), order{"book", 1}, logsift.ID(id), logsift.Priority(9))
		require.NoError(t, err)
		done, err := task.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, order{"book", 2}, done)
		run := <-runs
		require.WithinDuration(t, time.Now().Add(time.Hour), run.Deadline, time.Minute)
		run.Deadline = time.Time{}
		require.Equal(t, []any{id, domain.TaskType("ship"), "mail", 1, 7, time.Time{}}, []any{run.ID, run.Type, run.Queue, run.Attempt, run.MaxRetries, run.Deadline})
		require.Eventually(t, func() bool {
			lines, _, err := store.(ports.LogStore).ListBatch(t.Context(), id, 0, 10)
			return err == nil && len(lines) == 1 && lines[0].Attributes["count"] == "1"
		}, 10*time.Second, 10*time.Millisecond, "what a handler logs is stored")
		again, err := ship.Enqueue(t.Context(), order{"book", 1}, logsift.ID(id), logsift.Priority(9))
		require.NoError(t, err)
		require.Equal(t, id, again.ID, "a repeated enqueue makes no second task")

		failed, err := ship.Enqueue(t.Context(), order{Count: -1})
		require.NoError(t, err)
		_, err = ship.Task(failed.ID).Wait(t.Context())
		var ended *logsift.NoResultError
		require.ErrorAs(t, err, &ended)
		require.Equal(t, domain.TaskStatusFailed, ended.Task.Status)
		require.ErrorContains(t, err, "is FAILED: nothing to ship")

		holder, err := later.Enqueue(t.Context(), struct{}{}, logsift.Unique("one"))
		require.NoError(t, err)
		_, err = later.Enqueue(t.Context(), struct{}{}, logsift.Unique("one"))
		require.ErrorIs(t, err, domain.ErrDuplicateTask)
		kept, err := later.Enqueue(t.Context(), struct{}{}, logsift.Unique("one"), logsift.OnConflict(domain.ConflictKeep))
		require.NoError(t, err)
		require.Equal(t, holder.ID, kept.ID)
		require.Equal(t, domain.EnqueueExisting, kept.Outcome)
		many, err := later.EnqueueMany(t.Context(), make([]struct{}, 3), logsift.Unique("two"))
		require.ErrorIs(t, err, domain.ErrDuplicateTask, "two of three are refused")
		require.NotNil(t, many[0])
		require.Nil(t, many[1])

		cancelled := make(chan error, 1)
		go func() {
			_, err := holder.Wait(t.Context())
			cancelled <- err
		}()
		require.NoError(t, store.CancelTask(t.Context(), holder.ID))
		require.ErrorContains(t, <-cancelled, "is CANCELLED")
	})
}

func TestSchedulesAreFiredByQueues(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		q := logsift.New(store, logsift.Options{})
		runs := make(chan string, 10)
		tick := logsift.Handle(q, "tick", func(_ context.Context, what string) (struct{}, error) {
			runs <- what
			return struct{}{}, nil
		}, logsift.Tags("slow"))
		start(t, q)
		require.NoError(t, tick.Schedule(t.Context(), "s", logsift.Every(time.Second), "tock"))
		require.Equal(t, "tock", <-runs)
		require.NoError(t, q.Schedules().DeleteSchedule(t.Context(), "s"))
		require.ErrorIs(t, tick.Schedule(t.Context(), "s", logsift.Cron("61 * * * *"), ""), logsift.ErrInvalid)
		require.ErrorContains(t, tick.Schedule(t.Context(), "s", logsift.Every(time.Hour), "", logsift.At(time.Now())), "task.scheduled_at")
	})
}

func TestSchedulesAreTestable(t *testing.T) {
	t.Parallel()
	store := queuetest.New(t)
	q := logsift.New(store, logsift.Options{})
	ticks := 0
	tick := logsift.Handle(q, "tick", func(context.Context, struct{}) (struct{}, error) {
		ticks++
		return struct{}{}, nil
	})
	require.NoError(t, tick.Schedule(t.Context(), "s", logsift.Every(time.Hour), struct{}{}))
	store.Run(q)
	require.Zero(t, ticks)
	for n := range 2 {
		store.Advance(time.Hour)
		store.Run(q)
		require.Equal(t, n+1, ticks)
	}
}

func TestQueuesHaveTheirSharesOnEachStore(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		q := logsift.New(store, logsift.Options{Workers: 4, Queues: []string{"reports=0", "mail=3", "default"}})
		const each, reports = 1000, 20
		begun := make(chan string, 2*each+reports)
		logsift.Handle(q, "greet", func(ctx context.Context, queue string) (string, error) {
			begun <- queue
			<-time.After(time.Millisecond / 2)
			return "", nil
		})
		for queue, n := range map[string]int{"reports": reports, "mail": each, "default": each} {
			tasks := make([]*domain.Task, n)
			for i := range tasks {
				tasks[i] = domain.NewTask(uuid.Must(uuid.NewV7()), "greet", []byte(`"`+queue+`"`))
				tasks[i].Queue = queue
			}
			_, err := store.Enqueue(t.Context(), tasks...)
			require.NoError(t, err)
		}
		start(t, q)
		counts := map[string]int{}
		for n := range 2*each + reports {
			queue := <-begun
			counts[queue]++
			if queue == "reports" {
				require.Greater(t, n, 2*each-8, "the others were empty")
			}
			if n == 1000 {
				require.InDelta(t, 0.75, float64(counts["mail"])/1001, 0.05)
			}
		}
		require.Equal(t, map[string]int{"reports": reports, "mail": each, "default": each}, counts)
	})
}

func TestAVersionIsLeftToThoseWhoKnowIt(t *testing.T) {
	t.Parallel()
	store := queuetest.New(t)
	previous, present := logsift.New(store, logsift.Options{}), logsift.New(store, logsift.Options{})
	first := logsift.Handle(previous, "greet", func(_ context.Context, who string) (string, error) { return who, nil })
	second := logsift.Handle(present, "greet", func(_ context.Context, who []string) (string, error) {
		return strings.Join(who, " "), nil
	}, logsift.Version(2))

	one, err := first.Enqueue(t.Context(), "Ada")
	require.NoError(t, err)
	two, err := second.Enqueue(t.Context(), []string{"Ada", "Lovelace"})
	require.NoError(t, err)
	store.Run(previous)
	text, err := one.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Ada", text)
	left := store.Tasks("greet.v2")
	require.Equal(t, domain.TaskStatusPending, left[0].Status)
	require.Zero(t, left[0].Deliveries, "it was not even claimed")

	store.Run(present)
	text, err = two.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Ada Lovelace", text)
}

func TestATaskMayEndWithoutAResult(t *testing.T) {
	t.Parallel()
	store := queuetest.New(t)
	q := logsift.New(store, logsift.Options{})
	q.Use(func(logsift.Handler) logsift.Handler {
		return logsift.HandlerFunc(func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
	})
	silent := logsift.Handle(q, "silent", func(context.Context, string) (string, error) { return "", nil },
		logsift.ExpiresIn(time.Hour), logsift.Retention(time.Hour))
	task, err := silent.Enqueue(t.Context(), "")
	require.NoError(t, err)
	store.Run(q)
	text, err := task.Wait(t.Context())
	require.NoError(t, err)
	require.Empty(t, text)
	require.Equal(t, [2]time.Duration{time.Hour, time.Hour}, [2]time.Duration{store.Tasks("silent")[0].ExpiresIn, store.Tasks("silent")[0].Retention})
}

func TestMiddlewareIsRoundEachRun(t *testing.T) {
	t.Parallel()
	store := queuetest.New(t)
	var log bytes.Buffer
	q := logsift.New(store, logsift.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var steps []string
	step := func(name string) func(logsift.Handler) logsift.Handler {
		return func(next logsift.Handler) logsift.Handler {
			return logsift.HandlerFunc(func(ctx context.Context, task *domain.Task) ([]byte, error) {
				steps = append(steps, fmt.Sprintf("%s %d", name, logsift.Task(ctx).Attempt))
				return next.Process(ctx, task)
			})
		}
	}
	q.Use(step("outer"), step("inner"))
	fail := logsift.Handle(q, "fail", func(context.Context, any) (any, error) { panic("no luck") },
		logsift.MaxRetries(1), logsift.Backoff(logsift.RetryPolicy{Kind: "fixed", Base: time.Hour}))
	_, err := fail.Enqueue(t.Context(), nil, logsift.Key("anna"), logsift.Tags("slow"))
	require.NoError(t, err)
	store.Run(q)
	require.Equal(t, []string{"outer 1", "inner 1"}, steps)
	require.Equal(t, domain.TaskStatusRetrying, store.Tasks("fail")[0].Status)
	require.Contains(t, log.String(), `msg="task failed, it will be retried"`)
	store.Advance(time.Hour - time.Minute)
	store.Run(q)
	require.Len(t, steps, 2, "it is not due yet")
	store.Advance(time.Minute)
	store.Run(q)
	require.Equal(t, []string{"outer 1", "inner 1", "outer 2", "inner 2"}, steps)
	task := store.Tasks("fail")[0]
	require.Equal(t, domain.TaskStatusFailed, task.Status)
	require.Equal(t, "anna slow", task.Key+" "+task.Tags[0])
}

func TestWhatIsWrongIsTold(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, string) (string, error) { return "", nil }
	store := memstore.New(memstore.Config{})
	for name, c := range map[string]struct {
		field string
		queue func() *logsift.Queue
	}{
		"a wrong option": {"workers", func() *logsift.Queue { return logsift.New(store, logsift.Options{Workers: -5}) }},
		"a wrong ageing": {"ageing", func() *logsift.Queue { return logsift.New(store, logsift.Options{Ageing: time.Millisecond}) }},
		"no store":       {"store", func() *logsift.Queue { return logsift.New(nil, logsift.Options{}) }},
		"a wrong name": {"type", func() *logsift.Queue {
			q := logsift.New(store, logsift.Options{})
			logsift.Handle(q, "no name", nothing)
			return q
		}},
		"a type that has a handler": {"type", func() *logsift.Queue {
			q := logsift.New(store, logsift.Options{})
			logsift.Handle(q, "one", nothing)
			logsift.Handle(q, "one", nothing)
			return q
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := c.queue()
			var wrong *domain.ValidationError
			require.ErrorAs(t, q.Start(t.Context()), &wrong)
			require.Equal(t, c.field, wrong.Field)
			require.NoError(t, q.Stop(t.Context()))
		})
	}
	_, err := logsift.Declare[string, string](logsift.New(nil, logsift.Options{}), "one").Enqueue(t.Context(), "")
	require.ErrorIs(t, err, domain.ErrInvalid)

	q := logsift.New(store, logsift.Options{})
	one := logsift.Handle(q, "one", nothing)
	start(t, q)
	_, err = logsift.Handle(q, "late", nothing).Enqueue(t.Context(), "")
	require.ErrorContains(t, err, "before the scheduler starts")
	_, err = one.Enqueue(t.Context(), "", logsift.Version(2))
	require.ErrorContains(t, err, "where Version belongs")
	_, err = one.Enqueue(t.Context(), "", logsift.Priority(11))
	require.ErrorContains(t, err, "priority must be")
	_, err = logsift.Declare[chan int, string](q, "one").Enqueue(t.Context(), nil)
	require.ErrorContains(t, err, "payload must be JSON")

	number, err := logsift.Declare[int, string](q, "one").Enqueue(t.Context(), 1)
	require.NoError(t, err)
	_, err = number.Wait(t.Context())
	require.ErrorContains(t, err, "is FAILED: payload of a task one: json: cannot unmarshal number")
	text, err := one.Enqueue(t.Context(), "")
	require.NoError(t, err)
	_, err = logsift.Declare[string, int](q, "one").Task(text.ID).Wait(t.Context())
	require.ErrorContains(t, err, "result of task")
}

// The hello world of the guide runs in a module of its own, made from what the module
// cache has.
func TestAnEmbeddersModuleRuns(t *testing.T) {
	t.Parallel()
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	program, err := os.ReadFile("cmd/queue-example/testdata/hello/main.go")
	require.NoError(t, err)
	server, _ := redistest.Shared(t)
	const url = "redis://127.0.0.1:6379/0"
	require.Contains(t, string(program), url)
	write("main.go", strings.Replace(string(program), url, server.URL(), 1))
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	module := strings.Fields(string(mod))[1]
	write("go.mod", fmt.Sprintf("module example.com/hello\n\ngo 1.26\n\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", module, root))
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write("go.sum", string(sums))

	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "hello world\n", string(out))
}

func TestTheGuideCountsTheLines(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("docs/go.md")
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	const hello, asynq, river = "cmd/queue-example/testdata/hello/main.go", "docs/examples/hello-asynq.txt", "docs/examples/hello-river.txt"
	for form, file := range map[string]string{
		"It is [%d lines]": hello, "takes %d lines with [asynq": asynq, "and %d with [River": river,
		"hello world has %d lines": hello, "(%d with asynq": asynq, "asynq, %d with River": river,
	} {
		program, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(guide)+string(readme), fmt.Sprintf(form, bytes.Count(program, []byte("\n"))))
	}
}

func TestARunSaysHowFarItIsAndEndsWithItsTask(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		q := logsift.New(store, logsift.Options{Workers: 1, Lease: time.Hour})
		ended := make(chan error, 1)
		slow := logsift.Handle(q, "slow", func(ctx context.Context, _ struct{}) (struct{}, error) {
			if err := application.Progress(ctx, 42, "half way", nil); err != nil {
				return struct{}{}, err
			}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return struct{}{}, ctx.Err()
		})
		start(t, q)
		task, err := slow.Enqueue(t.Context(), struct{}{})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			got, err := store.GetTask(t.Context(), task.ID)
			return err == nil && got.Progress != nil && got.Progress.Percent == 42
		}, 5*time.Second, 10*time.Millisecond)
		require.NoError(t, store.CancelTask(t.Context(), task.ID))
		require.ErrorIs(t, <-ended, domain.ErrLeaseLost, "not at the next heartbeat, in twenty minutes")
	})
}

func TestWorkflowsRunOnEachStore(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		if _, ok := store.(ports.WorkflowKeeper); !ok {
			t.Skip("the store keeps no workflows")
		}
		q := logsift.New(store, logsift.Options{Workers: 4})
		count := logsift.Handle(q, "count", func(_ context.Context, n int) (int, error) {
			if n < 0 {
				return 0, logsift.Permanent(errors.New("too few"))
			}
			return n, nil
		})
		sum := logsift.Handle(q, "sum", func(ctx context.Context, _ struct{}) (int, error) {
			all := 0
			for p, err := range logsift.Predecessors(ctx) {
				if err != nil {
					return 0, err
				}
				if n, err := logsift.ResultOf[int](ctx, p.Ref); err == nil {
					all += n
				}
			}
			_, err := logsift.ResultOf[int](ctx, "nobody")
			require.ErrorIs(t, err, domain.ErrTaskNotFound)
			return all, nil
		})
		start(t, q)
		a, b, bad := count.Node("a", 3), count.Node("b", 4), count.Node("bad", -1)
		id, err := q.Submit(t.Context(), "sums", a, b, bad,
			sum.Node("sum", struct{}{}).After("a", "b"),
			sum.Node("never", struct{}{}).After("a", "bad"),
			sum.Node("callback", struct{}{}).AfterFailure("bad"),
			sum.Node("last", struct{}{}).AfterEnd("sum", "never"))
		require.NoError(t, err)
		for ref, want := range map[string]int{"sum": 7, "callback": 0, "last": 7} {
			got, err := sum.Task(domain.TaskIDOf(id, ref)).Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, got, ref)
		}
		_, err = sum.Task(domain.TaskIDOf(id, "never")).Wait(t.Context())
		require.ErrorContains(t, err, `it waited for the success of "bad", which ended FAILED`)
		require.ErrorContains(t, q.SubmitAs(t.Context(), id, "sums", a), "a different workflow with this id exists")
		require.ErrorContains(t, q.SubmitAs(t.Context(), uuid.New(), "", a, b.After("a").AfterEnd("a")), `task "b": when must be the same`)
		require.ErrorContains(t, q.SubmitAs(t.Context(), uuid.New(), "", a, b.After("c")), "tasks.1.after must be the ref of a task")
	})
}

func TestGroupsRunTogetherOnEachStore(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store logsift.Store) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		q := logsift.New(store, logsift.Options{Workers: 2})
		rounds := make(chan domain.TaskID, 10)
		q.Use(func(next logsift.Handler) logsift.Handler {
			return logsift.HandlerFunc(func(ctx context.Context, task *logsift.StoredTask) ([]byte, error) {
				rounds <- task.ID
				return next.Process(ctx, task)
			})
		})
		type seen struct {
			in  []int
			ids []domain.TaskID
		}
		runs := make(chan seen, 10)
		double := logsift.HandleGroup(q, "double", func(ctx context.Context, in []int) ([]logsift.Result[int], error) {
			run, out := seen{in: in}, make([]logsift.Result[int], len(in))
			for i, n := range in {
				run.ids = append(run.ids, logsift.Task(logsift.TaskIn(ctx, i)).ID)
				if out[i].Value = 2 * n; n < 0 {
					out[i].Err = logsift.Permanent(errors.New("negative"))
				}
			}
			logsift.Task(logsift.TaskIn(ctx, 0)).Log("first of these")
			runs <- run
			return out, nil
		}, logsift.GroupSize(5), logsift.GroupAge(time.Hour))
		start(t, q)

		tasks, err := double.EnqueueMany(t.Context(), []int{1, 2, -3, 4})
		require.NoError(t, err)
		stored, err := store.GetTask(t.Context(), tasks[0].ID)
		require.NoError(t, err)
		require.Equal(t, []any{"default", 5, time.Hour}, []any{stored.Group, stored.GroupSize, stored.GroupAge})
		broken := stored.AsEnqueued()
		broken.ID, broken.Payload, broken.ScheduledAt = uuid.New(), []byte(`"no number"`), time.Time{}
		_, err = store.Enqueue(t.Context(), broken)
		require.NoError(t, err)
		for i, want := range []int{2, 4, 0, 8} {
			got, err := tasks[i].Wait(ctx)
			require.Equal(t, want, got)
			require.Equal(t, want == 0, err != nil)
		}
		run := <-runs
		require.Equal(t, []int{1, 2, -3, 4}, run.in)
		for i, id := range run.ids {
			require.Equal(t, tasks[i].ID, id)
		}
		_, err = double.Task(broken.ID).Wait(ctx)
		require.ErrorContains(t, err, "is FAILED: payload of a task double")
		require.Eventually(t, func() bool {
			first, _, err := store.(ports.LogStore).ListBatch(t.Context(), tasks[0].ID, 0, 10)
			second, _, err2 := store.(ports.LogStore).ListBatch(t.Context(), tasks[1].ID, 0, 10)
			return err == nil && err2 == nil && len(first) == 1 && len(second) == 0
		}, 10*time.Second, 10*time.Millisecond)

		alone, err := double.Enqueue(t.Context(), 7, logsift.In(time.Millisecond))
		require.NoError(t, err)
		got, err := alone.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, 14, got)
		require.Equal(t, []domain.TaskID{alone.ID}, (<-runs).ids)
		require.Equal(t, []domain.TaskID{tasks[0].ID, alone.ID}, []domain.TaskID{<-rounds, <-rounds})
		require.Empty(t, rounds, "middleware is round each run once")
		_, err = double.Enqueue(t.Context(), 8, logsift.Group("g"), logsift.Key("k"))
		require.ErrorIs(t, err, logsift.ErrInvalid)
	})
}

func TestTheContextOfATaskInAGroupIsMadeOfTheHandlers(t *testing.T) {
	t.Parallel()
	type key struct{}
	store := queuetest.New(t)
	q := logsift.New(store, logsift.Options{})
	q.Use(func(next logsift.Handler) logsift.Handler {
		return logsift.HandlerFunc(func(ctx context.Context, task *logsift.StoredTask) ([]byte, error) {
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, key{}, "of the middleware"), time.Minute)
			defer cancel()
			return next.Process(ctx, task)
		})
	})
	run := 0
	both := logsift.HandleGroup(q, "both", func(ctx context.Context, in []int) ([]logsift.Result[int], error) {
		run++
		of, end := context.WithCancel(ctx)
		for i := range in {
			one := logsift.TaskIn(of, i)
			require.Equal(t, "of the middleware", one.Value(key{}))
			require.Less(t, time.Until(logsift.Task(one).Deadline), time.Hour)
			require.NoError(t, one.Err())
			defer func() { require.Error(t, one.Err(), "it ends with the one that it was made of") }()
		}
		end()
		return make([]logsift.Result[int], len(in)), nil
	}, logsift.GroupSize(2), logsift.Timeout(3*time.Hour))
	_, err := both.EnqueueMany(t.Context(), []int{1, 2})
	require.NoError(t, err)
	store.Run(q)
	require.Equal(t, 1, run)
}

func TestWhatFailsAWholeGroup(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func([]int) ([]logsift.Result[int], error){
		"the handler has no luck":                               func([]int) ([]logsift.Result[int], error) { return nil, errors.New("the handler has no luck") },
		"the handler gave 1 results for the 2 tasks of a group": func([]int) ([]logsift.Result[int], error) { return make([]logsift.Result[int], 1), nil },
	} {
		store := queuetest.New(t)
		q := logsift.New(store, logsift.Options{})
		both := logsift.HandleGroup(q, "both", func(_ context.Context, in []int) ([]logsift.Result[int], error) { return f(in) }, logsift.MaxRetries(0))
		tasks, err := both.EnqueueMany(t.Context(), []int{1, 2}, logsift.GroupSize(3))
		require.NoError(t, err)
		store.Run(q)
		require.Equal(t, domain.TaskStatusPending, store.Tasks("both")[1].Status, "they wait for a third")
		store.Advance(domain.DefaultGroupAge)
		store.Run(q)
		for _, task := range tasks {
			_, err := task.Wait(t.Context())
			require.ErrorContains(t, err, name)
		}
	}
}
