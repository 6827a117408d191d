package portstest

import (
	"sync"
	"testing"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Store is an empty store to be tested, isolated from all others. A role that it does
// not play is nil.
type Store struct {
	Queue      ports.TaskQueue
	Queues     ports.QueueController
	Limits     ports.LimitKeeper
	Events     ports.TaskEventReader
	Runs       ports.RunTracker
	Schedulers ports.SchedulerRegistry
	Schedules  ports.ScheduleStore
	// Workflows are those whose tasks are in Queue.
	Workflows ports.WorkflowKeeper
	Logs      ports.LogRepository
	// Verifier checks the store. It needs the roles Queue and Logs.
	Verifier ports.StoreVerifier

	// Advance moves the store's clock forward. It is required.
	Advance func(d time.Duration)
	// Reopen returns another handle on the same store, as another process would have.
	// Nil if the store belongs to one process.
	Reopen func(t *testing.T) Store
	// Restart closes the store and opens it again. Nil if it is not durable.
	Restart func(t *testing.T) Store
	// Partition says to which of several parts of the queue a task belongs, if
	// order holds among the tasks of each part only. key is its unique key, or "". Nil if
	// it holds among all.
	Partition func(id domain.TaskID, key string) int
	// Harm breaks something in a store that has one ready task, so that the Verifier
	// finds it. Nil if the test cannot.
	Harm func(t *testing.T)
	// MendsNothing says that the Verifier finds and does not mend.
	MendsNothing bool
}

// storeTest is what a case works with.
type storeTest struct {
	Store

	at string // where the reader of events is
	// keyOf are the unique keys of tasks whose order is compared.
	keyOf map[domain.TaskID]string
}

// storeCase is one promise of a contract.
type storeCase struct {
	name string
	// promise is the sentence of the contract that is checked.
	promise string
	run     func(t *testing.T, s *storeTest)
}

// suites are the cases of each role, by verb.
var suites = []struct {
	name  string
	plays func(s *Store) bool
	cases []storeCase
}{
	{"Enqueue", (*Store).hasQueue, enqueueCases},
	{"Unique", (*Store).hasQueue, uniqueCases},
	{"Claim", (*Store).hasQueue, claimCases},
	{"Ageing", (*Store).hasQueue, ageingCases},
	{"Turns", (*Store).hasLimits, turnCases},
	{"Groups", (*Store).hasLimits, groupCases},
	{"Settle", (*Store).hasQueue, settleCases},
	{"Manage", (*Store).hasQueue, manageCases},
	{"List", (*Store).hasQueue, listCases},
	{"Time", (*Store).hasQueue, timeCases},
	{"Faults", (*Store).hasQueue, faultCases},
	{"Queues", (*Store).hasQueues, queuesCases},
	{"Limits", (*Store).hasLimits, limitCases},
	{"Slots", (*Store).hasLimits, slotCases},
	{"Order", (*Store).hasLimits, orderCases},
	{"Rates", (*Store).hasLimits, rateCases},
	{"Schedulers", (*Store).hasSchedulers, schedulerCases},
	{"Schedules", (*Store).hasSchedules, scheduleCases},
	{"Workflows", (*Store).hasWorkflows, workflowCases},
	{"Steps of workflows", (*Store).hasWorkflows, workflowStepCases},
	{"Events", (*Store).hasEvents, eventCases},
	{"Runs", (*Store).hasRuns, runCases},
	{"SaveLogs", (*Store).hasLogs, logSaveCases},
	{"Batches", (*Store).hasLogs, logBatchCases},
	{"GetLogs and ListLogs", (*Store).hasLogs, logListCases},
	{"Analyses", (*Store).hasLogs, analysisCases},
	{"Anomalies", (*Store).hasLogs, anomalyCases},
	{"Purge", (*Store).hasLogs, logPurgeCases},
	{"Documents", (*Store).hasLogs, documentCases},
	{"Logs", (*Store).hasLogs, logStoreCases},
	{"Verifier", func(s *Store) bool { return s.Verifier != nil }, verifierCases},
	{"Requests", func(*Store) bool { return true }, requestCases},
}

func (s *Store) hasQueue() bool      { return s.Queue != nil }
func (s *Store) hasQueues() bool     { return s.Queues != nil }
func (s *Store) hasLimits() bool     { return s.Limits != nil }
func (s *Store) hasSchedulers() bool { return s.Schedulers != nil }
func (s *Store) hasSchedules() bool  { return s.Schedules != nil }
func (s *Store) hasWorkflows() bool  { return s.Workflows != nil }
func (s *Store) hasEvents() bool     { return s.Events != nil }
func (s *Store) hasRuns() bool       { return s.Runs != nil }
func (s *Store) hasLogs() bool       { return s.Logs != nil }

// TestStore checks that the stores which newStore makes keep the contracts of the
// roles that they play. Cases run in parallel, each with a store of its own.
func TestStore(t *testing.T, newStore func(t *testing.T) Store) {
	t.Helper()
	roles := newStore(t)
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			t.Parallel()
			if !suite.plays(&roles) {
				t.Skip("the store does not play this role")
			}
			for _, c := range suite.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("the broken promise: %s", c.promise)
						}
					})
					c.run(t, &storeTest{Store: newStore(t)})
				})
			}
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		if !roles.hasQueue() {
			t.Skip("the store has no queue")
		}
		testModel(t, newStore)
	})
}

// atOnce has n callers do something at the same time, and returns their errors.
func atOnce(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var callers sync.WaitGroup
	for i := range errs {
		callers.Go(func() { errs[i] = do(i) })
	}
	callers.Wait()
	return errs
}

// handles are the store and, if it may have any, so many other handles on it.
func (s *storeTest) handles(t *testing.T, others int) []Store {
	t.Helper()
	out := []Store{s.Store}
	for range others {
		if s.Reopen != nil {
			out = append(out, s.Reopen(t))
		}
	}
	return out
}

// other returns another handle on the store, or skips the case.
func (s *storeTest) other(t *testing.T) *storeTest {
	t.Helper()
	if s.Reopen == nil {
		t.Skip("the store belongs to one process")
	}
	return &storeTest{Store: s.Reopen(t)}
}

// restarted returns the store after a restart, or skips the case.
func (s *storeTest) restarted(t *testing.T) *storeTest {
	t.Helper()
	if s.Restart == nil {
		t.Skip("the store is not durable")
	}
	return &storeTest{Store: s.Restart(t)}
}
