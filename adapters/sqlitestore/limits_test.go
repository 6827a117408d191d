package sqlitestore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// claimable is a task as TestClaimsKeepLimits sees it.
type claimable struct {
	seq, prio, state int64
	queue, typ, key  string
	paused           bool
}

// seen is all that one look at a file tells of its tasks and limits.
type seen struct {
	tasks  []claimable
	limits *limits
	slots  map[keyID]slot
}

func lookAt(t *testing.T, db *DB) seen {
	t.Helper()
	out := seen{slots: map[keyID]slot{}}
	require.NoError(t, db.read(t.Context(), "look", func(s *statements) (err error) {
		if out.limits, err = readLimits(s); err != nil {
			return err
		}
		if err := s.each(func(r *row) error {
			out.slots[keyID{queue: r.text(0), key: string(r.blob(1))}] = slot{r.int(2), r.int(3), r.int(4), r.int(5), 0}
			return r.err
		}, "SELECT queue, key, running, holder, holder_lane, full_ns FROM slot"); err != nil {
			return err
		}
		return s.each(func(r *row) error {
			out.tasks = append(out.tasks, claimable{r.int(0), r.int(1), r.int(2), r.text(3), r.text(4), string(r.blob(5)), r.int(6) > 0})
			return r.err
		}, `SELECT seq, priority, state, queue, type, key, queue IN (SELECT queue FROM pause) FROM task JOIN lane ON lane.id = lane
			WHERE state <= 4 ORDER BY priority DESC, seq`)
	}))
	return out
}

// running counts the tasks of a limit, of one key if it is one of keys.
func (s *seen) running(l *limit, key string) (n int64) {
	for _, task := range s.tasks {
		if task.state == int64(stateProcessing) && (l.Queue == "" || l.Queue == task.queue) && (l.Type == "" || string(l.Type) == task.typ) &&
			(l.Scope != domain.LimitKey || task.key == key) {
			n++
		}
	}
	return n
}

// of returns the limits of a task.
func (s *seen) of(task claimable) []*limit {
	out := s.limits.ofClass(s.limits.classOf(task.queue, domain.TaskType(task.typ)))
	if l := s.limits.ofKey(task.queue, task.key); l != nil {
		out = append(out, l)
	}
	return out
}

// heldBack says why a ready task may not be claimed, "" if it may.
func (s *seen) heldBack(task claimable, now int64) string {
	for _, l := range s.of(task) {
		full, slot := l.full, s.slots[keyID{queue: task.queue, key: task.key}]
		if l.Scope == domain.LimitKey {
			full = slot.full
		}
		if l.free(s.running(l, task.key), full, now) == 0 {
			return l.Name
		}
		if !l.Ordered() {
			continue
		}
		for _, other := range s.tasks {
			if other.queue != task.queue || other.key != task.key || other.state != int64(stateReady) && other.seq != slot.holder {
				continue
			}
			if slot.holder != 0 && other.seq != slot.holder {
				continue
			}
			if other.seq != task.seq {
				return l.Name + " in order"
			}
			break
		}
	}
	return ""
}

