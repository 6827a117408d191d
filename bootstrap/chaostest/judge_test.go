package chaostest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/bootstrap/chaostest"
	"logsift/domain"
)

// second is one of the hand-made histories, in nanoseconds; they begin at epoch.
const (
	second = int64(time.Second)
	epoch  = int64(1_800_000_000) * second
)

var (
	taskID  = uuid.MustParse("00000000-0000-8000-8000-000000000001")
	otherID = uuid.MustParse("00000000-0000-8000-8000-000000000002")
)

const token, otherToken = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

func body(token string) []byte { return fmt.Appendf(nil, `{"log_ids":[%q]}`, token) }

func result(by string, fence int) string { return fmt.Sprintf(`{"by":%q,"fence":%d}`, by, fence) }

// history is the life of one task, made by hand. at is in seconds since epoch, and
// each call takes a tenth of one.
type history struct{ *chaostest.Observation }

func (h history) add(at float64, e chaostest.Event) *chaostest.Event {
	e.TCall = epoch + int64(at*float64(second))
	if e.Outcome == "" {
		e.Outcome = chaostest.OK
	}
	if e.Outcome != chaostest.Unknown {
		e.TRet = e.TCall + second/10
	}
	if e.Task == "" && e.Op != chaostest.OpDequeue {
		e.Task = taskID.String()
	}
	h.Events = append(h.Events, e)
	return &h.Events[len(h.Events)-1]
}

func (h history) enqueue(at float64) *chaostest.Event {
	return h.add(at, chaostest.Event{Proc: "client", Op: chaostest.OpEnqueue, In: token})
}

// claim gives a delivery out for 2 s, and has it run.
func (h history) claim(at float64, by string, fence int) *chaostest.Event {
	claim := fmt.Sprint("claim-of-", by, "-", fence)
	h.add(at, chaostest.Event{Proc: by, Op: chaostest.OpDequeue, Claim: claim, Max: 8})
	start := (epoch + int64(at*float64(second)) + second/20) / 1000
	h.Runs = append(h.Runs, chaostest.Run{Start: start * 1000, Proc: by, Task: taskID.String(), Claim: claim, Fence: fence, Result: result(by, fence)})
	return h.add(at, chaostest.Event{Proc: by, Op: chaostest.OpClaim, Claim: claim, Fence: fence, Out: token, Start: start, Ends: start + 2_000_000})
}

func (h history) report(at float64, op chaostest.Op, by string, fence int) *chaostest.Event {
	e := chaostest.Event{Proc: by, Op: op, Claim: fmt.Sprint("claim-of-", by, "-", fence), Fence: fence}
	if op == chaostest.OpComplete {
		e.In = result(by, fence)
	}
	if op == chaostest.OpRetry {
		e.For = 1_000_000
	}
	return h.add(at, e)
}

// final is the only task of the store at the end.
func (h history) final(status domain.TaskStatus, attempt, deliveries, recoveries int) *domain.Task {
	f := domain.NewTask(taskID, domain.TaskTypeLogAnalysis, body(token))
	f.Status, f.Attempt, f.Deliveries, f.Recoveries = status, attempt, deliveries, recoveries
	h.Final = []*domain.Task{f}
	h.Stats = domain.QueueStats{}
	switch status {
	case domain.TaskStatusCompleted:
		h.Stats.Completed = 1
	case domain.TaskStatusFailed:
		h.Stats.Failed = 1
	default:
		h.Stats.Processing = 1
	}
	return f
}

// newHistory is one that keeps every promise: a run that fails, one whose worker
// dies, one whose report was lost on the way and repeated, and looks at the task.
func newHistory() history {
	h := history{&chaostest.Observation{Settings: chaostest.DefaultSettings(), At: epoch + 100*second}}
	h.add(0, chaostest.Event{Proc: "client", Op: chaostest.OpEnqueue, In: token, Outcome: chaostest.Unknown, Task: "-"}).Task = ""
	h.enqueue(0.5)
	h.claim(1, "a", 1)
	h.report(1.5, chaostest.OpRetry, "a", 1)
	h.add(1.8, chaostest.Event{Proc: "client", Op: chaostest.OpGet, Out: "RETRYING"})
	h.claim(2.7, "a", 2)
	h.report(3, chaostest.OpExtend, "a", 2).Ends = epoch/1000 + 5_100_000
	h.claim(5.2, "b", 3)
	// What a, which was paused, tells of its delivery comes too late.
	late := h.report(5.5, chaostest.OpComplete, "a", 2)
	late.Outcome, late.Out = chaostest.Fail, chaostest.LeaseLost
	h.report(6, chaostest.OpComplete, "b", 3).Outcome = chaostest.Unknown
	h.report(6.5, chaostest.OpComplete, "b", 3)
	h.add(7, chaostest.Event{Proc: "client", Op: chaostest.OpGet, Out: "COMPLETED"})
	h.final(domain.TaskStatusCompleted, 2, 3, 1).Result = []byte(result("b", 3))
	return h
}

