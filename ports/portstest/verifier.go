package portstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var verifierCases = []storeCase{
	{
		name:    "a sound store has no findings, and what was looked at is counted",
		promise: "Verify compares everything that the store holds of tasks and logs, and returns what it has looked at.",
		run: func(t *testing.T, s *storeTest) {
			for _, status := range domain.TaskStatuses() {
				s.in(t, status)
				if status == domain.TaskStatusPending {
					require.NoError(t, s.Queue.CancelTask(t.Context(), s.listAll(t, domain.TaskFilter{Status: status})[0].ID))
				}
			}
			s.add(t, withDelay(time.Hour), withKey("key"))
			mustSave(t, s.Logs, uuid.New(), newLogs(3)...)
			mustSaveAnalysis(t, s.Logs, uuid.New(), newAnalysis("found", 2))
			mustSaveDocument(t, s.Logs, "key", 0, "learned", time.Hour)
			want := domain.VerifySummary{Tasks: int64(len(domain.TaskStatuses()) + 1), Logs: 3, Analyses: 1, States: 1}
			for _, repair := range []bool{false, true} {
				got, err := s.Verifier.Verify(t.Context(), ports.VerifyRequest{Repair: repair, Report: func(f domain.Finding) {
					t.Errorf("finding of a sound store: %+v", f)
				}})
				require.NoError(t, err)
				require.Equal(t, want, got)
				require.True(t, got.Clean())
			}
		},
	},
	{
		name:    "what is broken is reported, each finding once, and is no error",
		promise: "Report is told each finding. Either may be nil. Findings are no error.",
		run: func(t *testing.T, s *storeTest) {
			s.add(t)
			s.harm(t)
			told, summary := s.verify(t, false)
			require.NotEmpty(t, told)
			require.False(t, summary.Clean(), "nothing was mended")
			for _, f := range told {
				require.NotEmpty(t, f.Kind)
				require.NotEmpty(t, f.Place)
				require.False(t, f.Repaired())
			}
			again, err := s.Verifier.Verify(t.Context(), ports.VerifyRequest{})
			require.NoError(t, err)
			require.Equal(t, summary, again, "nothing was changed, and nobody need be told")
		},
	},
	{
		name:    "what was mended is found no more, and no task is lost",
		promise: "With Repair, no task is lost that still has its contents. A second run after a repair finds nothing.",
		run: func(t *testing.T, s *storeTest) {
			if s.MendsNothing {
				t.Skip("the store mends nothing")
			}
			task := s.add(t)
			s.harm(t)
			told, summary := s.verify(t, true)
			require.NotEmpty(t, told)
			require.True(t, summary.Clean(), "%v", told)
			told, _ = s.verify(t, true)
			require.Empty(t, told)
			require.Equal(t, task.ID, s.claimOne(t).ID)
		},
	},
	{
		name:    "a store in use gives no false alarm",
		promise: "It may run while the store is in use, and then tells of no state that is merely passed through.",
		run:     testVerifyUnderLoad,
	},
	{
		name:    "a check ends with its context",
		promise: "Errors: the context's.",
		run: func(t *testing.T, s *storeTest) {
			s.add(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, errOf(s.Verifier.Verify(ctx, ports.VerifyRequest{})), context.Canceled)
		},
	},
}

// harm breaks the store, or skips the case.
func (s *storeTest) harm(t *testing.T) {
	t.Helper()
	if s.Harm == nil {
		t.Skip("the test cannot break the store")
	}
	s.Harm(t)
}

// verify returns the findings, and requires that the summary counts them.
func (s *storeTest) verify(t *testing.T, repair bool) ([]domain.Finding, domain.VerifySummary) {
	t.Helper()
	var told []domain.Finding
	var repaired, most int64
	summary, err := s.Verifier.Verify(t.Context(), ports.VerifyRequest{
		Repair: repair,
		Report: func(f domain.Finding) {
			told = append(told, f)
			if f.Repaired() {
				repaired++
			}
		},
		Progress: func(p domain.VerifySummary) { most = max(most, p.Tasks) },
	})
	require.NoError(t, err)
	require.LessOrEqual(t, most, summary.Tasks, "the progress is not further than the end")
	require.Equal(t, [2]int64{int64(len(told)), repaired}, [2]int64{summary.Findings, summary.Repaired})
	return told, summary
}

