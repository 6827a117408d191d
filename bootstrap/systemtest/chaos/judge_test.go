package chaos_test

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

	"logsift/bootstrap/systemtest/chaos"
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

func body(token string) []byte { return fmt.Appendf(nil, `{"log_ids":[%q],"plan":{}}`, token) }

func result(by string, fence int) string { return fmt.Sprintf(`{"by":%q,"fence":%d}`, by, fence) }

// history is the life of one task, made by hand. at is in seconds since epoch, and
// each call takes a tenth of one.
type history struct{ *chaos.Observation }

func (h history) add(at float64, e chaos.Event) *chaos.Event {
	e.TCall = epoch + int64(at*float64(second))
	if e.Outcome == "" {
		e.Outcome = chaos.OK
	}
	if e.Outcome != chaos.Unknown {
		e.TRet = e.TCall + second/10
	}
	if e.Task == "" && e.Op != chaos.OpDequeue {
		e.Task = taskID.String()
	}
	h.Events = append(h.Events, e)
	return &h.Events[len(h.Events)-1]
}

func (h history) enqueue(at float64) *chaos.Event {
	return h.add(at, chaos.Event{Proc: "client", Op: chaos.OpEnqueue, In: token})
}

// claim gives a delivery out for 2 s, and has it run.
func (h history) claim(at float64, by string, fence int) *chaos.Event {
	claim := fmt.Sprint("claim-of-", by, "-", fence)
	h.add(at, chaos.Event{Proc: by, Op: chaos.OpDequeue, Claim: claim, Max: 8})
	start := (epoch + int64(at*float64(second)) + second/20) / 1000
	h.Runs = append(h.Runs, chaos.Run{Start: start * 1000, Proc: by, Task: taskID.String(), Claim: claim, Fence: fence, Result: result(by, fence)})
	return h.add(at, chaos.Event{Proc: by, Op: chaos.OpClaim, Claim: claim, Fence: fence, Out: token, Start: start, Ends: start + 2_000_000})
}

func (h history) report(at float64, op chaos.Op, by string, fence int) *chaos.Event {
	e := chaos.Event{Proc: by, Op: op, Claim: fmt.Sprint("claim-of-", by, "-", fence), Fence: fence}
	if op == chaos.OpComplete {
		e.In = result(by, fence)
	}
	if op == chaos.OpRetry || op == chaos.OpSnooze {
		e.For = 1_000_000
	}
	return h.add(at, e)
}

// lines sends a log line that the other task is to analyse.
func (h history) lines(at float64) {
	h.add(at, chaos.Event{Proc: "client", On: "serve", Op: chaos.OpLogs, Logs: []string{"line"}, Tasks: []string{otherID.String()}}).Task = ""
}

// outage breaks everything between two times.
func (h history) outage(from, to float64) {
	h.Outages = append(h.Outages, chaos.Outage{Fault: chaos.FaultKill, From: at(from), To: at(to), Within: 5 * time.Second})
}