func judged(t *testing.T, h history) string {
	t.Helper()
	slices.SortStableFunc(h.Events, func(a, b chaostest.Event) int { return int(a.TCall - b.TCall) })
	var out []string
	for _, v := range append(chaostest.Judge(h.Observation), chaostest.CheckFencing(h.Events, t.TempDir())...) {
		out = append(out, v.String())
	}
	return strings.Join(out, "\n")
}

func TestAHistoryThatKeepsEveryPromisePasses(t *testing.T) {
	t.Parallel()
	require.Empty(t, judged(t, newHistory()))
}

func TestWhatMayHaveHappenedIsNoViolation(t *testing.T) {
	t.Parallel()
	const completed, failed = domain.TaskStatusCompleted, domain.TaskStatusFailed
	cases := map[string]func(h history){
		"an enqueue without a reply that came to nothing": func(h history) {
			h.add(8, chaostest.Event{Proc: "client", Op: chaostest.OpEnqueue, In: otherToken, Outcome: chaostest.Unknown}).Task = ""
		},
		"an enqueue without a reply that was carried out": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0).Outcome = chaostest.Unknown
			h.claim(1, "a", 1)
			h.report(1.5, chaostest.OpComplete, "a", 1)
			h.final(completed, 1, 1, 0).Result = []byte(result("a", 1))
		},
		"a report without a reply that was carried out": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			h.claim(1, "a", 1)
			h.report(1.5, chaostest.OpComplete, "a", 1).Outcome = chaostest.Unknown
			h.final(completed, 1, 1, 0).Result = []byte(result("a", 1))
		},
		"a claim without a reply that took the task": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			h.add(1, chaostest.Event{Proc: "a", Op: chaostest.OpDequeue, Claim: "lost", Max: 8, Outcome: chaostest.Unknown})
			h.claim(4, "b", 2)
			h.report(4.5, chaostest.OpComplete, "b", 2)
			h.final(completed, 1, 2, 1).Result = []byte(result("b", 2))
		},
		"an end that was run again": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			h.claim(1, "a", 1)
			h.report(1.5, chaostest.OpFail, "a", 1)
			h.add(2, chaostest.Event{Proc: "client", Op: chaostest.OpRerun})
			h.claim(2.5, "b", 2)
			h.report(3, chaostest.OpComplete, "b", 2)
			h.final(completed, 1, 2, 0).Result = []byte(result("b", 2))
		},
		"a retry whose first call was late and whose repeat was refused": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			h.claim(1, "a", 1)
			e := h.report(1.5, chaostest.OpRetry, "a", 1)
			e.Outcome, e.Out = chaostest.Fail, chaostest.LeaseLost
			h.claim(2.7, "b", 2)
			h.report(3, chaostest.OpComplete, "b", 2)
			h.final(completed, 2, 2, 0).Result = []byte(result("b", 2))
		},
		"a task that was purged after its retention": func(h history) {
			h.Settings.Retention = 5 * time.Second
			h.add(20, chaostest.Event{Proc: "client", Op: chaostest.OpGet, Outcome: chaostest.Fail, Out: chaostest.NotFound})
			h.Final, h.Stats = nil, domain.QueueStats{}
		},
		"a task that was deleted": func(h history) {
			h.add(8, chaostest.Event{Proc: "client", Op: chaostest.OpDelete})
			h.Final, h.Stats = nil, domain.QueueStats{}
		},
		"a poison task": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			for i := range 6 {
				h.claim(float64(1+3*i), "a", i+1)
			}
			h.final(failed, 0, 6, 6).Errors = []domain.TaskError{{Reason: domain.ReasonPoison}}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory()
			change(h)
			require.Empty(t, judged(t, h))
		})
	}
}

