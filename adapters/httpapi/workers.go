package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"logsift/adapters/httpapi/auth"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

// Limits of what a worker may send.
const (
	// MaxClaimNames is how many types, and how many queues, a claim names.
	MaxClaimNames = 100
	// MaxClaimWait is how long a claim waits.
	MaxClaimWait = time.Minute
	// MaxLeases is how many leases or reports a request has.
	MaxLeases = ports.MaxClaim
	// MaxHeartbeatLines is how many lines a heartbeat has for the log of its run.
	MaxHeartbeatLines = 100
	// MaxLostStates is of how many lost leases a heartbeat tells what state their tasks are in.
	MaxLostStates = 100
)

// noMessage is the message of a failure that its worker says nothing of.
const noMessage = "the worker named no error"

// Outcomes of a run, as workers name them.
const (
	outcomeCompleted = "completed"
	outcomeRetry     = "retry"
	outcomeFailed    = "failed"
	outcomeSnooze    = "snooze"
)

// readJSON reads a body of JSON, of at most limit bytes, into v.
func (a *API) readJSON(w http.ResponseWriter, r *http.Request, limit int64, v any, lists ...request.ListLimit) error {
	data, free, err := a.bodies.Read(w, r, limit)
	if err != nil {
		return err
	}
	defer free()
	return request.Decode(data, v, lists...)
}

// claimTasks gives tasks to a worker. The Idempotency-Key names the claim in the store, so
// that a repeat whose answer was lost gives the same tasks.
func (a *API) claimTasks(w http.ResponseWriter, r *http.Request) error {
	var in wire.ClaimTasks
	if err := a.readJSON(w, r, a.cfg.MaxTaskBytes, &in); err != nil {
		return err
	}
	req, err := claimRequest(&in)
	if err != nil {
		return err
	}
	key, err := request.IdempotencyKey(r)
	if err != nil {
		return err
	}
	nonce := claimNonce(uuid.New())
	if key != "" {
		hashed := sha256.Sum256([]byte(key))
		nonce = claimNonce(hashed[:])
	}
	caller := request.CallerID(r.Context())
	req.ID = claimID(caller, nonce)

	ctx, done, err := a.claims.begin(r.Context(), request.Caller(r), &stream{control: http.NewResponseController(w)})
	if err != nil {
		return err
	}
	defer done()
	tasks, err := a.workers.ClaimTasks(ctx, request.Worker(r), req)
	if err != nil {
		if ctx.Err() != nil && r.Context().Err() == nil {
			err = fmt.Errorf("%w: %w", domain.ErrClosed, err)
		}
		return err
	}
	out := wire.ClaimedTasks{Tasks: make([]wire.Task, len(tasks))}
	ids, leases := make([]domain.TaskID, len(tasks)), make([]domain.Lease, len(tasks))
	for i, t := range tasks {
		ids[i], leases[i] = t.ID, *t.Lease
		out.Tasks[i] = a.singleTaskView(t)
		out.Tasks[i].Lease = leaseToken(caller, nonce, t)
	}
	auth.RecordOf(r.Context()).Tasks(ids...)
	if len(tasks) == 0 {
		return wire.Write(w, http.StatusOK, out)
	}
	err = r.Context().Err()
	if err == nil {
		err = writeThrough(w, out)
	}
	if err != nil && key == "" {
		// Nobody has the tasks. A claim that has a key is left to its repeat.
		_ = a.workers.ReleaseTasks(ctx, request.Worker(r), leases...) // their leases end otherwise
	}
	return nil
}

// writeThrough answers with v, and tells what keeps the answer from leaving.
func writeThrough(w http.ResponseWriter, v any) error {
	if err := wire.Write(w, http.StatusOK, v); err != nil {
		return err
	}
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// claimRequest reads the body of a claim. The error is a *domain.ValidationError.
func claimRequest(in *wire.ClaimTasks) (req ports.ClaimRequest, err error) {
	req = ports.ClaimRequest{Max: 1, Queues: in.Queues}
	if in.Max != nil {
		req.Max = *in.Max
	}
	if err := countBetween("types", len(in.Types), 1, MaxClaimNames); err != nil {
		return req, err
	}
	if err := countBetween("queues", len(in.Queues), 0, MaxClaimNames); err != nil {
		return req, err
	}
	for _, name := range in.Types {
		req.Types = append(req.Types, domain.TaskType(name))
	}
	if req.Lease, err = leaseOf(in.LeaseSeconds); err != nil {
		return req, err
	}
	if in.WaitSeconds != nil {
		if req.Wait, err = duration("wait_seconds", *in.WaitSeconds, MaxClaimWait); err != nil {
			return req, err
		}
	}
	check := req
	check.ID = domain.ClaimID{1} // The id comes later.
	if check.Lease == 0 {
		check.Lease = ports.MaxLease
	}
	return req, check.Validate()
}

// leaseOf returns the length of a lease, 0 for the server's.
func leaseOf(seconds *float64) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	if *seconds < ports.MinLease.Seconds() || *seconds > ports.MaxLease.Seconds() {
		return 0, &domain.ValidationError{
			Field: "lease_seconds", Value: strconv.FormatFloat(*seconds, 'g', -1, 64),
			Rule: fmt.Sprintf("must be between %g and %g", ports.MinLease.Seconds(), ports.MaxLease.Seconds()),
		}
	}
	return duration("lease_seconds", *seconds, ports.MaxLease)
}