// probe makes the same call of a process all the time.
func (h history) probe(op chaos.Op, from, to, every float64, outcome chaos.Outcome, out string) {
	for t := from; t < to; t += every {
		e := h.add(t, chaos.Event{Proc: "probe-serve", On: "serve", Op: op, Outcome: outcome, Out: out})
		e.Task, e.TRet = "", e.TCall+second/10
		if op == chaos.OpEnqueue {
			e.In = token
			e.Task = taskID.String()
		}
	}
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

// anew begins with a task that a was given.
func (h history) anew() {
	h.Events, h.Runs = nil, nil
	h.enqueue(0)
	h.claim(1, "a", 1)
}

// completed is the task completed by a run, after so many attempts, deliveries and
// recoveries.
func (h history) completed(by string, attempt, deliveries, recoveries int) {
	h.final(domain.TaskStatusCompleted, attempt, deliveries, recoveries).Result = []byte(result(by, deliveries))
}

// newHistory is one that keeps every promise: a run that fails, one whose worker
// dies, one whose report was lost on the way and repeated, and looks at the task.
func newHistory() history {
	h := history{&chaos.Observation{Settings: chaos.DefaultSettings(), At: epoch + 100*second}}
	h.add(0, chaos.Event{Proc: "client", Op: chaos.OpEnqueue, In: token, Outcome: chaos.Unknown, Task: "-"}).Task = ""
	h.enqueue(0.5)
	h.claim(1, "a", 1)
	h.report(1.5, chaos.OpRetry, "a", 1)
	h.add(1.8, chaos.Event{Proc: "client", Op: chaos.OpGet, Out: "RETRYING"})
	h.claim(2.7, "a", 2)
	h.report(3, chaos.OpExtend, "a", 2).Ends = epoch/1000 + 5_100_000
	h.claim(5.2, "b", 3)
	// What a, which was paused, tells of its delivery comes too late.
	late := h.report(5.5, chaos.OpComplete, "a", 2)
	late.Outcome, late.Out = chaos.Fail, chaos.LeaseLost
	h.report(6, chaos.OpComplete, "b", 3).Outcome = chaos.Unknown
	h.report(6.5, chaos.OpComplete, "b", 3)
	h.add(7, chaos.Event{Proc: "client", Op: chaos.OpGet, Out: "COMPLETED"})
	h.completed("b", 2, 3, 1)
	return h
}

func judged(t *testing.T, h history) string {
	t.Helper()
	slices.SortStableFunc(h.Events, func(a, b chaos.Event) int { return int(a.TCall - b.TCall) })
	var out []string
	for _, v := range append(chaos.Judge(h.Observation), chaos.CheckFencing(h.Events, t.TempDir())...) {
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
	const failed = domain.TaskStatusFailed
	cases := map[string]func(h history){
		"an enqueue without a reply that came to nothing": func(h history) {
			h.add(8, chaos.Event{Proc: "client", Op: chaos.OpEnqueue, In: otherToken, Outcome: chaos.Unknown}).Task = ""
		},
		"an enqueue without a reply that was carried out": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0).Outcome = chaos.Unknown
			h.claim(1, "a", 1)
			h.report(1.5, chaos.OpComplete, "a", 1)
			h.completed("a", 1, 1, 0)
		},
		"a report without a reply that was carried out": func(h history) {
			h.anew()
			h.report(1.5, chaos.OpComplete, "a", 1).Outcome = chaos.Unknown
			h.completed("a", 1, 1, 0)
		},
		"a claim without a reply that took the task": func(h history) {
			h.Events, h.Runs = nil, nil
			h.enqueue(0)
			h.add(1, chaos.Event{Proc: "a", Op: chaos.OpDequeue, Claim: "lost", Max: 8, Outcome: chaos.Unknown})
			h.claim(4, "b", 2)
			h.report(4.5, chaos.OpComplete, "b", 2)
			h.completed("b", 1, 2, 1)
		},
		"an end that was run again": func(h history) {
			h.anew()
			h.report(1.5, chaos.OpFail, "a", 1)
			h.add(2, chaos.Event{Proc: "client", Op: chaos.OpRerun})
			h.claim(2.5, "b", 2)
			h.report(3, chaos.OpComplete, "b", 2)
			h.completed("b", 1, 2, 0)
		},
		"a retry whose first call was late and whose repeat was refused": func(h history) {
			h.anew()
			e := h.report(1.5, chaos.OpRetry, "a", 1)
			e.Outcome, e.Out = chaos.Fail, chaos.LeaseLost
			h.claim(2.7, "b", 2)
			h.report(3, chaos.OpComplete, "b", 2)
			h.completed("b", 2, 2, 0)
		},
		"a snooze that counts nothing": func(h history) {
			h.anew()
			h.report(1.5, chaos.OpSnooze, "a", 1)
			h.claim(2.7, "b", 2)
			h.report(3, chaos.OpComplete, "b", 2)
			h.completed("b", 1, 2, 0)
		},
		"a task that was purged after its retention": func(h history) {
			h.Settings.Retention = 5 * time.Second
			h.add(20, chaos.Event{Proc: "client", Op: chaos.OpGet, Outcome: chaos.Fail, Out: chaos.NotFound})
			h.Final, h.Stats = nil, domain.QueueStats{}
		},
		"a task that was deleted": func(h history) {
			h.add(8, chaos.Event{Proc: "client", Op: chaos.OpDelete})
			h.Final, h.Stats = nil, domain.QueueStats{}
		},
		"a line whose task was cancelled after it was taken in": func(h history) {
			h.lines(1)
			h.add(1.5, chaos.Event{Proc: "client", Op: chaos.OpCancel, Task: otherID.String()})
		},
		"a line that was analysed": func(h history) { h.lines(1); h.Runs[2].Logs = []string{"line"} },
		"calls that fail during an outage and soon after it": func(h history) {
			h.outage(10, 12)
			h.probe(chaos.OpStats, 9.9, 16.5, .5, chaos.Unknown, "503")
			h.probe(chaos.OpStats, 17, 20, .5, chaos.OK, "")
		},
		"a process that is not ready while nothing is taken, and within a while before and after": func(h history) {
			h.outage(10, 18)
			h.probe(chaos.OpEnqueue, 10, 18, .5, chaos.Unknown, "full")
			h.probe(chaos.OpReady, 10, 14.5, .5, chaos.OK, "200")
			h.probe(chaos.OpReady, 14.5, 22, .5, chaos.OK, "503")
			h.probe(chaos.OpEnqueue, 18.2, 26, .5, chaos.OK, "")
			h.probe(chaos.OpReady, 22, 26, .5, chaos.OK, "200")
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
	const failed = domain.TaskStatusFailed
	find := func(h history, op chaos.Op, n int) *chaos.Event {
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
		{"an acknowledged task is gone", func(h history) { h.Final, h.Stats = nil, domain.QueueStats{} }, "an acknowledged task is never lost: it is not in the store"},
		{"a task is purged before its retention", func(h history) {
			h.Settings.Retention = 200 * time.Second
			h.Final, h.Stats = nil, domain.QueueStats{}
		}, string(chaos.NothingLost)},
		{"a task that ran again is purged by its first end", func(h history) {
			h.Settings.Retention = 5 * time.Second
			h.anew()
			h.report(1.5, chaos.OpFail, "a", 1)
			h.add(2, chaos.Event{Proc: "client", Op: chaos.OpRerun})
			h.claim(2.5, "b", 2)
			h.Final, h.Stats = nil, domain.QueueStats{}
		}, string(chaos.NothingLost)},
		{"a task is unfinished after the drain", func(h history) { h.final(domain.TaskStatusProcessing, 1, 3, 1) }, "an acknowledged task is never lost: it is PROCESSING"},
		{"two unfinished tasks have a unique key", func(h history) {
			find(h, chaos.OpEnqueue, 2).Key = "key-1"
			h.add(1.5, chaos.Event{Proc: "client", Op: chaos.OpEnqueue, In: otherToken, Task: otherID.String(), Key: "key-1"})
		}, "a unique key has one holder: it was created with the unique key key-1"},
		{"a unique key is free before its time", func(h history) {
			find(h, chaos.OpEnqueue, 2).Key = "time-1"
			h.add(1.5, chaos.Event{Proc: "client", Op: chaos.OpEnqueue, In: otherToken, Task: otherID.String(), Key: "time-1"})
		}, string(chaos.OneHolder)},
		{"a task comes from nowhere", func(h history) {
			f := domain.NewTask(otherID, domain.TaskTypeLogAnalysis, body(otherToken))
			f.Status = domain.TaskStatusCancelled
			h.Final, h.Stats.Cancelled = append(h.Final, f), 1
		}, "no task is invented or doubled: the store shows a task with token"},
		{"one enqueue makes two tasks", func(h history) {
			f := domain.NewTask(otherID, domain.TaskTypeLogAnalysis, body(token))
			f.Status = domain.TaskStatusCancelled
			h.Final, h.Stats.Cancelled = append(h.Final, f), 1
		}, "came of the same enqueue"},
		{"a task is failed that nobody has failed", func(h history) { h.final(failed, 2, 3, 1) }, "no task is invented or doubled: it is FAILED, and nobody"},
		{"a result comes from no run", func(h history) { h.Runs = h.Runs[:2] }, "no run has returned that"},
		{"two ends are accepted", func(h history) {
			e := find(h, chaos.OpComplete, 1)
			e.Outcome, e.Out = chaos.OK, ""
		}, "at most one end of a task is accepted, and its result is kept: 2 reports"},
		{"two ends of one delivery are accepted", func(h history) { h.report(6.8, chaos.OpFail, "b", 3) }, "at most one end of a task is accepted, and its result is kept: two different"},
		{"another result is kept", func(h history) { h.Final[0].Result = []byte(result("a", 2)) }, string(chaos.OneEnd)},
		{"an acknowledged end is taken back", func(h history) { h.final(failed, 2, 3, 1).Errors = []domain.TaskError{{Reason: domain.ReasonPoison}} }, string(chaos.OneEnd)},
		{"a late report is accepted", func(h history) {
			e := find(h, chaos.OpComplete, 1)
			e.Op, e.Outcome, e.Out, e.For = chaos.OpRetry, chaos.OK, "", 0
		}, "fences strictly increase, and no report with an older one is accepted: retry of delivery 2"},
		{"a late extension is accepted", func(h history) { h.report(5.6, chaos.OpExtend, "a", 2) }, string(chaos.FencesIncrease)},
		{"a fence is given out twice", func(h history) {
			e := h.claim(5.4, "c", 3)
			e.Start, e.Ends = e.Start+10, e.Ends+10
		}, "fences strictly increase, and no report with an older one is accepted: delivery 3 was given to the claims"},
		{"a fence goes back", func(h history) { h.claim(5.9, "c", 1) }, "was given delivery 1 after delivery 3"},
		{"a task runs on after its end", func(h history) { h.claim(30, "c", 4); h.Final[0].Deliveries = 4 }, "no order of the calls explains"},
		{"a task is given out while its lease lasts", func(h history) { find(h, chaos.OpExtend, 1).Ends += 1_000_000 }, "no task is given out again while its lease lasts: delivery 3 was given to b"},
		{"a run has no claim", func(h history) { h.Runs[0].Fence = 9 }, "ran delivery 9, which no claim has given out"},
		{"an attempt is not counted", func(h history) { h.Final[0].Attempt = 1 }, "the counters of a task are those of its history: it counts 1 attempts"},
		{"an attempt is counted twice", func(h history) { h.Final[0].Attempt, h.Final[0].Recoveries = 4, 0 }, string(chaos.CountersTrue)},
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
		{"a retry comes too early", func(h history) { find(h, chaos.OpRetry, 1).For = 5_000_000 }, "no retry is claimed before it is due: delivery 2 was given out"},
		{"a snooze ends too early", func(h history) {
			retry := find(h, chaos.OpRetry, 1)
			retry.Op, retry.For = chaos.OpSnooze, 5_000_000
		}, "no retry is claimed before it is due: delivery 2 was given out"},
		{"a task is in another queue", func(h history) { h.Final[0].Queue = "other" }, `no task is invented or doubled: it was enqueued in the queue "default", and the store has it in "other"`},
		{"a task is claimed from another queue", func(h history) { find(h, chaos.OpClaim, 2).Queue = "other" }, `and claimed from "other"`},
		{"a line is analysed by nobody", func(h history) { h.lines(1) }, "an accepted log line is analysed once, unless a person ends its task: line line, taken in by serve for the tasks"},
		{"a line goes to a task that was cancelled before", func(h history) {
			h.add(1, chaos.Event{Proc: "client", Op: chaos.OpCancel, Task: otherID.String()})
			h.lines(1.5)
		}, string(chaos.LinesAnalysedOnce)},
		{"a line is analysed twice", func(h history) {
			h.lines(1)
			h.Runs[0].Logs, h.Runs[2].Logs = []string{"line"}, []string{"line"}
			h.Runs[0].Task = otherID.String()
			h.add(9, chaos.Event{Proc: "d", Op: chaos.OpComplete, Task: otherID.String(), In: h.Runs[0].Result})
		}, "an accepted log line is analysed once, unless a person ends its task: line line was analysed by the tasks"},
		{"a process that nothing breaks refuses", func(h history) {
			h.outage(10, 12)
			h.probe(chaos.OpStats, 16, 25, .5, chaos.Unknown, "503")
		}, "a process that nothing breaks answers, and does so soon after a fault: 15 of 15 calls of serve (stats) failed, for up to 7s, the first 5.5s after kill: 503"},
		{"a worker does not claim again", func(h history) {
			for i := range 3 {
				h.add(20+float64(i), chaos.Event{Proc: "worker-1.1", Op: chaos.OpDequeue, Claim: "x", Outcome: chaos.Fail, Out: "away"})
			}
		}, "a process that nothing breaks answers, and does so soon after a fault: 3 of 3 calls of worker-1 (dequeue) failed"},
		{"a process says that it is ready, and takes nothing", func(h history) {
			h.outage(10, 20)
			h.probe(chaos.OpEnqueue, 10, 18, .5, chaos.Unknown, "full")
			h.probe(chaos.OpReady, 10, 18, .5, chaos.OK, "200")
		}, "a process says that it is ready when writes succeed, and that it is not when they fail: serve answers 200 to GET /readyz, and for 5"},
		{"a process says that it is not ready, and takes all", func(h history) {
			h.probe(chaos.OpEnqueue, 10, 18, .5, chaos.OK, "")
			h.probe(chaos.OpReady, 10, 18, .5, chaos.OK, "503")
		}, "a process says that it is ready when writes succeed, and that it is not when they fail: serve answers 503"},
		{"a record is in two indexes", func(h history) {
			h.Findings = []domain.Finding{{Kind: "index_duplicate", ID: taskID, Place: "active", Detail: "it is COMPLETED"}}
		}, "each record is in exactly one index: index_duplicate"},
		{"the statistics count a task twice", func(h history) { h.Stats.Pending = 1 }, string(chaos.CountedOnce)},
		{"the queue does not drain", func(h history) { h.Undrained = "1 task is PROCESSING" }, "once faults stop, the queue drains: 1 task is PROCESSING"},
		{"a task is not found after it was acknowledged", func(h history) {
			h.add(2, chaos.Event{Proc: "client", Op: chaos.OpGet, Outcome: chaos.Fail, Out: chaos.NotFound})
		}, "what the API shows of a task is a path of its states: it was not found"},
		{"a completed task moves on", func(h history) {
			h.add(9, chaos.Event{Proc: "client", Op: chaos.OpGet, Out: "PENDING"})
		}, "what the API shows of a task is a path of its states: it is PENDING after it was COMPLETED"},
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
	h.report(5.6, chaos.OpExtend, "a", 2)
	dir := t.TempDir()
	found := chaos.CheckFencing(h.Events, dir)
	require.Len(t, found, 1)
	require.Equal(t, taskID.String(), found[0].Task)
	page, err := os.ReadFile(filepath.Join(dir, "fencing.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "extend 2")
}

// A store that is away for long is asked again and again.
func TestRepeatsDoNotMakeTheFencesHardToJudge(t *testing.T) {
	t.Parallel()
	h := history{&chaos.Observation{}}
	h.claim(1, "a", 1)
	for i := range 60 {
		h.report(2+float64(i), chaos.OpComplete, "a", 1).Outcome = chaos.Unknown
		h.report(2+float64(i), chaos.OpExtend, "a", 1).Outcome = chaos.Unknown
	}
	h.claim(90, "b", 2)
	h.report(91, chaos.OpFail, "b", 2)
	require.Empty(t, chaos.CheckFencing(h.Events, t.TempDir()))
	h.report(92, chaos.OpComplete, "a", 1)
	require.Len(t, chaos.CheckFencing(h.Events, t.TempDir()), 1)
}

func TestAHistorySurvivesTheDeathOfItsWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := chaos.NewRecorder(dir, "worker-1.1")
	require.NoError(t, err)
	done := r.Begin(chaos.Event{Op: chaos.OpComplete, Task: "x", Fence: 1})
	done[0].Outcome = chaos.OK
	r.End(done)
	r.Begin(chaos.Event{Op: chaos.OpFail, Task: "y", Fence: 2})
	require.NoError(t, r.Close())
	f, err := os.OpenFile(filepath.Join(dir, "worker-1.1.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"t_call":1,"op":"cla`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	events, err := chaos.ReadHistory(dir)
	require.NoError(t, err)
	require.Len(t, events, 2, "the torn line is left out")
	require.Equal(t, [2]chaos.Outcome{chaos.OK, chaos.Unknown}, [2]chaos.Outcome{events[0].Outcome, events[1].Outcome})
	require.Less(t, events[0].TCall, events[0].TRet)
}

func TestAPlanIsThatOfItsSeed(t *testing.T) {
	t.Parallel()
	on := chaos.Targets{Serves: []string{"s"}, Workers: []string{"w", "v"}, Proxied: []string{"w"}, Server: true}
	plan := func(seed uint64) chaos.Plan { return chaos.NewPlan(seed, 10*time.Minute, 2*time.Second, on) }
	require.Equal(t, plan(1), plan(1))
	require.NotEqual(t, plan(1), plan(2))
	seen := map[chaos.Fault]int{}
	for _, s := range plan(1) {
		seen[s.Fault]++
		require.LessOrEqual(t, s.At+s.For, 10*time.Minute, "every fault ends within the plan")
	}
	for _, f := range []chaos.Fault{
		chaos.FaultKill, chaos.FaultPause, chaos.FaultRedisKill, chaos.FaultRedisPause, chaos.FaultRedisFull,
		chaos.FaultRestore, chaos.FaultScriptFlush, chaos.FaultClientKill, chaos.FaultCut, chaos.FaultToxic, chaos.Calm,
	} {
		require.Positive(t, seen[f], f)
	}
	require.Zero(t, seen[chaos.FaultMasterKill], "one server has no replica")
	calm := float64(seen[chaos.Calm]) / float64(len(plan(1)))
	require.InDelta(t, 0.25, calm, 0.08)
}

// A program whose workers write no history is judged by what the store has.
func TestForeignWorkersAreJudgedByTheStore(t *testing.T) {
	t.Parallel()
	foreign := func(attempt, failures, sent, analysed int) history {
		h := history{&chaos.Observation{Foreign: true, At: epoch + 100*second}}
		h.enqueue(0)
		h.add(1, chaos.Event{Proc: "client", On: "newer", Op: chaos.OpLogs, Logs: make([]string, sent), Max: sent}).Task = ""
		h.add(2, chaos.Event{Proc: "client", On: "newer", Op: chaos.OpLogs, Outcome: chaos.Unknown, Max: 2}).Task = ""
		h.final(domain.TaskStatusCompleted, attempt, attempt, 0).Errors = make([]domain.TaskError, failures)
		batch := domain.NewTask(otherID, domain.TaskTypeLogAnalysis, fmt.Appendf(nil, `{"batch_id":%q}`, otherID))
		batch.Status, batch.Attempt, batch.Result = domain.TaskStatusCompleted, 1, fmt.Appendf(nil, `{"log_count":%d}`, analysed)
		h.Final, h.Stats.Completed = append(h.Final, batch), 2
		return h
	}
	require.Empty(t, judged(t, foreign(1, 0, 5, 5)))
	require.Empty(t, judged(t, foreign(2, 1, 5, 7)), "what is unknown may have been taken in")
	require.Contains(t, judged(t, foreign(2, 0, 5, 5)), "at most one end of a task is accepted, and its result is kept: it was completed by attempt 2, and 0 runs failed before")
	require.Contains(t, judged(t, foreign(1, 0, 5, 4)), "an accepted log line is analysed once, unless a person ends its task: 4 lines were analysed, of 5")
	require.Contains(t, judged(t, foreign(1, 0, 5, 8)), string(chaos.LinesAnalysedOnce))
}
