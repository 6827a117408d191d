package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const workPath = "/api/v1/worker/tasks"

// longestBackoff is one that takes much room in a lease.
var longestBackoff = domain.RetryPolicy{Kind: domain.RetryExponential, Base: 3_456_789 * time.Microsecond, Cap: 23*time.Hour + 1234567*time.Microsecond, Jitter: 0.123456789}

// enqueue puts tasks into the queue of the workers.
func enqueue(t *testing.T, w *apitest.World, n int) []domain.TaskID {
	t.Helper()
	ids := make([]domain.TaskID, n)
	for i := range ids {
		task := domain.NewTask(uuid.Must(uuid.NewV7()), "echo", fmt.Appendf(nil, `{"n":%d}`, i))
		if i == 0 {
			task.Backoff = longestBackoff
		}
		ids[i] = task.ID
		_, err := w.Workers.Enqueue(t.Context(), task)
		require.NoError(t, err)
	}
	return ids
}

// claimed claims tasks of the type echo.
func claimed(t *testing.T, w *apitest.World, most int, headers ...string) []wire.Task {
	t.Helper()
	return apitest.Answer[wire.ClaimedTasks](t, w.Do("POST", workPath+":claim", fmt.Sprintf(`{"types":["echo"],"max":%d}`, most), headers...), http.StatusOK).Tasks
}

