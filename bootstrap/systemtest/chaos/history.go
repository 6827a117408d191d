package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"logsift/domain"
)

// Op is what a client asked the queue for.
type Op string

// The operations of a history.
const (
	OpEnqueue  Op = "enqueue"
	OpDequeue  Op = "dequeue" // one call, with what it asked for
	OpClaim    Op = "claim"   // one task that a dequeue returned
	OpExtend   Op = "extend"
	OpComplete Op = "complete"
	OpRetry    Op = "retry" // a report that asks for another attempt
	OpFail     Op = "fail"
	OpSnooze   Op = "snooze" // a report that puts the task back until later
	OpRelease  Op = "release"
	OpPurge    Op = "purge"
	OpGet      Op = "get"
	OpCancel   Op = "cancel"
	OpRerun    Op = "rerun"
	OpRunNow   Op = "run_now"
	OpDelete   Op = "delete"
	OpLogs     Op = "logs"  // log lines that are sent
	OpStats    Op = "stats" // a look at the statistics
	OpReady    Op = "ready" // a question whether the process is ready
)

// Outcome is what a client knows of a call.
type Outcome string

// The outcomes. A call that timed out, or whose process died, is unknown, never
// fail.
const (
	OK      Outcome = "ok"
	Fail    Outcome = "fail"
	Unknown Outcome = "unknown"
	// Undone is that of a call which was acknowledged before Redis went back to a
	// state without it. No history has it; the judge gives it, see [Rollback].
	Undone Outcome = "undone"
)

// LeaseLost is Event.Out of a report that was refused by its fence.
const LeaseLost = "lease_lost"

// NotFound is Event.Out of a look at a task that is not there.
const NotFound = "not_found"