// countBetween checks how many elements a list has.
func countBetween(field string, n, low, high int) error {
	if n >= low && n <= high {
		return nil
	}
	return &domain.ValidationError{Field: field, Rule: fmt.Sprintf("must have %d to %d elements, not %d", low, high, n)}
}

// leasesOf reads the leases of a request, and of which runs they are.
func leasesOf(r *http.Request, texts []string) ([]ports.RunReport, []domain.Lease, error) {
	if err := countBetween("leases", len(texts), 1, MaxLeases); err != nil {
		return nil, nil, err
	}
	runs, leases := make([]ports.RunReport, len(texts)), make([]domain.Lease, len(texts))
	for i, text := range texts {
		run, err := parseLeaseToken(request.CallerID(r.Context()), text)
		if err != nil {
			return nil, nil, &domain.ValidationError{Field: fmt.Sprintf("leases.%d", i), Rule: err.Error()}
		}
		runs[i], leases[i] = run, *run.Task.Lease
	}
	noteTasks(r, leases)
	return runs, leases, nil
}

// noteTasks tells the audit log of the tasks of leases.
func noteTasks(r *http.Request, leases []domain.Lease) {
	ids := make([]domain.TaskID, len(leases))
	for i, l := range leases {
		ids[i] = l.TaskID
	}
	auth.RecordOf(r.Context()).Tasks(ids...)
}

func (a *API) extendLeases(w http.ResponseWriter, r *http.Request) error {
	var in wire.Heartbeat
	if err := a.readJSON(w, r, a.cfg.MaxTaskBytes, &in, request.AtMost[[]string](MaxLeases), request.AtMost[[]wire.GivenLine](MaxHeartbeatLines)); err != nil {
		return err
	}
	lease, err := leaseOf(in.LeaseSeconds)
	if err != nil {
		return err
	}
	runs, _, err := leasesOf(r, in.Leases)
	if err != nil {
		return err
	}
	progress, err := progressOf(in.Progress)
	if err != nil {
		return err
	}
	lines, err := linesOf(in.Log)
	if err != nil {
		return err
	}
	if len(lines) > 0 && len(runs) > 1 {
		return &domain.ValidationError{Field: "log", Rule: "goes with one lease only: send a heartbeat for each run that logs"}
	}
	extended, err := a.workers.ExtendLeases(r.Context(), request.Worker(r), lease, progress, runs...)
	if len(lines) > 0 && err == nil {
		if err := a.workers.LogRun(r.Context(), runs[0].Task, lines...); err != nil {
			return err
		}
	}
	states := a.lostStates(r.Context(), runs, err)
	return a.answerLeases(w, len(runs), err, func(i int, result *wire.LeaseResult) {
		held := result.Problem == nil
		result.Held, result.TaskStatus = &held, states[i]
		if held {
			result.ExpiresAt = timeView(extended[i].ExpiresAt)
		}
	})
}

// lostStates returns the states of the tasks, by place, whose leases are lost by the error.
func (a *API) lostStates(ctx context.Context, runs []ports.RunReport, err error) map[int]string {
	states := map[int]string{}
	for i, run := range runs {
		if !errors.Is(domain.ItemError(err, i), domain.ErrLeaseLost) || len(states) == MaxLostStates {
			continue
		}
		if task, err := a.queue.GetTask(ctx, run.Task.ID); err == nil {
			states[i] = task.Status.String()
		}
	}
	return states
}

// linesOf reads the lines that runs log.
func linesOf(in []wire.GivenLine) ([]domain.LogEntry, error) {
	if err := countBetween("log", len(in), 0, MaxHeartbeatLines); err != nil {
		return nil, err
	}
	out := make([]domain.LogEntry, len(in))
	for i, line := range in {
		level := domain.LogLevelInfo
		if line.Level != "" {
			var err error
			if level, err = domain.ParseLogLevel(line.Level); err != nil {
				return nil, domain.InField(fmt.Sprintf("log.%d", i), err)
			}
		}
		out[i] = domain.LogEntry{Level: level, Message: line.Message, Timestamp: timeOf(line.Time).Truncate(time.Microsecond)}
		check := out[i]
		check.ID = uuid.Max
		if err := check.Validate(); err != nil {
			return nil, domain.InField(fmt.Sprintf("log.%d", i), err)
		}
	}
	return out, nil
}

// progressOf reads how far runs have come, nil if the worker does not say.
func progressOf(in *wire.GivenProgress) (*domain.Progress, error) {
	if in == nil {
		return nil, nil
	}
	data := jsontext.Value(in.Data)
	if data != nil && data.Compact() != nil {
		return nil, &domain.ValidationError{Field: "progress.data", Rule: "must be a JSON value"}
	}
	out := &domain.Progress{Percent: in.Percent, Note: in.Note, Data: data}
	return out, out.Validate()
}