// Each case breaks one promise, and the judge has to say which.
func TestEachBrokenPromiseIsFound(t *testing.T) {
	t.Parallel()
	const completed, failed = domain.TaskStatusCompleted, domain.TaskStatusFailed
	find := func(h history, op chaostest.Op, n int) *chaostest.Event {
		for i := range h.Events {
			if h.Events[i].Op == op {
				if n--; n == 0 {
					return &h.Events[i]
				}
			}
		}
		return nil
	}
	cases := []struct {
		name   string
		change func(h history)
		want   string
	}{
		{"an acknowledged task is gone", func(h history) { h.Final, h.Stats = nil, domain.QueueStats{} }, "I1 an acknowledged task is never lost: it is not in the store"},
		{"a task is purged before its retention", func(h history) {
			h.Settings.Retention = 200 * time.Second
			h.Final, h.Stats = nil, domain.QueueStats{}
		}, "I1 "},
		{"a task that ran again is purged by its first end", func(h history) {
			h.Settings.Retention = 5 * time.Second
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			h.claim(1, "a", 1)
			h.report(1.5, chaostest.OpFail, "a", 1)
			h.add(2, chaostest.Event{Proc: "client", Op: chaostest.OpRerun})
			h.claim(2.5, "b", 2)
			h.Final, h.Stats = nil, domain.QueueStats{}
		}, "I1 "},
		{"a task is unfinished after the drain", func(h history) { h.final(domain.TaskStatusProcessing, 1, 3, 1) }, "I1 an acknowledged task is never lost: it is PROCESSING"},
		{"a task comes from nowhere", func(h history) {
			f := domain.NewTask(otherID, domain.TaskTypeLogAnalysis, body(otherToken))
			f.Status = domain.TaskStatusCancelled
			h.Final, h.Stats.Cancelled = append(h.Final, f), 1
		}, "I2 no task is invented or doubled: the store shows a task with token"},
		{"one enqueue makes two tasks", func(h history) {
			f := domain.NewTask(otherID, domain.TaskTypeLogAnalysis, body(token))
			f.Status = domain.TaskStatusCancelled
			h.Final, h.Stats.Cancelled = append(h.Final, f), 1
		}, "came of the same enqueue"},
		{"a task is failed that nobody has failed", func(h history) { h.final(failed, 2, 3, 1) }, "I2 no task is invented or doubled: it is FAILED, and nobody"},
		{"a result comes from no run", func(h history) { h.Runs = h.Runs[:2] }, "no run has returned that"},
		{"two ends are accepted", func(h history) {
			e := find(h, chaostest.OpComplete, 1)
			e.Outcome, e.Out = chaostest.OK, ""
		}, "I3 at most one end of a task is accepted, and its result is kept: 2 reports"},
		{"two ends of one delivery are accepted", func(h history) { h.report(6.8, chaostest.OpFail, "b", 3) }, "I3 at most one end of a task is accepted, and its result is kept: two different"},
		{"another result is kept", func(h history) { h.Final[0].Result = []byte(result("a", 2)) }, "I3 "},
		{"an acknowledged end is taken back", func(h history) { h.final(failed, 2, 3, 1).Errors = []domain.TaskError{{Reason: domain.ReasonPoison}} }, "I3 "},
		{"a late report is accepted", func(h history) {
			e := find(h, chaostest.OpComplete, 1)
			e.Op, e.Outcome, e.Out, e.For = chaostest.OpRetry, chaostest.OK, "", 0
		}, "I4 fences strictly increase, and no report with an older one is accepted: retry of delivery 2"},
		{"a late extension is accepted", func(h history) { h.report(5.6, chaostest.OpExtend, "a", 2) }, "I4 "},
		{"a fence is given out twice", func(h history) {
			e := h.claim(5.4, "c", 3)
			e.Start, e.Ends = e.Start+10, e.Ends+10
		}, "I4 fences strictly increase, and no report with an older one is accepted: delivery 3 was given to the claims"},
		{"a fence goes back", func(h history) { h.claim(5.9, "c", 1) }, "was given delivery 1 after delivery 3"},
		{"a task runs on after its end", func(h history) { h.claim(30, "c", 4); h.Final[0].Deliveries = 4 }, "no order of the calls explains"},
		{"a task is given out while its lease lasts", func(h history) { find(h, chaostest.OpExtend, 1).Ends += 1_000_000 }, "I5 no task is given out again while its lease lasts: delivery 3 was given to b"},
		{"a run has no claim", func(h history) { h.Runs[0].Fence = 9 }, "ran delivery 9, which no claim has given out"},
		{"an attempt is not counted", func(h history) { h.Final[0].Attempt = 1 }, "I6 the counters of a task are those of its history: it counts 1 attempts"},
		{"an attempt is counted twice", func(h history) { h.Final[0].Attempt, h.Final[0].Recoveries = 4, 0 }, "I6 "},
		{"a delivery is not counted", func(h history) { h.Final[0].Deliveries = 2 }, "it counts 2 deliveries, and delivery 3 was given out"},
		{"a recovery is counted that was none", func(h history) { h.Final[0].Recoveries = 2 }, "are more than 3 deliveries"},
		{"a task is recovered for ever", func(h history) { h.Final[0].Recoveries = 7 }, "it was recovered 7 times"},
		{"a task is retried for ever", func(h history) { h.Final[0].MaxRetries = 0 }, "it had 2 attempts, with 0 retries"},
		{"a task is poison too early", func(h history) {
			h.final(failed, 1, 3, 2).Errors = []domain.TaskError{{Reason: domain.ReasonPoison}}
		}, "it is poison after 2 recoveries"},
		{"a claim that was repeated took other tasks", func(h history) {
			h.claim(9, "c", 5)
			h.Final[0].Deliveries = 5
		}, "delivery 4 was counted, and no claim was given it"},
		{"a retry comes too early", func(h history) { find(h, chaostest.OpRetry, 1).For = 5_000_000 }, "I7 no retry is claimed before it is due: delivery 2 was given out"},
		{"a record is in two indexes", func(h history) {
			h.Findings = []domain.Finding{{Kind: domain.FindingIndexDuplicate, ID: taskID, Place: "active", Detail: "it is COMPLETED"}}
		}, "I8 each record is in exactly one index: index_duplicate"},
		{"the statistics count a task twice", func(h history) { h.Stats.Pending = 1 }, "I9 "},
		{"the queue does not drain", func(h history) { h.Undrained = "1 task is PROCESSING" }, "I11 once faults stop, the queue drains: 1 task is PROCESSING"},
		{"a task is not found after it was acknowledged", func(h history) {
			h.add(2, chaostest.Event{Proc: "client", Op: chaostest.OpGet, Outcome: chaostest.Fail, Out: chaostest.NotFound})
		}, "I12 what the API shows of a task is a path of its states: it was not found"},
		{"a completed task moves on", func(h history) {
			h.add(9, chaostest.Event{Proc: "client", Op: chaostest.OpGet, Out: "PENDING"})
		}, "I12 what the API shows of a task is a path of its states: it is PENDING after it was COMPLETED"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory()
			c.change(h)
			require.Contains(t, judged(t, h), c.want)
		})
	}
}