// Event is one call of one client about one task, or about none.
type Event struct {
	// TCall and TRet bound the call, in nanoseconds since 1970 by the clock of
	// this machine, which is that of its Redis too.
	TCall int64 `json:"t_call"`
	TRet  int64 `json:"t_ret,omitempty"`
	// Proc is the client, N the number of the call's line among its own.
	Proc string `json:"proc"`
	N    int64  `json:"n"`
	// On is the process that was asked, "" where the store was.
	On      string  `json:"on,omitempty"`
	Op      Op      `json:"op"`
	Outcome Outcome `json:"outcome,omitempty"`
	Task    string  `json:"task,omitempty"`
	Claim   string  `json:"claim,omitempty"`
	// Fence is the number of the delivery.
	Fence int `json:"fence,omitempty"`
	// In is what went in: the token of an enqueued task, the result of a
	// completion. Out is what came out: the token of a claimed task, the status of
	// a task that was looked at, why a call failed.
	In  string `json:"in,omitempty"`
	Out string `json:"out,omitempty"`
	// Start and Ends are the begin and end of a lease by the store's clock, For is
	// the lease that was asked for or the delay of a retry, all in microseconds;
	// Max is how many tasks a dequeue asked for, or how many lines were sent, Reason
	// that of a failure.
	Start  int64  `json:"start,omitempty"`
	Ends   int64  `json:"ends,omitempty"`
	For    int64  `json:"for,omitempty"`
	Max    int    `json:"max,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Key is the unique key that an enqueued task asks for.
	Key string `json:"key,omitempty"`
	// Queue is that of a claimed task.
	Queue string `json:"queue,omitempty"`
	// Logs are the ids of lines that were taken in, Tasks those of the tasks that
	// will analyse them.
	Logs  []string `json:"logs,omitempty"`
	Tasks []string `json:"tasks,omitempty"`
}

// maybe reports whether the call may have had an effect. A refused report may:
// the client repeats a call whose reply was lost, and what the repeat finds
// depends on what followed the first.
func (e Event) maybe() bool {
	return e.Outcome == OK || e.Outcome == Unknown || e.Out == LeaseLost && e.Outcome == Fail
}

// Run is one call of a processor, from its own file.
type Run struct {
	Start, End int64 // nanoseconds; End is 0 if it never returned
	Proc       string
	Task       string
	Claim      string
	Fence      int
	// Result is what it returned, "" after a failure.
	Result string
	// Logs are the ids of the log lines that it analysed.
	Logs []string
	// Before are the states of the tasks that the task waited for, as the run saw them.
	Before []domain.TaskStatus
	// Together is equal for the runs of one call of the processor, "" for a call for one task.
	Together string
}

// Recorder writes the history of one process. Each line is one write, so that a
// process that is killed leaves what it had begun. It is safe for concurrent use.
type Recorder struct {
	proc string

	mu   sync.Mutex // guards the file and the numbers; lines must not mix
	file *os.File
	next int64
}

// NewRecorder makes the file DIR/PROC.jsonl.
func NewRecorder(dir, proc string) (*Recorder, error) {
	file, err := os.OpenFile(filepath.Join(dir, proc+".jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // The folder is the test's own.
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", proc, err)
	}
	return &Recorder{proc: proc, file: file}, nil
}

// Close closes the file.
func (r *Recorder) Close() error { return r.file.Close() }

// Begin writes that calls begin, and returns them with their numbers and time.
func (r *Recorder) Begin(events ...Event) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UnixNano()
	for i := range events {
		r.next++
		events[i].N, events[i].Proc, events[i].TCall = r.next, r.proc, now
	}
	r.write(events)
	return events
}

// End writes how calls ended. New events, which have no number, are given one and
// the time of the first.
func (r *Recorder) End(events []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UnixNano()
	for i := range events {
		if events[i].N == 0 {
			r.next++
			events[i].N, events[i].Proc, events[i].TCall = r.next, r.proc, events[0].TCall
		}
		events[i].TRet = now
	}
	r.write(events)
}

func (r *Recorder) write(events []Event) {
	var b bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			panic(err) // A struct of strings and numbers always marshals.
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	if _, err := r.file.Write(b.Bytes()); err != nil {
		// A history with holes would be judged as if the product were wrong.
		panic(fmt.Sprintf("write the history of %s: %v", r.proc, err))
	}
}

// ReadHistory reads all histories of a folder, in the order of their calls. A
// call without an end is unknown.
func ReadHistory(dir string) ([]Event, error) {
	var out []Event
	err := eachFile(dir, ".jsonl", func(name string) error {
		events, err := readLines[Event](name)
		if err != nil {
			return err
		}
		at := map[int64]int{}
		for _, e := range events {
			if i, begun := at[e.N]; begun {
				out[i] = e
				continue
			}
			at[e.N] = len(out)
			if e.Outcome == "" {
				e.Outcome = Unknown
			}
			out = append(out, e)
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b Event) int { return int(a.TCall - b.TCall) })
	return out, err
}

// runLine is a line of a processor's file: a start, or an end if Ended is set.
type runLine struct {
	T      int64  `json:"t"`
	Ended  bool   `json:"ended,omitempty"`
	Task   string `json:"task"`
	Claim  string `json:"claim"`
	Fence  int    `json:"fence"`
	Result string `json:"result,omitempty"`
	// Logs are the ids of the log lines that it analysed.
	Logs []string `json:"logs,omitempty"`
	// Before are the states of the tasks that the task waited for.
	Before []domain.TaskStatus `json:"before,omitempty"`
	// Together is that of Run, where a run starts.
	Together string `json:"together,omitempty"`
}

// ReadRuns reads all files of processors, *.runs, of a folder.
func ReadRuns(dir string) ([]Run, error) {
	var out []Run
	err := eachFile(dir, ".runs", func(name string) error {
		lines, err := readLines[runLine](name)
		if err != nil {
			return err
		}
		proc := strings.TrimSuffix(filepath.Base(name), ".runs")
		at := map[string]int{}
		for _, l := range lines {
			key := fmt.Sprint(l.Task, l.Claim, l.Fence)
			if i, begun := at[key]; begun && l.Ended {
				out[i].End, out[i].Result, out[i].Logs, out[i].Before = l.T, l.Result, l.Logs, l.Before
				continue
			}
			at[key] = len(out)
			out = append(out, Run{Start: l.T, Proc: proc, Task: l.Task, Claim: l.Claim, Fence: l.Fence, Together: l.Together})
		}
		return nil
	})
	return out, err
}

func eachFile(dir, suffix string, do func(name string) error) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}

// readLines reads JSON lines. The last may be torn, since its writer may have
// been killed.
func readLines[T any](name string) ([]T, error) {
	raw, err := os.ReadFile(name) //nolint:gosec // The folder is the test's own.
	if err != nil {
		return nil, err
	}
	var out []T
	for line := range bytes.Lines(raw) {
		if line[len(line)-1] != '\n' {
			break
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: line %q", name, line), err)
		}
		out = append(out, v)
	}
	return out, nil
}