// TestClaimsKeepLimits compares each claim with what a look at all tasks allows, while
// tasks, limits and clocks come and go by two handles.
func TestClaimsKeepLimits(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 1))
	path := filepath.Join(t.TempDir(), "store.db")
	first, advance := openIn(t, path)
	second, err := Open(t.Context(), path, first.config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Close()) })
	pick := func(names ...string) string { return names[random.IntN(len(names))] }
	queueName := func() string { return pick("a", "b", "c") }
	typeName := func() domain.TaskType { return domain.TaskType(pick("x", "y")) }
	key := func() string { return pick("", "k1", "k2", "k3", "k4") }
	var known []domain.TaskID
	var leases []domain.Lease
	held, taken := map[string]int{}, 0
	for step := range 300 {
		db := []*DB{first, second}[random.IntN(2)]
		switch random.IntN(14) {
		case 0, 1:
			var tasks []*domain.Task
			for range 1 + random.IntN(12) {
				task := domain.NewTask(uuid.New(), typeName(), nil)
				task.Queue, task.Key, task.Priority = queueName(), key(), domain.Priority(random.IntN(3))
				if random.IntN(5) == 0 {
					task.Delay = time.Duration(random.IntN(60)) * time.Second
				}
				if random.IntN(8) == 0 {
					task.UniqueKey, task.OnConflict = pick("u1", "u2"), domain.ConflictReplace
				}
				tasks, known = append(tasks, task), append(known, task.ID)
			}
			_, _ = db.Enqueue(t.Context(), tasks...)
		case 2:
			require.NoError(t, db.PauseQueue(t.Context(), queueName()))
		case 3:
			require.NoError(t, db.ResumeQueue(t.Context(), queueName()))
		case 4:
			advance(time.Duration(random.IntN(20)) * time.Second)
			require.NoError(t, errOf(db.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 100})))
		case 5:
			if len(known) > 0 {
				id := known[random.IntN(len(known))]
				// What the task's state forbids is refused.
				_ = []func() error{
					func() error { return db.CancelTask(t.Context(), id) },
					func() error { return db.DeleteTask(t.Context(), id) },
					func() error { return db.RetryTask(t.Context(), id) },
					func() error { return db.RunTaskNow(t.Context(), id) },
				}[random.IntN(4)]()
			}
		case 6, 7, 8:
			n := random.IntN(min(len(leases), 6) + 1)
			for _, lease := range leases[:n] {
				// The lease may be gone.
				_ = []func() error{
					func() error { return db.ReleaseTask(t.Context(), lease) },
					func() error {
						return db.UpdateTask(t.Context(), ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeCompleted})
					},
					func() error {
						return db.UpdateTask(t.Context(), ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeCompleted})
					},
					func() error {
						return db.UpdateTask(t.Context(), ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeRetry, RetryIn: time.Duration(random.IntN(20)) * time.Second, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "m"}})
					},
					func() error {
						return db.UpdateTask(t.Context(), ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeSnooze, RetryIn: time.Duration(random.IntN(20)) * time.Second})
					},
				}[random.IntN(5)]()
			}
			leases = leases[n:]
		case 9:
			l := domain.Limit{Name: pick("l1", "l2", "l3", "l4"), Scope: domain.LimitScope(pick("queue", "type", "key", "key"))}
			if l.Scope == domain.LimitType {
				l.Type = typeName()
			} else {
				l.Queue = queueName()
			}
			if l.Scope == domain.LimitKey {
				l.Key = pick("", "", "k1")
			}
			if l.Concurrency = random.IntN(4); l.Scope == domain.LimitKey && random.IntN(2) == 0 {
				l.Concurrency = 1
			}
			if l.Concurrency == 0 || random.IntN(3) == 0 {
				l.Rate = domain.Rate{Count: 1 + random.IntN(5), Per: 10 * time.Second, Burst: random.IntN(4)}
			}
			if l.Ordered() {
				l.Retries = domain.RetryOrder(pick("", "block", "overtake"))
			}
			if err := db.SetLimit(t.Context(), l); err != nil {
				require.ErrorIs(t, err, domain.ErrLimitExists)
			}
		case 10:
			if err := db.DeleteLimit(t.Context(), pick("l1", "l2", "l3", "l4")); err != nil {
				require.ErrorIs(t, err, domain.ErrLimitNotFound)
			}
		default:
			req := ports.ClaimRequest{ID: uuid.New(), Max: 1 + random.IntN(12), Lease: time.Duration(1+random.IntN(60)) * time.Second}
			wanted := selection{}
			if random.IntN(3) == 0 {
				req.Types, wanted.types = []domain.TaskType{"x"}, []domain.TaskType{"x"}
			}
			if random.IntN(3) == 0 {
				req.Queues = []string{queueName(), "unknown"}
				wanted.queues = req.Queues
			}
			require.NoError(t, errOf(db.PromoteDue(t.Context(), 1000)))
			before := lookAt(t, db)
			began := db.now()
			got, err := db.Dequeue(t.Context(), req)
			require.NoError(t, err)
			now := db.now()
			after := lookAt(t, db)
			for _, task := range got {
				leases = append(leases, *task.Lease)
			}
			for _, seq := range seqsOfTasks(got) {
				at := slices.IndexFunc(before.tasks, func(c claimable) bool { return c.seq == seq })
				if before.tasks[at].state == int64(stateScheduled) {
					continue // It has become due since.
				}
				require.Equal(t, int64(stateReady), before.tasks[at].state)
				require.Empty(t, before.heldBack(before.tasks[at], now), "step %d: %+v", step, before.tasks[at])
			}
			for _, l := range after.limits.byID {
				if l.Scope != domain.LimitKey && l.Concurrency > 0 {
					require.LessOrEqual(t, after.running(l, ""), max(int64(l.Concurrency), before.running(l, "")), l.Name)
				}
			}
			for _, task := range after.tasks {
				if l := after.limits.ofKey(task.queue, task.key); l != nil && l.Concurrency > 0 {
					require.LessOrEqual(t, after.running(l, task.key), max(int64(l.Concurrency), before.running(l, task.key)), l.Name)
				}
				if task.state == int64(stateReady) && len(got) < req.Max && !task.paused && wanted.wants(task.queue, domain.TaskType(task.typ)) {
					why := after.heldBack(task, began)
					require.NotEmpty(t, why, "step %d: nothing holds back %+v", step, task)
					held[why]++
				}
			}
			taken += len(got)
		}
		if step%20 > 0 {
			continue
		}
		var findings []domain.Finding
		summary, err := db.Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) { findings = append(findings, f) }})
		require.NoError(t, err)
		require.True(t, summary.Clean(), "step %d: %v", step, findings)
	}
	require.Greater(t, taken, 100)
	require.Greater(t, len(held), 1, "%v", held)
}

