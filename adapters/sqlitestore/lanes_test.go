package sqlitestore

import (
	"fmt"
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

// withoutLimits takes from a file what its version 12 did not have: limits, workflows and groups.
var withoutLimits = []string{
	"DROP INDEX task_group", "ALTER TABLE task DROP COLUMN grp",
	"DROP TABLE workflow", "DROP TABLE workflow_plan", "DROP TABLE node", "DROP TABLE gate", "DROP TABLE node_step", "ALTER TABLE task DROP COLUMN workflow",
	"DROP TABLE line", "DROP TABLE slot", "DROP TABLE task_limit", "ALTER TABLE clock DROP COLUMN limits",
	"DROP INDEX lane_head", "DROP INDEX lane_type_head",
	"ALTER TABLE lane RENAME TO new_lane",
	`CREATE TABLE lane (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, type TEXT NOT NULL, priority INTEGER NOT NULL,
		ready INTEGER NOT NULL DEFAULT 0, scheduled INTEGER NOT NULL DEFAULT 0, processing INTEGER NOT NULL DEFAULT 0,
		retrying INTEGER NOT NULL DEFAULT 0, completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
		cancelled INTEGER NOT NULL DEFAULT 0, head INTEGER NOT NULL DEFAULT 0, paused INTEGER NOT NULL DEFAULT 0,
		UNIQUE (queue, type, priority)) STRICT`,
	`INSERT INTO lane SELECT min(id), queue, type, priority, sum(ready), sum(scheduled), sum(processing), sum(retrying),
		sum(completed), sum(failed), sum(cancelled), 0, max(paused) FROM new_lane GROUP BY queue, type, priority`,
	`UPDATE task SET lane = (SELECT o.id FROM lane o, new_lane n WHERE n.id = task.lane
		AND o.queue = n.queue AND o.type = n.type AND o.priority = n.priority)`,
	`UPDATE lane SET head = ifnull((SELECT min(seq) FROM task WHERE state = 1 AND lane = lane.id), 0)`,
	"DROP TABLE new_lane", "DROP INDEX task_key", "ALTER TABLE task DROP COLUMN key",
	"CREATE INDEX lane_head ON lane (priority DESC, head) WHERE head > 0 AND paused = 0",
	"CREATE INDEX lane_type_head ON lane (type, priority DESC, head) WHERE head > 0 AND paused = 0",
	"PRAGMA user_version = 12",
}

// withoutHeads takes from a file what its version 6 did not have.
var withoutHeads = append(slices.Clone(withoutLimits),
	"DROP INDEX task_wake", "DROP INDEX task_kept", "DROP INDEX task_expiry",
	"ALTER TABLE task DROP COLUMN expires_us", "ALTER TABLE task DROP COLUMN retention_us",
	"CREATE INDEX task_wake ON task (state, wake_us) WHERE state <> 1",
	"DROP TABLE unique_until", "DROP INDEX task_unique_key", "ALTER TABLE task DROP COLUMN hold", "ALTER TABLE contents DROP COLUMN replaced_by",
	"CREATE UNIQUE INDEX task_unique_key ON task (unique_key) WHERE unique_key IS NOT NULL AND state <= 4",
	"DROP TABLE schedule", "DROP TABLE progress", "DROP TABLE cancellation",
	"ALTER TABLE contents DROP COLUMN options",
	"DROP INDEX lane_head", "DROP INDEX lane_type_head", "ALTER TABLE lane DROP COLUMN head", "ALTER TABLE lane DROP COLUMN paused",
	"PRAGMA user_version = 6",
)

// seqsOfTasks are the creation times of tasks.
func seqsOfTasks(tasks []*domain.Task) []int64 {
	seqs := make([]int64, len(tasks))
	for i, task := range tasks {
		seqs[i] = task.CreatedAt.UnixMicro()
	}
	return seqs
}

func TestAFileFromBeforeHeadsIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	old, _ := openIn(t, path)
	queue := old.TaskQueue
	var made []*domain.Task
	for i := range 12 {
		task := domain.NewTask(uuid.New(), "test", nil)
		task.Queue = fmt.Sprint("queue-", i%4)
		made = append(made, task)
	}
	made, err := queue.Enqueue(t.Context(), made...)
	require.NoError(t, err)
	require.NoError(t, queue.PauseQueue(t.Context(), "queue-1"))
	claimed, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Equal(t, made[0].ID, claimed[0].ID)
	write(t, old, withoutHeads...)
	require.NoError(t, old.Close())

	db, _ := openIn(t, path)
	claimed, err = db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute})
	require.NoError(t, err)
	open := slices.DeleteFunc(made[1:], func(task *domain.Task) bool { return task.Queue == "queue-1" })
	require.Equal(t, seqsOfTasks(open), seqsOfTasks(claimed))
	summary, err := db.Verify(t.Context(), ports.VerifyRequest{})
	require.NoError(t, err)
	require.True(t, summary.Clean())
}

func TestAFileFromBeforeLimitsIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	old, _ := openIn(t, path)
	enqueue := func(n int, key string, delay time.Duration) (out []*domain.Task) {
		for range n {
			task := domain.NewTask(uuid.New(), "test", nil)
			task.Key, task.Delay = key, delay
			out = append(out, task)
		}
		out, err := old.Enqueue(t.Context(), out...)
		require.NoError(t, err)
		return out
	}
	a, plain, b := enqueue(4, "a", 0), enqueue(3, "", 0), enqueue(2, "b\x00ä", 0)
	enqueue(1, "later", time.Hour)
	claim := func(db *DB, n int) []int64 {
		claimed, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: time.Minute})
		require.NoError(t, err)
		return seqsOfTasks(claimed)
	}
	require.Equal(t, seqsOfTasks(a[:1]), claim(old, 1))
	before, err := old.GetQueueStats(t.Context())
	require.NoError(t, err)
	write(t, old, withoutLimits...)
	require.NoError(t, old.Close())

	db, _ := openIn(t, path)
	verify := func() {
		var findings []domain.Finding
		require.NoError(t, errOf(db.Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) { findings = append(findings, f) }})))
		require.Empty(t, findings)
	}
	verify()
	after, err := db.GetQueueStats(t.Context())
	require.NoError(t, err)
	before.OldestPending, after.OldestPending = 0, 0
	require.Equal(t, before, after)
	require.NoError(t, db.SetLimit(t.Context(), domain.Limit{Name: "order", Scope: domain.LimitKey, Queue: "default", Key: "a", Concurrency: 1}))
	require.Equal(t, append(seqsOfTasks(plain[:1]), seqsOfTasks(b[:1])...), claim(db, 2))
	require.ElementsMatch(t, append(seqsOfTasks(plain[1:]), seqsOfTasks(b[1:])...), claim(db, 10))
	require.NoError(t, db.DeleteLimit(t.Context(), "order"))
	require.Equal(t, seqsOfTasks(a[1:]), claim(db, 10))
	verify()
}