func (a *API) releaseTasks(w http.ResponseWriter, r *http.Request) error {
	var in wire.ReleaseTasks
	if err := a.readJSON(w, r, a.cfg.MaxTaskBytes, &in); err != nil {
		return err
	}
	_, leases, err := leasesOf(r, in.Leases)
	if err != nil {
		return err
	}
	err = a.workers.ReleaseTasks(r.Context(), request.Worker(r), leases...)
	return a.answerLeases(w, len(leases), err, func(int, *wire.LeaseResult) {})
}

func (a *API) reportRuns(w http.ResponseWriter, r *http.Request) error {
	var in wire.ReportRuns
	if err := a.readJSON(w, r, a.cfg.MaxBodyBytes, &in, request.AtMost[[]wire.RunReport](MaxLeases)); err != nil {
		return err
	}
	if err := countBetween("reports", len(in.Reports), 1, MaxLeases); err != nil {
		return err
	}
	runs, leases := make([]ports.RunReport, len(in.Reports)), make([]domain.Lease, len(in.Reports))
	for i := range in.Reports {
		var err error
		if runs[i], err = runReport(request.CallerID(r.Context()), &in.Reports[i], fmt.Sprintf("reports.%d.", i)); err != nil {
			return err
		}
		leases[i] = *runs[i].Task.Lease
	}
	noteTasks(r, leases)
	statuses, err := a.workers.ReportRuns(r.Context(), request.Worker(r), runs...)
	return a.answerLeases(w, len(runs), err, func(i int, result *wire.LeaseResult) {
		if result.Problem == nil {
			result.TaskStatus = statuses[i].String()
		}
	})
}

// runReport reads one report. The error is a *domain.ValidationError for a field whose name
// begins with at.
func runReport(caller string, in *wire.RunReport, at string) (ports.RunReport, error) {
	refuse := func(field, rule string) (ports.RunReport, error) {
		return ports.RunReport{}, &domain.ValidationError{Field: at + field, Rule: rule}
	}
	run, err := parseLeaseToken(caller, in.Lease)
	switch {
	case err != nil:
		return refuse("lease", err.Error())
	case in.Result != nil && in.Outcome != outcomeCompleted && string(in.Result) != "null":
		return refuse("result", "goes with the outcome completed only")
	case in.Error != nil && in.Outcome != outcomeRetry && in.Outcome != outcomeFailed:
		return refuse("error", "goes with the outcomes retry and failed only")
	case in.RetryInSeconds != nil && in.Outcome != outcomeRetry:
		return refuse("retry_in_seconds", "goes with the outcome retry only")
	case (in.SnoozeSeconds != nil) != (in.Outcome == outcomeSnooze):
		return refuse("snooze_seconds", "goes with the outcome snooze, which needs it")
	}
	failure := errors.New(noMessage)
	if in.Error != nil && in.Error.Message != "" {
		failure = errors.New(in.Error.Message)
	}
	switch in.Outcome {
	case outcomeCompleted:
		result := jsontext.Value(in.Result)
		if result != nil && result.Compact() != nil {
			return refuse("result", "must be a JSON value")
		}
		if len(result) > domain.MaxResult {
			return refuse("result", fmt.Sprintf("must be at most %d bytes", domain.MaxResult))
		}
		run.Result = result
	case outcomeFailed:
		run.Err = domain.Permanent(failure)
	case outcomeRetry:
		run.Err = failure
		if in.RetryInSeconds != nil {
			in, err := duration(at+"retry_in_seconds", *in.RetryInSeconds, domain.MaxScheduleAhead)
			if err != nil {
				return run, err
			}
			run.Err = domain.RetryAfter(in, failure)
		}
	case outcomeSnooze:
		in, err := duration(at+"snooze_seconds", *in.SnoozeSeconds, domain.MaxScheduleAhead)
		if err != nil {
			return run, err
		}
		run.Err = domain.Snooze(in)
	default:
		return refuse("outcome", "must be completed, retry, failed or snooze")
	}
	return run, nil
}

// answerLeases answers with one result for each of n leases. An error that concerns them
// all is returned. fill completes a result.
func (a *API) answerLeases(w http.ResponseWriter, n int, err error, fill func(i int, result *wire.LeaseResult)) error {
	if batch := (*domain.BatchError)(nil); err != nil && !errors.As(err, &batch) {
		return err
	}
	out := wire.LeaseResults{Results: make([]wire.LeaseResult, n)}
	for i := range out.Results {
		result := &out.Results[i]
		result.Index, result.Status = i, http.StatusOK
		if itemErr := domain.ItemError(err, i); itemErr != nil {
			p := problem.Of(itemErr)
			result.Status, result.Problem = p.Status, &p
		}
		fill(i, result)
	}
	return wire.Write(w, http.StatusOK, out)
}