// The linearizability check alone, without the judge's own rules.
func TestFencesOutOfOrderAreShownInAPicture(t *testing.T) {
	t.Parallel()
	h := newHistory()
	h.report(5.6, chaostest.OpExtend, "a", 2)
	dir := t.TempDir()
	found := chaostest.CheckFencing(h.Events, dir)
	require.Len(t, found, 1)
	require.Equal(t, taskID.String(), found[0].Task)
	page, err := os.ReadFile(filepath.Join(dir, "fencing.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "extend 2")
}

func TestAHistorySurvivesTheDeathOfItsWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := chaostest.NewRecorder(dir, "worker-1.1")
	require.NoError(t, err)
	done := r.Begin(chaostest.Event{Op: chaostest.OpComplete, Task: "x", Fence: 1})
	done[0].Outcome = chaostest.OK
	r.End(done)
	r.Begin(chaostest.Event{Op: chaostest.OpFail, Task: "y", Fence: 2})
	require.NoError(t, r.Close())
	f, err := os.OpenFile(filepath.Join(dir, "worker-1.1.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"t_call":1,"op":"cla`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	events, err := chaostest.ReadHistory(dir)
	require.NoError(t, err)
	require.Len(t, events, 2, "the torn line is left out")
	require.Equal(t, [2]chaostest.Outcome{chaostest.OK, chaostest.Unknown}, [2]chaostest.Outcome{events[0].Outcome, events[1].Outcome})
	require.Less(t, events[0].TCall, events[0].TRet)
}

func TestAPlanIsThatOfItsSeed(t *testing.T) {
	t.Parallel()
	on := chaostest.Targets{Serves: []string{"s"}, Workers: []string{"w", "v"}, Proxied: []string{"w"}}
	plan := func(seed uint64) chaostest.Plan { return chaostest.NewPlan(seed, 10*time.Minute, 2*time.Second, on) }
	require.Equal(t, plan(1), plan(1))
	require.NotEqual(t, plan(1), plan(2))
	seen := map[chaostest.Fault]int{}
	for _, s := range plan(1) {
		seen[s.Fault]++
		require.LessOrEqual(t, s.At+s.For, 10*time.Minute, "every fault ends within the plan")
	}
	for _, f := range []chaostest.Fault{
		chaostest.FaultKill, chaostest.FaultPause, chaostest.FaultRedisKill, chaostest.FaultRedisPause, chaostest.FaultScriptFlush,
		chaostest.FaultClientKill, chaostest.FaultCut, chaostest.FaultToxic, chaostest.Calm,
	} {
		require.Positive(t, seen[f], f)
	}
	calm := float64(seen[chaostest.Calm]) / float64(len(plan(1)))
	require.InDelta(t, 0.25, calm, 0.08)
}