// TestClaimsTakeTheOldestOfAllQueues compares each claim with what a scan of all tasks
// finds, while tasks come and go in many queues by two handles.
func TestClaimsTakeTheOldestOfAllQueues(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	first, advance := openIn(t, path)
	second, err := Open(t.Context(), path, first.config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Close()) })
	random := rand.New(rand.NewPCG(1, 2))
	queueName := func() string { return fmt.Sprint("queue-", random.IntN(40)) }
	typeName := func() domain.TaskType { return domain.TaskType(fmt.Sprint("type-", random.IntN(3))) }
	some := func() int { return 1 + random.IntN(30) }
	var known []domain.TaskID
	taken := 0
	for range 400 {
		db := []*DB{first, second}[random.IntN(2)]
		queue := db.TaskQueue
		switch random.IntN(8) {
		case 0, 1, 2:
			var tasks []*domain.Task
			for range some() {
				task := domain.NewTask(uuid.New(), typeName(), nil)
				task.Queue, task.Priority = queueName(), domain.Priority(random.IntN(3))
				if random.IntN(4) == 0 {
					task.Delay = time.Duration(random.IntN(60)) * time.Second
				}
				tasks, known = append(tasks, task), append(known, task.ID)
			}
			_, err := queue.Enqueue(t.Context(), tasks...)
			require.NoError(t, err)
		case 3:
			require.NoError(t, queue.PauseQueue(t.Context(), queueName()))
		case 4:
			require.NoError(t, queue.ResumeQueue(t.Context(), queueName()))
		case 5:
			advance(time.Duration(random.IntN(20)) * time.Second)
			_, err := queue.PromoteDue(t.Context(), 1000)
			require.NoError(t, err)
		case 6:
			if len(known) > 0 {
				id := known[random.IntN(len(known))]
				// What the task's state forbids is refused.
				step := []func() error{
					func() error { return queue.CancelTask(t.Context(), id) },
					func() error { return queue.DeleteTask(t.Context(), id) },
					func() error { return queue.RetryTask(t.Context(), id) },
				}[random.IntN(3)]
				_ = step()
			}
		default:
			req := ports.ClaimRequest{ID: uuid.New(), Max: some(), Lease: time.Hour}
			if random.IntN(2) == 0 {
				req.Types = []domain.TaskType{"type-0", typeName(), "unknown"}
				slices.Sort(req.Types)
				req.Types = slices.Compact(req.Types)
			}
			if random.IntN(3) == 0 {
				req.Queues = []string{queueName(), queueName(), "unknown"}
			}
			_, err := queue.PromoteDue(t.Context(), 1000)
			require.NoError(t, err)
			var want []int64
			require.NoError(t, db.read(t.Context(), "scan", func(s *statements) (err error) {
				want, err = s.numbers(`SELECT seq FROM task t JOIN lane l ON l.id = t.lane WHERE t.state = 1
					AND l.queue NOT IN (SELECT queue FROM pause)
					AND (?1 = 'null' OR l.queue IN (SELECT value FROM json_each(?1)))
					AND (?2 = 'null' OR l.type IN (SELECT value FROM json_each(?2)))
					ORDER BY l.priority DESC, t.seq LIMIT ?3`, jsonList(req.Queues), jsonList(req.Types), req.Max)
				return err
			}))
			got, err := queue.Dequeue(t.Context(), req)
			require.NoError(t, err)
			require.Len(t, got, len(want))
			require.ElementsMatch(t, want, seqsOfTasks(got))
			require.True(t, slices.IsSortedFunc(got, func(a, b *domain.Task) int {
				if a.Priority != b.Priority {
					return int(b.Priority - a.Priority)
				}
				return a.CreatedAt.Compare(b.CreatedAt)
			}))
			taken += len(got)
		}
	}
	require.Greater(t, taken, 200)
	var findings []domain.Finding
	summary, err := first.Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) { findings = append(findings, f) }})
	require.NoError(t, err)
	require.True(t, summary.Clean(), "%v", findings)
}

func TestAClaimPassesOverAHeadThatIsNotReady(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	queue := db.TaskQueue
	request := func() ports.ClaimRequest { return ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute} }
	made, err := queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "test", nil), domain.NewTask(uuid.New(), "test", nil))
	require.NoError(t, err)
	_, err = queue.Dequeue(t.Context(), request())
	require.NoError(t, err)
	write(t, db, fmt.Sprintf("UPDATE lane SET head = %d", made[0].CreatedAt.UnixMicro()))
	db.writer.mirror.valid = false
	got, err := queue.Dequeue(t.Context(), request())
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, made[1].ID, got[0].ID)
}

// TestAClaimReadsNoMoreLanesThanItTakes keeps the cost of a claim from growing with the
// lanes: their indexes have them in the order of claims.
func TestAClaimReadsNoMoreLanesThanItTakes(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	const aged = " AND priority = 5"
	for from, index := range map[string]string{ofAny: "lane_head", ofAny + aged: "lane_head", ofType: "lane_type_head", ofType + aged: "lane_type_head"} {
		require.NoError(t, db.read(t.Context(), "explain", func(s *statements) error {
			return s.each(func(r *row) error {
				step := r.text(3)
				require.NotContains(t, step, "TEMP B-TREE")
				if strings.Contains(step, " lane ") {
					require.Contains(t, step, "USING INDEX "+index)
				}
				return nil
			}, "EXPLAIN QUERY PLAN "+selectHeads+from+inOrder+"?", []any{0, "test", 1}[3-strings.Count(from+inOrder+"?", "?"):]...)
		}))
	}
}
