package sqlitestore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

// invariants are queries that find nothing in a file that is as it should be.
var invariants = map[string]string{
	"the counts of each lane are those of its tasks": `
		SELECT l.id FROM lane l WHERE
			l.ready      <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 1) OR
			l.scheduled  <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 2) OR
			l.processing <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 3) OR
			l.retrying   <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 4) OR
			l.completed  <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 5) OR
			l.failed     <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 6) OR
			l.cancelled  <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 7)`,
	"each task has a lane":                 `SELECT seq FROM task WHERE lane NOT IN (SELECT id FROM lane)`,
	"a lane without tasks is gone":         `SELECT id FROM lane WHERE id NOT IN (SELECT lane FROM task)`,
	"a task that is processed has a claim": `SELECT seq FROM task WHERE state = 3 AND claim NOT IN (SELECT id FROM claim)`,
	"nothing is left of a task that is gone": `
		SELECT seq FROM contents WHERE seq NOT IN (SELECT seq FROM task)
		UNION ALL SELECT seq FROM result WHERE seq NOT IN (SELECT seq FROM task WHERE state = 5)
		UNION ALL SELECT seq FROM failure WHERE seq NOT IN (SELECT seq FROM task)`,
	"each task has its contents": `SELECT seq FROM task WHERE seq NOT IN (SELECT seq FROM contents)`,
}

func requireInvariants(t *testing.T, file *sql.DB, step string) {
	t.Helper()
	for rule, query := range invariants {
		var found int
		require.NoError(t, file.QueryRowContext(t.Context(), "SELECT count(*) FROM ("+query+")").Scan(&found), rule)
		require.Zero(t, found, "after %s: %s", step, rule)
	}
}