// testVerifyUnderLoad works on a store in all ways while it is checked, with repairs
// and without.
func testVerifyUnderLoad(t *testing.T, s *storeTest) {
	ctx := t.Context()
	done := make(chan struct{})
	var workers sync.WaitGroup
	work := func(step func(n int) error) {
		workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				var refused *domain.BatchError
				if err := step(n); err != nil && !errors.As(err, &refused) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	ids := make(chan domain.TaskID, 1000)
	for worker := range 2 {
		work(func(n int) error {
			stats, err := s.Queue.GetQueueStats(ctx)
			if err != nil || stats.Total() > 600 {
				return err
			}
			tasks := make([]*domain.Task, 20)
			for i := range tasks {
				tasks[i] = newTask(withBytes(n%500), withQueue(fmt.Sprintf("q%d", n/50%20)), withPriority(domain.Priority(i%11)))
				switch i % 5 {
				case 0:
					tasks[i].Delay = time.Duration(i) * time.Millisecond
				case 1:
					withKey(fmt.Sprintf("k%d", i))(tasks[i])
				}
				select {
				case ids <- tasks[i].ID:
				default:
				}
			}
			_, err = s.Queue.Enqueue(ctx, tasks...)
			return err
		})
		work(func(n int) error {
			got, err := s.Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1 + n%50, Lease: 100 * time.Millisecond})
			if err != nil || n%17 == worker {
				return err // a worker that dies with its leases
			}
			var updates []ports.TaskUpdate
			var leases []domain.Lease
			for i, task := range got {
				switch i % 4 {
				case 0:
					updates = append(updates, complete(task, "{}"))
				case 1:
					updates = append(updates, retry(task, time.Duration(i)*time.Millisecond))
				case 2:
					updates = append(updates, fail(task, "failed"))
				default:
					leases = append(leases, *task.Lease)
				}
			}
			return errors.Join(s.Queue.UpdateTask(ctx, updates...), s.Queue.ReleaseTask(ctx, leases...))
		})
	}
	work(func(n int) error {
		select {
		case id := <-ids:
			return []func(context.Context, ...domain.TaskID) error{
				s.Queue.DeleteTask, s.Queue.CancelTask, s.Queue.RunTaskNow, s.Queue.RetryTask,
			}[n%4](ctx, id)
		case <-done:
			return nil
		}
	})
	work(func(int) error {
		return errors.Join(errOf(s.Queue.PromoteDue(ctx, 100)), errOf(s.Queue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 1, Limit: 100})),
			errOf(s.Queue.PurgeFinished(ctx, ports.PurgeRequest{Retention: 300 * time.Millisecond, Limit: 100})))
	})
	work(func(n int) error {
		batch := uuid.New()
		for range 3 {
			if _, err := s.Logs.SaveLogs(ctx, batch, newLogs(20)...); err != nil {
				return err
			}
		}
		err := errors.Join(errOf(s.Logs.CloseBatch(ctx, batch)), s.Logs.SaveAnalysis(ctx, batch, newAnalysis("found", n%3)))
		if n%2 == 0 {
			err = errors.Join(err, s.Logs.DeleteBatches(ctx, batch))
		}
		return err
	})
	work(func(int) error {
		return errors.Join(errOf(s.Logs.PurgeLogs(ctx, 200*time.Millisecond, 100)), errOf(s.Logs.PurgeAnalyses(ctx, 200*time.Millisecond, 100)))
	})
	work(func(n int) error {
		key := fmt.Sprint("key ", n%40)
		got, err := s.Logs.LoadDocuments(ctx, key)
		if err != nil {
			return err
		}
		next := domain.Document{Key: key, Revision: got[0].Revision, Data: make([]byte, n%1000)}
		_, err = s.Logs.SaveDocument(ctx, next, time.Duration(n%3)*20*time.Millisecond)
		if errors.Is(err, domain.ErrDocumentConflict) {
			return nil // it has expired meanwhile
		}
		return err
	})
	var seen domain.VerifySummary
	seenAll := func() bool { return seen.Tasks > 0 && seen.Logs > 0 && seen.Analyses > 0 && seen.States > 0 }
	began := time.Now()
	for n := 0; n < 4 || time.Since(began) < 300*time.Millisecond || !seenAll() && time.Since(began) < 10*time.Second; n++ {
		got, err := s.Verifier.Verify(ctx, ports.VerifyRequest{Repair: n%2 == 1, Report: func(f domain.Finding) {
			t.Errorf("false alarm: %+v", f)
		}})
		require.NoError(t, err)
		seen = domain.VerifySummary{
			Tasks: max(seen.Tasks, got.Tasks), Logs: max(seen.Logs, got.Logs),
			Analyses: max(seen.Analyses, got.Analyses), States: max(seen.States, got.States),
		}
	}
	close(done)
	workers.Wait()
	require.True(t, seenAll(), "something was looked at: %+v", seen)
	told, _ := s.verify(t, false)
	require.Empty(t, told)
}
