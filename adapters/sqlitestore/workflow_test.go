package sqlitestore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// fan is a workflow of n tasks that wait for a first one, and a last one that waits for
// these.
func fan(n int) *domain.Workflow {
	node := func(ref string, after ...string) domain.WorkflowNode {
		return domain.WorkflowNode{Ref: ref, Task: domain.NewTask(uuid.Nil, "test", nil), After: after}
	}
	w := &domain.Workflow{ID: uuid.New(), Nodes: []domain.WorkflowNode{node("first")}}
	var middle []string
	for i := range n {
		middle = append(middle, fmt.Sprint("n", i))
		w.Nodes = append(w.Nodes, node(middle[i], "first"))
	}
	w.Nodes = append(w.Nodes, node("last", middle...))
	return w
}

// runTasks completes up to n tasks.
func runTasks(tb testing.TB, db *DB, n int) {
	tb.Helper()
	tasks, err := db.Dequeue(tb.Context(), ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: time.Minute})
	require.NoError(tb, err)
	require.Len(tb, tasks, n)
	require.NoError(tb, db.UpdateTask(tb.Context(), portstest.Completed(tasks)...))
}

func countsOf(tb testing.TB, db *DB, id domain.WorkflowID) domain.WorkflowCounts {
	tb.Helper()
	page, err := db.GetWorkflow(tb.Context(), id, ports.PlacePage{Limit: 1})
	require.NoError(tb, err)
	return page.Counts
}

func requireSound(t *testing.T, db *DB) {
	t.Helper()
	_, err := db.Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) { t.Errorf("%+v", f) }})
	require.NoError(t, err)
}

// TestWorkflowsGoOnInBoundedTransactions has workflows take their large steps: no transaction
// changes more than maxFollowed tasks, and what a call leaves when its program ends, others do.
func TestWorkflowsGoOnInBoundedTransactions(t *testing.T) {
	t.Parallel()
	const n = 3*maxFollowed + 1
	path := filepath.Join(t.TempDir(), "store.db")
	db, _ := openIn(t, path)
	w := fan(n)
	_, err := db.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	// grows is how much a count grew with each promote, until it is n or more.
	grows := func(count func(c domain.WorkflowCounts) int) (steps []int) {
		last := count(countsOf(t, db, w.ID))
		for last < n {
			requireSound(t, db)
			done, err := db.PromoteDue(t.Context(), 1)
			require.NoError(t, err)
			now := count(countsOf(t, db, w.ID))
			steps = append(steps, now-last)
			require.NotEqual(t, last, now, "%+v", done)
			require.LessOrEqual(t, now-last, 2*maxFollowed)
			require.True(t, now >= n || done.Next == 0, "there is more to do")
			last = now
		}
		return steps
	}
	runTasks(t, db, 1)
	pending := func(c domain.WorkflowCounts) int { return c.Pending }
	require.Equal(t, maxFollowed, pending(countsOf(t, db, w.ID)))
	require.Len(t, grows(pending), 3)

	// The program ends in the midst of each call.
	begin := func(call func(context.Context, domain.WorkflowID) (domain.WorkflowInfo, error)) {
		ctx, stop := context.WithCancel(t.Context())
		committed := db.writer.committed
		db.writer.committed = func(lanes []*lane, events bool, cancelled []domain.TaskID) {
			stop()
			committed(lanes, events, cancelled)
		}
		_, err := db.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 1}) // Commits are told of while somebody reads.
		require.NoError(t, err)
		_, err = call(ctx, w.ID)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, db.Close())
		db, _ = openIn(t, path)
	}
	begin(db.CancelWorkflow)
	tasks, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, tasks, 1, "what has not come to its cancellation is claimed")
	var refused *domain.TransitionError
	require.ErrorAs(t, db.RetryTask(t.Context(), domain.TaskIDOf(w.ID, "n0")), &refused)
	require.Equal(t, domain.TaskStatusCancelled, refused.From)
	require.True(t, refused.Node)
	requireSound(t, db)
	grows(func(c domain.WorkflowCounts) int { return c.Cancelled })
	_, err = db.CancelWorkflow(t.Context(), w.ID)
	require.NoError(t, err)
	require.Equal(t, domain.WorkflowCounts{Completed: 1, Cancelled: n + 1}, countsOf(t, db, w.ID))
	begin(db.RetryWorkflow)
	grows(func(c domain.WorkflowCounts) int { return c.Pending })
	_, err = db.RetryWorkflow(t.Context(), w.ID)
	require.NoError(t, err)
	require.Equal(t, domain.WorkflowCounts{Completed: 1, Pending: n, Waiting: 1}, countsOf(t, db, w.ID))

	// What drops them one after the other does it in parts too.
	last, err := db.GetTask(t.Context(), domain.TaskIDOf(w.ID, "last"))
	require.NoError(t, err)
	require.Len(t, last.WaitingFor, domain.MaxWaitingFor)
	for range n {
		runTasks(t, db, 1)
		if countsOf(t, db, w.ID).Completed > 10 {
			break
		}
	}
	requireSound(t, db)
}