func TestFileKeepsItsInvariants(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("after 300 random calls from seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			var offset atomic.Int64
			start := time.Now()
			path := filepath.Join(t.TempDir(), "store.db")
			config := sqlitestore.Config{
				Synchronous: sqlitestore.SynchronousNormal,
				Now:         func() time.Time { return start.Add(time.Duration(offset.Load())) },
			}
			// Two handles: each must see that the other has written.
			queues := []*sqlitestore.TaskQueue{
				sqlitestore.NewTaskQueue(open(t, path, config)), sqlitestore.NewTaskQueue(open(t, path, config)),
			}
			file := raw(t, path)
			var ids []domain.TaskID
			var leases []domain.Lease
			some := func() []domain.TaskID {
				var out []domain.TaskID
				for range min(len(ids), 3) {
					out = append(out, ids[random.IntN(len(ids))])
				}
				return out
			}
			lease := func() []domain.Lease {
				if len(leases) == 0 {
					return nil
				}
				return leases[random.IntN(len(leases)):]
			}
			steps := []struct {
				name string
				call func(q *sqlitestore.TaskQueue) error
			}{
				{"enqueue", func(q *sqlitestore.TaskQueue) error {
					var tasks []*domain.Task
					for i := range 5 {
						task := newTask()
						task.Queue, task.Priority = fmt.Sprintf("q%d", random.IntN(2)), domain.Priority(random.IntN(3))
						switch i {
						case 0:
							task.Delay = time.Duration(random.IntN(100)) * time.Second
						case 1:
							task.UniqueKey = fmt.Sprintf("key%d", random.IntN(4))
						case 2:
							task.Payload = nil
						}
						tasks, ids = append(tasks, task), append(ids, task.ID)
					}
					_, err := q.Enqueue(t.Context(), tasks...)
					return err
				}},
				{"dequeue", func(q *sqlitestore.TaskQueue) error {
					tasks, err := q.Dequeue(t.Context(), claim(1+random.IntN(6), 0))
					for i, task := range tasks {
						leases = append(leases, *task.Lease)
						require.True(t, i == 0 || tasks[i-1].Priority > task.Priority ||
							tasks[i-1].Priority == task.Priority && tasks[i-1].CreatedAt.Before(task.CreatedAt), "claims are in order")
					}
					return err
				}},
				{"update", func(q *sqlitestore.TaskQueue) error {
					var updates []ports.TaskUpdate
					for _, l := range lease() {
						updates = append(updates, ports.TaskUpdate{
							Lease: l, Outcome: ports.Outcome(1 + random.IntN(3)), Result: []byte("{}"),
							Failure: domain.TaskError{Reason: domain.ReasonError, Message: "failed"}, RetryIn: time.Duration(random.IntN(60)) * time.Second,
						})
					}
					return q.UpdateTask(t.Context(), updates...)
				}},
				{"extend", func(q *sqlitestore.TaskQueue) error {
					_, err := q.ExtendLease(t.Context(), time.Minute, lease()...)
					return err
				}},
				{"release", func(q *sqlitestore.TaskQueue) error { return q.ReleaseTask(t.Context(), lease()...) }},
				{"delete", func(q *sqlitestore.TaskQueue) error { return q.DeleteTask(t.Context(), some()...) }},
				{"retry", func(q *sqlitestore.TaskQueue) error { return q.RetryTask(t.Context(), some()...) }},
				{"cancel", func(q *sqlitestore.TaskQueue) error { return q.CancelTask(t.Context(), some()...) }},
				{"run now", func(q *sqlitestore.TaskQueue) error { return q.RunTaskNow(t.Context(), some()...) }},
				{"promote", func(q *sqlitestore.TaskQueue) error {
					_, err := q.PromoteDue(t.Context(), 5)
					return err
				}},
				{"reap", func(q *sqlitestore.TaskQueue) error {
					_, err := q.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 1, Limit: 5})
					return err
				}},
				{"purge", func(q *sqlitestore.TaskQueue) error {
					_, err := q.PurgeFinished(t.Context(), 5*time.Minute, 5)
					return err
				}},
				{"advance", func(*sqlitestore.TaskQueue) error {
					offset.Add(int64(random.IntN(40)) * int64(time.Second))
					return nil
				}},
			}
			for range 300 {
				step := steps[random.IntN(len(steps))]
				err := step.call(queues[random.IntN(len(queues))])
				if err != nil {
					// Refused items are part of the game, a failed store is not.
					var batch *domain.BatchError
					require.ErrorAs(t, err, &batch, step.name)
				}
				requireInvariants(t, file, step.name)
			}
			// Every task can still be read, and deleting all leaves nothing.
			var all []domain.TaskID
			for filter := (domain.TaskFilter{Limit: 7}); ; {
				page, err := queues[0].ListTasks(t.Context(), filter)
				require.NoError(t, err)
				for _, task := range page.Tasks {
					all = append(all, task.ID)
				}
				if filter.Cursor = page.NextCursor; filter.Cursor == "" {
					break
				}
			}
			require.Equal(t, countTasks(t, path), int64(len(all)))
			if err := queues[0].CancelTask(t.Context(), all...); err != nil {
				require.ErrorIs(t, err, domain.ErrInvalidTransition)
			}
			require.NoError(t, queues[1].DeleteTask(t.Context(), all...))
			requireInvariants(t, file, "deleting all")
			require.Zero(t, countTasks(t, path))
		})
	}
}

func TestStaleWorkerChangesNothing(t *testing.T) {
	t.Parallel()

	t.Run("a report is refused once another claim has the task, and its repeat is accepted while it stands", func(t *testing.T) {
		t.Parallel()
		var offset atomic.Int64
		queue := sqlitestore.NewTaskQueue(open(t, filepath.Join(t.TempDir(), "store.db"), sqlitestore.Config{
			Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
		}))
		_, err := queue.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
		first, err := queue.Dequeue(t.Context(), claim(1, 0))
		require.NoError(t, err)
		offset.Add(int64(2 * time.Minute))
		_, err = queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 10})
		require.NoError(t, err)
		req := ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute}
		second, err := queue.Dequeue(t.Context(), req)
		require.NoError(t, err)
		again, err := queue.Dequeue(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, second, again, "a repeated claim gives the same")
		report := ports.TaskUpdate{Lease: *first[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte("late")}
		require.ErrorIs(t, queue.UpdateTask(t.Context(), report), domain.ErrLeaseLost)
		report = ports.TaskUpdate{Lease: *second[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte("kept")}
		require.NoError(t, queue.UpdateTask(t.Context(), report))
		require.NoError(t, queue.UpdateTask(t.Context(), report))
		report.Result = []byte("other")
		require.ErrorIs(t, queue.UpdateTask(t.Context(), report), domain.ErrLeaseLost)
		task, err := queue.GetTask(t.Context(), second[0].ID)
		require.NoError(t, err)
		require.Equal(t, "kept", string(task.Result))
		require.Equal(t, []int{1, 2, 1}, []int{task.Attempt, task.Deliveries, task.Recoveries})
	})
}
