package portstest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/ports"
	"logsift/ports/portstest"
)

// sabotageEnv selects the sabotage in the test binary that TestSabotagesAreCaught runs
// again.
const sabotageEnv = "LOGSIFT_SABOTAGE"

// sabotage breaks one promise. caught is the case that must fail.
type sabotage[T any] struct {
	caught string
	breaks func(T)
}

// asks has a call ask for something else than its caller does.
func asks[Q, A any](call *func(context.Context, Q) (A, error), change func(req *Q)) {
	before := *call
	*call = func(ctx context.Context, req Q) (A, error) {
		change(&req)
		return before(ctx, req)
	}
}

// endures has a call go on after its context.
func endures[Q, A any](call *func(context.Context, Q) (A, error)) {
	before := *call
	*call = func(ctx context.Context, req Q) (A, error) { return before(context.WithoutCancel(ctx), req) }
}

// answers has a call answer otherwise than it would.
func answers[Q, A any](call *func(context.Context, Q) (A, error), change func(req Q, answer *A)) {
	before := *call
	*call = func(ctx context.Context, req Q) (A, error) {
		answer, err := before(ctx, req)
		change(req, &answer)
		return answer, err
	}
}

// broken is what the suites are run on: sound, until a sabotage has broken it.
type broken struct {
	queue      *brokenQueue
	schedulers *brokenSchedulers
	schedules  *brokenSchedules
	logs       *brokenLogs
	verifier   *brokenVerifier
	analyzer   *brokenAnalyzer
}

// sabotages are all of them, by role and by what they do.
func sabotages() map[string]sabotage[*broken] {
	all := map[string]sabotage[*broken]{}
	add(all, "queue", queueSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "queues", queuesSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "limits", limitSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "turns", turnSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "groups", groupSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "events", eventSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "workflows", workflowSabotages, func(b *broken) *brokenQueue { return b.queue })
	add(all, "schedulers", schedulerSabotages, func(b *broken) *brokenSchedulers { return b.schedulers })
	add(all, "schedules", scheduleSabotages, func(b *broken) *brokenSchedules { return b.schedules })
	for _, table := range []map[string]sabotage[*brokenLogs]{logSabotages, anomalySabotages, documentSabotages} {
		add(all, "logs", table, func(b *broken) *brokenLogs { return b.logs })
	}
	add(all, "verifier", verifierSabotages, func(b *broken) *brokenVerifier { return b.verifier })
	add(all, "analyzer", analyzerSabotages, func(b *broken) *brokenAnalyzer { return b.analyzer })
	return all
}

func add[T any](all map[string]sabotage[*broken], role string, table map[string]sabotage[T], part func(*broken) T) {
	for name, s := range table {
		all[role+": "+name] = sabotage[*broken]{s.caught, func(b *broken) { s.breaks(part(b)) }}
	}
}

// TestSabotagesAreCaught proves that the suites can fail: what breaks a promise fails
// the case of that promise.
func TestSabotagesAreCaught(t *testing.T) {
	t.Parallel()
	for name, s := range sabotages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "-test.run=^TestSabotaged$/^" + strings.Replace(s.caught, "/", "$/^", 1) + "$"
			cmd := exec.CommandContext(t.Context(), os.Args[0], run)
			cmd.Env = append(os.Environ(), sabotageEnv+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite passed although %s\n%s", name, out)
			require.Contains(t, string(out), "--- FAIL: TestSabotaged/"+s.caught)
			require.Contains(t, string(out), "the broken promise: ")
		})
	}
}

// TestSabotaged runs the suites on what the sabotage has broken that
// TestSabotagesAreCaught asks for, and on what is sound otherwise.
func TestSabotaged(t *testing.T) {
	t.Parallel()
	breaks := sabotages()[os.Getenv(sabotageEnv)].breaks
	if breaks == nil {
		breaks = func(*broken) {}
	}
	portstest.TestStore(t, func(*testing.T) portstest.Store { return newStore(breaks) })
	t.Run("Analyzer", func(t *testing.T) {
		portstest.TestLogAnalyzer(t, func(*testing.T) ports.LogAnalyzer {
			return newBroken(memstore.Config{}, breaks).analyzer
		})
	})
}

func newBroken(config memstore.Config, breaks func(*broken)) *broken {
	b := &broken{
		queue:      newBrokenQueue(memstore.NewTaskQueue(config)),
		schedulers: newBrokenSchedulers(memstore.NewSchedulerRegistry(config)),
		schedules:  newBrokenSchedules(memstore.NewScheduleStore(config)),
		logs:       newBrokenLogs(memstore.NewLogRepository(config)),
		verifier:   &brokenVerifier{},
		analyzer:   &brokenAnalyzer{soundAnalyzer{}.Analyze},
	}
	b.verifier.b, b.verifier.verify = b, b.verifier.sound
	breaks(b)
	return b
}

// newStore returns a store in memory, broken.
func newStore(breaks func(*broken)) portstest.Store {
	var offset atomic.Int64
	b := newBroken(memstore.Config{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}, breaks)
	s := portstest.Store{
		Queue: b.queue, Queues: b.queue, Limits: b.queue, Events: b.queue, Runs: b.queue, Schedulers: b.schedulers, Schedules: b.schedules, Workflows: b.queue, Logs: b.logs,
		Verifier: b.verifier, Harm: b.verifier.harm,
		Advance: func(d time.Duration) { offset.Add(int64(d)) },
	}
	first, other := s, s
	switch {
	case b.queue.reopen != nil:
		q := b.queue.reopen()
		other.Queue, other.Queues, other.Limits, other.Events, other.Runs, other.Workflows = q, q, q, q, q, q
	case b.schedulers.reopen != nil:
		other.Schedulers = b.schedulers.reopen()
	case b.schedules.reopen != nil:
		other.Schedules = b.schedules.reopen()
	case b.logs.reopen != nil:
		other.Logs = b.logs.reopen()
	default:
		return s
	}
	s.Reopen = func(*testing.T) portstest.Store { return other }
	s.Restart = func(*testing.T) portstest.Store { return first }
	return s
}