// TestWorkflowsEndAsTheRulesSayHoweverSmallTheSteps runs random graphs, and what failed again,
// where each transaction follows a few nodes only.
func TestWorkflowsEndAsTheRulesSayHoweverSmallTheSteps(t *testing.T) {
	t.Parallel()
	for most := 1; most <= 4; most++ {
		db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
		db.writer.maxFollowed = most
		r := rand.New(rand.NewPCG(uint64(most), 5))
		const n = 16
		w, fails := fan(n-2), make([]bool, n)
		for i := range w.Nodes {
			node := &w.Nodes[i]
			node.After, fails[i] = nil, r.IntN(4) == 0
			for j := range i {
				if r.IntN(i+1) < 3 {
					node.After = append(node.After, w.Nodes[j].Ref)
				}
			}
			if len(node.After) > 0 {
				node.When = []domain.When{domain.WhenSuccess, domain.WhenSuccess, domain.WhenFailure, domain.WhenDone}[r.IntN(4)]
			}
		}
		_, err := db.CreateWorkflow(t.Context(), w)
		require.NoError(t, err)
		ends := map[string]domain.TaskStatus{}
		for round := range 3 {
			for i, node := range w.Nodes {
				if ends[node.Ref] == domain.TaskStatusCompleted {
					continue
				}
				ends[node.Ref] = domain.TaskStatusCompleted
				if fails[i] && round < 2 {
					ends[node.Ref] = domain.TaskStatusFailed
				}
				for _, ref := range node.After {
					if !node.When.Met(ends[ref]) {
						ends[node.Ref] = domain.TaskStatusCancelled
					}
				}
			}
			for {
				tasks, err := db.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1 + r.IntN(3), Lease: time.Minute})
				require.NoError(t, err)
				requireSound(t, db)
				if len(tasks) == 0 {
					break
				}
				for _, task := range tasks {
					u := ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}
					if ends[task.Workflow.Ref] == domain.TaskStatusFailed {
						u.Outcome, u.Failure.Message = ports.OutcomeFailed, "broken"
					}
					require.NoError(t, db.UpdateTask(t.Context(), u))
				}
			}
			page, err := db.GetWorkflow(t.Context(), w.ID, ports.PlacePage{Limit: n})
			require.NoError(t, err)
			got := map[string]domain.TaskStatus{}
			for _, node := range page.Nodes {
				got[node.Ref] = node.Status
			}
			require.Equal(t, ends, got, "round %d of steps of %d", round, most)
			if round == 0 {
				_, err = db.CancelWorkflow(t.Context(), w.ID)
				require.NoError(t, err)
			}
			_, err = db.RetryWorkflow(t.Context(), w.ID)
			require.NoError(t, err)
		}
	}
}

func TestALongChainIsDroppedInParts(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	w := fan(2*maxFollowed + 1)
	for i := range w.Nodes[1:] {
		w.Nodes[i+1].After = []string{w.Nodes[i].Ref}
	}
	_, err := db.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, db.CancelTask(t.Context(), domain.TaskIDOf(w.ID, "first")))
	require.Equal(t, maxFollowed+1, countsOf(t, db, w.ID).Cancelled)
	requireSound(t, db)
	// A step of another workflow goes on with it.
	_, err = db.CreateWorkflow(t.Context(), fan(1))
	require.NoError(t, err)
	runTasks(t, db, 1)
	require.Equal(t, domain.WorkflowCounts{Cancelled: len(w.Nodes)}, countsOf(t, db, w.ID))
	require.Zero(t, count(t, db, "SELECT count(*) FROM node_step"))
	requireSound(t, db)
}