// body is JSON of a value.
func body(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

func leasesOf(tasks []wire.Task) []string {
	out := make([]string, len(tasks))
	for i, task := range tasks {
		out[i] = task.Lease
	}
	return out
}

// results sends a request about leases, and returns the status, or the state of the task,
// of each.
func results(t *testing.T, w *apitest.World, verb string, v any, headers ...string) []wire.LeaseResult {
	t.Helper()
	out := apitest.Answer[wire.LeaseResults](t, w.Do("POST", workPath+":"+verb, body(t, v), headers...), http.StatusOK).Results
	for i, r := range out {
		require.Equal(t, i, r.Index)
		require.Equal(t, r.Status != http.StatusOK, r.Problem != nil)
	}
	return out
}

func statusOf(t *testing.T, w *apitest.World, id domain.TaskID) domain.TaskStatus {
	t.Helper()
	task, err := w.Workers.GetTask(t.Context(), id)
	require.NoError(t, err)
	return task.Status
}

func TestAWorkersDay(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	ids := enqueue(t, w, 4)
	tasks := claimed(t, w, 10)
	require.Len(t, tasks, 4)
	require.Equal(t, ids[0], tasks[0].ID)
	require.Equal(t, "PROCESSING", tasks[0].Status)
	require.JSONEq(t, `{"n":0}`, string(tasks[0].Payload))
	require.NotEmpty(t, tasks[0].History)
	require.Empty(t, claimed(t, w, 10))
	leases := leasesOf(tasks)

	held := results(t, w, "heartbeat", wire.Heartbeat{Leases: leases[:2]})
	require.True(t, *held[1].Held)
	require.True(t, held[1].ExpiresAt.After(time.Now()))
	require.Nil(t, w.Workers.Progress)
	results(t, w, "heartbeat", wire.Heartbeat{Leases: leases[:1], Progress: &wire.GivenProgress{Percent: 40, Note: "resizing", Data: json.RawMessage(`[ 1 ]`)}})
	require.Equal(t, domain.Progress{Percent: 40, Note: "resizing", Data: []byte("[1]")}, *w.Workers.Progress)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	results(t, w, "heartbeat", wire.Heartbeat{Leases: leases[1:2], Log: []wire.GivenLine{{Message: "one"}, {Message: "two", Level: "WARN", Time: &at}}})
	require.Equal(t, []domain.LogEntry{{Level: domain.LogLevelInfo, Message: "one"}, {Level: domain.LogLevelWarn, Message: "two", Timestamp: at}}, w.Workers.Logged[ids[1]])
	require.Len(t, w.Workers.Logged, 1)

	reports := wire.ReportRuns{Reports: []wire.RunReport{
		{Lease: leases[0], Outcome: "completed", Result: json.RawMessage(`{ "width": 100 }`)},
		{Lease: leases[1], Outcome: "failed", Error: &wire.RunError{Message: "no such file"}},
		{Lease: leases[2], Outcome: "retry"},
	}}
	first := results(t, w, "report", reports)
	require.Equal(t, []string{"COMPLETED", "FAILED", "FAILED"}, []string{first[0].TaskStatus, first[1].TaskStatus, first[2].TaskStatus})
	require.Equal(t, first, results(t, w, "report", reports), "a report may be repeated")
	done, err := w.Workers.GetTask(t.Context(), ids[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"width":100}`, string(done.Result))
	require.Equal(t, 1, done.Attempt)
	require.True(t, domain.IsPermanent(w.Workers.Reports[1].Err))
	require.EqualError(t, w.Workers.Reports[1].Err, "no such file")
	require.False(t, domain.IsPermanent(w.Workers.Reports[2].Err))
	run := w.Workers.Reports[0]
	require.Equal(t, domain.TaskType("echo"), run.Task.Type)
	require.Equal(t, "default", run.Task.Queue)
	require.Equal(t, 3, run.Task.MaxRetries)
	require.Equal(t, longestBackoff, run.Task.Backoff)
	require.Zero(t, w.Workers.Reports[1].Task.Backoff)
	require.Equal(t, tasks[0].StartedAt.UnixMicro(), run.Task.StartedAt.UnixMicro())
	require.GreaterOrEqual(t, run.Waited, time.Duration(0))

	require.Equal(t, 200, results(t, w, "release", wire.ReleaseTasks{Leases: leases[3:]})[0].Status)
	again := claimed(t, w, 1)
	require.Equal(t, ids[3], again[0].ID)
	require.Equal(t, 2, again[0].Deliveries)

	// The old lease is lost, for each call, and the others go on.
	clear(w.Workers.Logged)
	results(t, w, "heartbeat", wire.Heartbeat{Leases: leases[3:], Log: []wire.GivenLine{{Message: "late"}}})
	require.Empty(t, w.Workers.Logged, "a run that has lost its lease logs nothing")
	cancelled := domain.NewTask(ids[3], "echo", nil)
	cancelled.Status = domain.TaskStatusCancelled
	w.Queue.Tasks[ids[3]] = cancelled
	lost := results(t, w, "heartbeat", wire.Heartbeat{Leases: []string{leases[3], again[0].Lease}})
	require.Equal(t, []string{"CANCELLED", ""}, []string{lost[0].TaskStatus, lost[1].TaskStatus}, "a worker hears why its lease is lost")
	require.Equal(t, "urn:logsift:problem:lease-lost", lost[0].Problem.Type)
	require.Equal(t, []bool{false, true}, []bool{*lost[0].Held, *lost[1].Held})
	require.Equal(t, 409, results(t, w, "release", wire.ReleaseTasks{Leases: leases[3:]})[0].Status)
	mixed := results(t, w, "report", wire.ReportRuns{Reports: []wire.RunReport{{Lease: leases[3], Outcome: "completed"}, {Lease: again[0].Lease, Outcome: "completed"}}})
	require.Equal(t, []int{409, 200}, []int{mixed[0].Status, mixed[1].Status})
	require.Empty(t, mixed[0].TaskStatus)
}

func TestARetryAndASnoozeNameTheirTime(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	enqueue(t, w, 1)
	in := 2.5
	results(t, w, "report", wire.ReportRuns{Reports: []wire.RunReport{{Lease: claimed(t, w, 1)[0].Lease, Outcome: "retry", RetryInSeconds: &in}}})
	delay, named := domain.RetryDelay(w.Workers.Reports[0].Err)
	require.True(t, named)
	require.Equal(t, 2500*time.Millisecond, delay)
	require.EqualError(t, w.Workers.Reports[0].Err, "the worker named no error")
	enqueue(t, w, 1)
	results(t, w, "report", wire.ReportRuns{Reports: []wire.RunReport{{Lease: claimed(t, w, 1)[0].Lease, Outcome: "snooze", SnoozeSeconds: &in}}})
	delay, snoozed := domain.SnoozeDelay(w.Workers.Reports[0].Err)
	require.True(t, snoozed)
	require.Equal(t, 2500*time.Millisecond, delay)
}

func TestWorkersAreToldTheField(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	ids := enqueue(t, w, 1)
	mine := ring.Bearer("worker")
	lease := claimed(t, w, 1, mine...)[0].Lease
	raw, err := base64.RawURLEncoding.DecodeString(lease)
	require.NoError(t, err)
	raw[33]++ // of the delivery
	forged := base64.RawURLEncoding.EncodeToString(raw)
	many := strings.TrimSuffix(strings.Repeat(`"a",`, 101), ",")
	report := func(rest string) string {
		return `{"reports":[{"lease":"` + lease + `","outcome":"completed"},{"lease":"` + lease + `",` + rest + `}]}`
	}
	for name, c := range map[string]struct {
		verb, body, field string
		as                string
	}{
		"no types":             {"claim", `{}`, "types", ""},
		"many types":           {"claim", `{"types":[` + many + `]}`, "types", ""},
		"a type that is none":  {"claim", `{"types":["a b"]}`, "types", ""},
		"many queues":          {"claim", `{"types":["a"],"queues":[` + many + `]}`, "queues", ""},
		"a bad queue":          {"claim", `{"types":["a"],"queues":[""]}`, "queues", ""},
		"none at most":         {"claim", `{"types":["a"],"max":0}`, "max", ""},
		"too many":             {"claim", `{"types":["a"],"max":1001}`, "max", ""},
		"a short lease":        {"claim", `{"types":["a"],"lease_seconds":0.05}`, "lease_seconds", ""},
		"a long lease":         {"claim", `{"types":["a"],"lease_seconds":3601}`, "lease_seconds", ""},
		"a long wait":          {"claim", `{"types":["a"],"wait_seconds":61}`, "wait_seconds", ""},
		"a wait below zero":    {"claim", `{"types":["a"],"wait_seconds":-1}`, "wait_seconds", ""},
		"an unknown field":     {"claim", `{"types":["a"],"limit":1}`, "limit", ""},
		"no object":            {"claim", `[]`, "body", ""},
		"no leases":            {"heartbeat", `{"leases":[]}`, "leases", ""},
		"a bad length":         {"heartbeat", `{"leases":["` + lease + `"],"lease_seconds":0}`, "lease_seconds", ""},
		"a percent too many":   {"heartbeat", `{"leases":["` + lease + `"],"progress":{"percent":101}}`, "progress.percent", ""},
		"a long note":          {"heartbeat", `{"leases":["` + lease + `"],"progress":{"note":"` + strings.Repeat("x", 201) + `"}}`, "progress.note", ""},
		"much data":            {"heartbeat", `{"leases":["` + lease + `"],"progress":{"data":"` + strings.Repeat("x", 5000) + `"}}`, "progress.data", ""},
		"a line of blanks":     {"heartbeat", `{"leases":["` + lease + `"],"log":[{"message":"a"},{"message":" "}]}`, "log.1.message", ""},
		"a level that is none": {"heartbeat", `{"leases":["` + lease + `"],"log":[{"message":"a","level":"loud"}]}`, "log.0.level", ""},
		"many lines":           {"heartbeat", `{"leases":["` + lease + `"],"log":[` + strings.TrimSuffix(strings.Repeat(`{"message":"a"},`, 101), ",") + `]}`, "log", ""},
		"lines of two runs":    {"heartbeat", `{"leases":["` + lease + `","` + lease + `"],"log":[{"message":"a"}]}`, "log", ""},
		"no lease at all":      {"heartbeat", `{"leases":["` + lease + `",""]}`, "leases.1", ""},
		"a cut lease":          {"release", `{"leases":["` + lease[:40] + `"]}`, "leases.0", ""},
		"a forged lease":       {"release", `{"leases":["` + forged + `"]}`, "leases.0", ""},
		"a lease of another":   {"release", `{"leases":["` + lease + `"]}`, "leases.0", "write"},
		"a report of another":  {"report", `{"reports":[{"lease":"` + lease + `","outcome":"completed"}]}`, "reports.0.lease", "admin"},
		"a long lease text":    {"release", `{"leases":["` + strings.Repeat("A", 513) + `"]}`, "leases.0", ""},
		"no reports":           {"report", `{"reports":[]}`, "reports", ""},
		"another outcome":      {"report", report(`"outcome":"done"`), "reports.1.outcome", ""},
		"no outcome":           {"report", report(`"result":null`), "reports.1.outcome", ""},
		"a result of a retry":  {"report", report(`"outcome":"retry","result":1`), "reports.1.result", ""},
		"an error of success":  {"report", report(`"outcome":"completed","error":{"message":"x"}`), "reports.1.error", ""},
		"a time of a failure":  {"report", report(`"outcome":"failed","retry_in_seconds":1`), "reports.1.retry_in_seconds", ""},
		"a time below zero":    {"report", report(`"outcome":"retry","retry_in_seconds":-1`), "reports.1.retry_in_seconds", ""},
		"a snooze of no time":  {"report", report(`"outcome":"snooze"`), "reports.1.snooze_seconds", ""},
		"a long snooze":        {"report", report(`"outcome":"snooze","snooze_seconds":1e9`), "reports.1.snooze_seconds", ""},
		"a snoozed failure":    {"report", report(`"outcome":"failed","snooze_seconds":1`), "reports.1.snooze_seconds", ""},
		"an error of a snooze": {"report", report(`"outcome":"snooze","snooze_seconds":1,"error":{}`), "reports.1.error", ""},
		"a late retry":         {"report", report(`"outcome":"retry","retry_in_seconds":1e9`), "reports.1.retry_in_seconds", ""},
		"a large result":       {"report", report(`"outcome":"completed","result":"` + strings.Repeat("x", domain.MaxResult) + `"`), "reports.1.result", ""},
		"a message of no text": {"report", report(`"outcome":"failed","error":{"message":1}`), "reports.1.error.message", ""},
	} {
		t.Run(name, func(t *testing.T) {
			as := mine
			if c.as != "" {
				as = ring.Bearer(c.as)
			}
			apitest.FieldProblem(t, w.Do("POST", workPath+":"+c.verb, c.body, as...), c.field)
			require.Equal(t, domain.TaskStatusProcessing, statusOf(t, w, ids[0]), "a refused request has changed nothing")
		})
	}
	apitest.FieldProblem(t, w.Do("POST", workPath+":claim", `{"types":["a"]}`, append(mine, "Idempotency-Key", "")...), "Idempotency-Key")
	require.True(t, *results(t, w, "heartbeat", wire.Heartbeat{Leases: []string{lease}}, mine...)[0].Held)
}

func TestARepeatedClaimGivesTheSameTasks(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	enqueue(t, w, 4)
	mine, keyed := ring.Bearer("worker"), append(ring.Bearer("worker"), "Idempotency-Key", "k")
	first := claimed(t, w, 2, keyed...)
	require.Equal(t, leasesOf(first), leasesOf(claimed(t, w, 2, keyed...)))
	others := claimed(t, w, 1, append(ring.Bearer("admin"), "Idempotency-Key", "k")...)
	require.NotContains(t, leasesOf(first), others[0].Lease, "the key is the caller's own")
	require.NotEqual(t, first[0].ID, others[0].ID)
	results(t, w, "report", wire.ReportRuns{Reports: []wire.RunReport{{Lease: first[0].Lease, Outcome: "completed"}}}, mine...)
	require.Equal(t, leasesOf(first[1:]), leasesOf(claimed(t, w, 2, keyed...)), "those that it still holds")
	require.Len(t, claimed(t, w, 2, mine...), 1)
}

// brokenWriter is a connection that takes no more.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
func (brokenWriter) FlushError() error         { return errors.New("broken pipe") }

func TestTasksOfAClientThatIsGoneAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leaves, broken bool
		key            string
		want           domain.TaskStatus
	}{
		"it left while it waited":          {leaves: true, want: domain.TaskStatusPending},
		"it left, and comes again":         {leaves: true, key: "k", want: domain.TaskStatusProcessing},
		"the answer cannot be written":     {broken: true, want: domain.TaskStatusPending},
		"nor that of a claim with its key": {broken: true, key: "k", want: domain.TaskStatusProcessing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apitest.New(httpapi.Config{})
			id := enqueue(t, w, 1)[0]
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			w.Workers.Claimed = func(tasks []*domain.Task) {
				require.Len(t, tasks, 1)
				if c.leaves {
					leave()
				}
			}
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, workPath+":claim", strings.NewReader(`{"types":["echo"]}`))
			if c.key != "" {
				r.Header.Set("Idempotency-Key", c.key)
			}
			var res http.ResponseWriter = httptest.NewRecorder()
			if c.broken {
				res = brokenWriter{httptest.NewRecorder()}
			}
			w.API.Handler().ServeHTTP(res, r)
			require.Equal(t, c.want, statusOf(t, w, id))
			w.Workers.Claimed = nil
			if c.key != "" {
				require.Equal(t, id, claimed(t, w, 1, "Idempotency-Key", c.key)[0].ID)
			}
		})
	}
}

func TestAClaimWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := apitest.New(httpapi.Config{MaxClaims: 3})
		wait := func(answer *httptest.ResponseRecorder) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, workPath+":claim", strings.NewReader(`{"types":["echo"],"wait_seconds":60}`))
			w.API.Handler().ServeHTTP(answer, r)
		}
		begin := time.Now()
		none := httptest.NewRecorder()
		wait(none)
		require.Equal(t, time.Minute, time.Since(begin))
		require.Empty(t, apitest.Answer[wire.ClaimedTasks](t, none, http.StatusOK).Tasks)

		var answers [2]httptest.ResponseRecorder
		for i := range answers {
			answers[i] = *httptest.NewRecorder()
			go wait(&answers[i])
		}
		synctest.Wait()
		apitest.Problem(t, w.Do("POST", workPath+":claim", `{"types":["echo"]}`), http.StatusTooManyRequests, "rate-limited")
		begin = time.Now()
		ids := enqueue(t, w, 1)
		synctest.Wait()
		require.Zero(t, time.Since(begin), "the store wakes it")
		require.Len(t, ids, 1)
		w.API.Close()
		synctest.Wait()
		one, other := &answers[0], &answers[1]
		if one.Code != http.StatusOK {
			one, other = other, one
		}
		require.Equal(t, ids[0], apitest.Answer[wire.ClaimedTasks](t, one, http.StatusOK).Tasks[0].ID)
		apitest.Problem(t, other, http.StatusServiceUnavailable, "stopping")
		apitest.Problem(t, w.Do("POST", workPath+":claim", `{"types":["echo"]}`), http.StatusServiceUnavailable, "stopping")
	})
}

func TestWorkersAreToldOfTheStore(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	enqueue(t, w, 1)
	lease := claimed(t, w, 1)[0].Lease
	w.Workers.Err = domain.ErrStoreUnavailable
	for verb, text := range map[string]string{
		"claim": `{"types":["echo"]}`, "heartbeat": `{"leases":["` + lease + `"]}`, "release": `{"leases":["` + lease + `"]}`,
		"report": `{"reports":[{"lease":"` + lease + `","outcome":"completed"}]}`,
	} {
		apitest.Problem(t, w.Do("POST", workPath+":"+verb, text), http.StatusServiceUnavailable, "store-unavailable")
	}
}