// TestHeldBackTasksAreNotScanned counts statements, and has SQLite tell that none of them
// looks at all rows.
func TestHeldBackTasksAreNotScanned(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	for _, l := range []domain.Limit{
		{Name: "order", Scope: domain.LimitKey, Queue: "default", Concurrency: 1},
		{Name: "rate", Scope: domain.LimitKey, Queue: "default", Key: "dry", Rate: domain.Rate{Count: 1, Per: time.Hour}},
		{Name: "queue", Scope: domain.LimitQueue, Queue: "default", Concurrency: 1000},
		{Name: "type", Scope: domain.LimitType, Type: "full", Concurrency: 1},
	} {
		require.NoError(t, db.SetLimit(t.Context(), l))
	}
	setup := maps.Clone(db.writer.stmts.kept)
	enqueue := func(typ domain.TaskType, key string) {
		task := domain.NewTask(uuid.New(), typ, nil)
		task.Key = key
		require.NoError(t, errOf(db.Enqueue(t.Context(), task)))
	}
	ran := func() (n int) {
		require.NoError(t, db.writer.do(t.Context(), "look", func(tx *transaction) error {
			n = tx.runs
			return nil
		}))
		return n
	}
	round := func() int {
		before := ran()
		enqueue("test", "free")
		enqueue("test", "")
		claimed, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute})
		require.NoError(t, err)
		require.Len(t, claimed, 2)
		for _, task := range claimed {
			require.NoError(t, db.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}))
		}
		return ran() - before
	}
	for range 2 {
		enqueue("test", "held")
		enqueue("test", "dry")
		enqueue("full", "")
	}
	claimed, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Hour})
	require.NoError(t, err)
	require.Len(t, claimed, 3)
	round()
	want := round()
	const many = 100_000
	write(t, db, fmt.Sprintf(`WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < %d)
			INSERT INTO task (seq, id, lane, state, wake_us, scheduled_us, started_us, key)
			SELECT (SELECT max(seq) FROM task) + row_number() OVER (), randomblob(16), lane, 1, wake_us, 0, started_us, key FROM n CROSS JOIN task WHERE state = 1`, many/3),
		fmt.Sprintf("UPDATE line SET ready = ready * %d", many/3+1), fmt.Sprintf("UPDATE lane SET ready = ready * %d", many/3+1))
	db.writer.mirror.valid = false
	round()
	require.Equal(t, want, round())
	uses, err := db.ListLimits(t.Context())
	require.NoError(t, err)
	require.Equal(t, "order", uses[0].Name)
	for query := range db.writer.stmts.kept {
		if setup[query] != nil || !strings.HasPrefix(query, "SELECT") && query != selectClasses {
			continue
		}
		require.NoError(t, db.read(t.Context(), "explain", func(s *statements) error {
			return s.each(func(r *row) error {
				require.NotRegexp(t, `^SCAN (task|line|slot|lane|t)$`, r.text(3), query)
				return r.err
			}, "EXPLAIN QUERY PLAN "+query, slices.Repeat([]any{nil}, strings.Count(query, "?"))...)
		}))
	}
}

// TestWhoHasNoLimitsRunsNoStatementForThem looks at the statements of tasks without keys.
func TestWhoHasNoLimitsRunsNoStatementForThem(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	for _, outcome := range []ports.Outcome{ports.OutcomeCompleted, ports.OutcomeSnooze} {
		require.NoError(t, errOf(db.Enqueue(t.Context(), domain.NewTask(uuid.New(), "test", nil))))
		claimed, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute})
		require.NoError(t, err)
		require.NoError(t, db.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *claimed[0].Lease, Outcome: outcome}))
		require.NoError(t, errOf(db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute})))
	}
	for query := range db.writer.stmts.kept {
		require.NotRegexp(t, `(FROM|INTO|UPDATE) (line|task_limit)\b|(INTO|UPDATE) slot\b`, query)
		require.NotContains(t, query, "WITH RECURSIVE")
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestALimitThatCannotBeReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for _, l := range []domain.Limit{
		{Name: "one", Scope: domain.LimitQueue, Queue: domain.DefaultQueue, Concurrency: 1},
		{Name: "one", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: 1},
	} {
		db, _ := openStore(t, Config{})
		q := db.TaskQueue
		claim := func() []*domain.Task {
			got, err := q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute})
			require.NoError(t, err)
			return got
		}
		add := func() {
			task := domain.NewTask(uuid.New(), "test", []byte(`{}`))
			task.Key = "a"
			_, err := q.Enqueue(t.Context(), task)
			require.NoError(t, err)
		}
		harm := func() {
			require.NoError(t, db.writer.do(t.Context(), "harm", func(tx *transaction) error {
				_, err := tx.exec("UPDATE task_limit SET body = x'78'")
				tx.valid = false
				return err
			}))
		}
		require.NoError(t, q.SetLimit(t.Context(), l))
		harm()
		var found []string
		_, err := db.Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) { found = append(found, f.Kind) }})
		require.NoError(t, err)
		require.Equal(t, []string{KindRuleBroken}, found)
		add()
		add()
		require.Len(t, claim(), 2)
		require.NoError(t, q.SetLimit(t.Context(), l))
		list, err := q.ListLimits(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, l, list[0].Limit)
		harm()
		require.NoError(t, q.DeleteLimit(t.Context(), "one"))
	}
}