// TestTasksWithoutWorkflowsAskForNone has tasks go all ways, and looks at the statements.
func TestTasksWithoutWorkflowsAskForNone(t *testing.T) {
	t.Parallel()
	db, advance := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	statementsOf := func() (of []string) {
		require.NoError(t, db.writer.do(t.Context(), "look", func(tx *transaction) error {
			for query := range tx.kept {
				for _, table := range []string{"FROM workflow", "node", "gate", "UPDATE workflow"} {
					if strings.Contains(query, table) && !strings.Contains(query, "max(last_us") {
						of = append(of, query)
					}
				}
			}
			return nil
		}))
		return of
	}
	work := func() {
		var ids []domain.TaskID
		for range 6 {
			task := domain.NewTask(uuid.New(), "test", nil)
			ids = append(ids, task.ID)
			_, err := db.Enqueue(t.Context(), task)
			require.NoError(t, err)
		}
		runTasks(t, db, 2)
		require.NoError(t, db.CancelTask(t.Context(), ids[2]))
		require.NoError(t, db.RetryTask(t.Context(), ids[2]))
		require.NoError(t, db.DeleteTask(t.Context(), ids[3]))
		_, err := db.PromoteDue(t.Context(), 10)
		require.NoError(t, err)
		advance(time.Hour)
		_, err = db.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: time.Minute, Limit: 10})
		require.NoError(t, err)
	}
	work()
	require.Empty(t, statementsOf())
	_, err := db.CreateWorkflow(t.Context(), fan(2))
	require.NoError(t, err)
	runTasks(t, db, 1)
	require.NotEmpty(t, statementsOf())
}

func TestVerifyMendsWorkflows(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]string{
		"a count that is too high":          `UPDATE gate SET unfinished = unfinished + 1`,
		"a count that is too low":           `UPDATE gate SET unfinished = 0 WHERE unfinished > 1`,
		"an end that was none":              `UPDATE gate SET unmet = 1`,
		"a gate that is open":               `UPDATE gate SET state = 0`,
		"a gate that is gone":               `DELETE FROM gate`,
		"a task that does not wait":         `UPDATE task SET wake_us = 1 WHERE state = 2`,
		"the counts of a workflow":          `UPDATE workflow SET waiting = waiting + 1, completed = 7`,
		"a workflow that ended before time": `UPDATE workflow SET finished_us = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
			w := fan(3)
			_, err := db.CreateWorkflow(t.Context(), w)
			require.NoError(t, err)
			runTasks(t, db, 1)
			runTasks(t, db, 1)
			requireSound(t, db)
			write(t, db, harm)
			summary, err := db.Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) { require.Equal(t, KindNodeWrong, f.Kind) }})
			require.NoError(t, err)
			require.NotZero(t, summary.Findings)
			require.False(t, summary.Clean())
			summary, err = db.Verify(t.Context(), ports.VerifyRequest{Repair: true})
			require.NoError(t, err)
			require.True(t, summary.Clean())
			requireSound(t, db)
			if name == "a task that does not wait" {
				return // It is ready, and goes on.
			}
			require.Equal(t, domain.WorkflowCounts{Completed: 2, Pending: 2, Waiting: 1}, countsOf(t, db, w.ID))
			runTasks(t, db, 2)
			runTasks(t, db, 1)
			require.Equal(t, domain.WorkflowCounts{Completed: 5}, countsOf(t, db, w.ID))
		})
	}
	t.Run("a workflow without its nodes", func(t *testing.T) {
		t.Parallel()
		db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
		_, err := db.CreateWorkflow(t.Context(), fan(1))
		require.NoError(t, err)
		write(t, db, `DELETE FROM node`)
		var kinds []string
		_, err = db.Verify(t.Context(), ports.VerifyRequest{Repair: true, Report: func(f domain.Finding) { kinds = append(kinds, f.Kind) }})
		require.NoError(t, err)
		require.Contains(t, kinds, KindRuleBroken)
	})
}

// BenchmarkFanIn measures the completion of the predecessors of one task.
func BenchmarkFanIn(b *testing.B) {
	const n, size = 10_000, 1000
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), Config{})
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	for b.Loop() {
		b.StopTimer()
		w := fan(n)
		for i := range w.Nodes[1 : n+1] {
			w.Nodes[i+1].After = nil
		}
		w.Nodes = w.Nodes[1:]
		begin := time.Now()
		_, err := db.CreateWorkflow(b.Context(), w)
		require.NoError(b, err)
		b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/create")
		var updates []ports.TaskUpdate
		for range n / size {
			tasks, err := db.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: size, Lease: time.Hour})
			require.NoError(b, err)
			for _, task := range tasks {
				updates = append(updates, ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted})
			}
		}
		require.Len(b, updates, n)
		b.StartTimer()
		for len(updates) > 0 {
			require.NoError(b, db.UpdateTask(b.Context(), updates[:size]...))
			updates = updates[size:]
		}
		b.StopTimer()
		runTasks(b, db, 1)
		require.Equal(b, domain.WorkflowCounts{Completed: n + 1}, countsOf(b, db, w.ID))
		b.StartTimer()
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "nodes/s")
}
