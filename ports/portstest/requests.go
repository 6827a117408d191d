package portstest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// badRequest is a call of a method that every store refuses by the name of a field.
type badRequest struct {
	method, field string
	call          func(ctx context.Context, s *Store) error
}

func errOf[T any](_ T, err error) error { return err }

// badRequests are those of each role.
var badRequests = []struct {
	plays func(s *Store) bool
	bad   []badRequest
}{
	{(*Store).hasQueue, badQueueRequests()},
	{(*Store).hasQueues, badQueuesRequests()},
	{(*Store).hasLimits, badLimitRequests()},
	{(*Store).hasSchedulers, badSchedulersRequests()},
	{(*Store).hasSchedules, badScheduleRequests()},
	{(*Store).hasWorkflows, badWorkflowRequests()},
	{(*Store).hasEvents, badEventsRequests()},
	{(*Store).hasRuns, badRunsRequests()},
	{(*Store).hasLogs, badLogsRequests()},
}

var requestCases = []storeCase{
	{
		name:    "what breaks a rule is refused by the name of its field and changes nothing",
		promise: "A *domain.ValidationError tells of a field of a request; a refused call changes nothing.",
		run: func(t *testing.T, s *storeTest) {
			for _, r := range badRequests {
				if !r.plays(&s.Store) {
					continue
				}
				for _, bad := range r.bad {
					t.Run(bad.method+" "+bad.field, func(t *testing.T) { requireField(t, bad.call(t.Context(), &s.Store), bad.field) })
				}
			}
			if s.hasQueue() {
				require.Zero(t, s.audit(t).Total())
			}
			if s.hasQueues() {
				require.Empty(t, s.queues(t))
			}
			if s.hasLimits() {
				require.Empty(t, s.listLimits(t))
			}
			if s.hasSchedulers() {
				require.Empty(t, s.listSchedulers(t))
			}
			if s.hasSchedules() {
				require.Equal(t, []domain.ScheduleRecord{{}}, s.loadSchedules(t, "a").Records)
			}
			if s.hasLogs() {
				require.Empty(t, logPages(t, s.Logs, domain.LogFilter{}, nil))
				require.Empty(t, anomalyPages(t, s.Logs, domain.AnomalyFilter{}, nil))
				requireState(t, s.Logs, "key", 0, "")
			}
		},
	},
	{
		name:    "a call without items does nothing",
		promise: "A call without items does nothing.",
		run: func(t *testing.T, s *storeTest) {
			if !s.hasQueue() {
				t.Skip("the store has no queue")
			}
			out, err := s.Queue.Enqueue(t.Context())
			require.NoError(t, err)
			require.Empty(t, out)
			require.NoError(t, s.Queue.UpdateTask(t.Context()))
			require.NoError(t, s.Queue.ReleaseTask(t.Context()))
			require.NoError(t, s.Queue.DeleteTask(t.Context()))
			for _, l := range []time.Duration{lease, 0} {
				require.NoError(t, errOf(s.Queue.ExtendLease(t.Context(), l)), "whatever else it asks for")
			}
			require.Zero(t, s.stats(t).Total())
		},
	},
}

func badQueueRequests() []badRequest {
	enqueue := func(field string, task *domain.Task) badRequest {
		return badRequest{"Enqueue", field, func(ctx context.Context, s *Store) error { return errOf(s.Queue.Enqueue(ctx, task)) }}
	}
	claim := func(field string, change func(*ports.ClaimRequest)) badRequest {
		req := ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease}
		change(&req)
		return badRequest{"Dequeue", field, func(ctx context.Context, s *Store) error { return errOf(s.Queue.Dequeue(ctx, req)) }}
	}
	extend := func(d time.Duration) badRequest {
		return badRequest{"ExtendLease", "lease", func(ctx context.Context, s *Store) error {
			return errOf(s.Queue.ExtendLease(ctx, d, domain.Lease{TaskID: uuid.New()}))
		}}
	}
	update := func(field string, u ports.TaskUpdate) badRequest {
		u.Lease.TaskID = uuid.New()
		return badRequest{"UpdateTask", field, func(ctx context.Context, s *Store) error { return s.Queue.UpdateTask(ctx, u) }}
	}
	list := func(field string, f domain.TaskFilter) badRequest {
		return badRequest{"ListTasks", field, func(ctx context.Context, s *Store) error { return errOf(s.Queue.ListTasks(ctx, f)) }}
	}
	promote := func(limit int) badRequest {
		return badRequest{"PromoteDue", "limit", func(ctx context.Context, s *Store) error { return errOf(s.Queue.PromoteDue(ctx, limit)) }}
	}
	reap := func(field string, req ports.ReapRequest) badRequest {
		return badRequest{"ReapExpired", field, func(ctx context.Context, s *Store) error { return errOf(s.Queue.ReapExpired(ctx, req)) }}
	}
	purge := func(field string, req ports.PurgeRequest) badRequest {
		return badRequest{"PurgeFinished", field, func(ctx context.Context, s *Store) error { return errOf(s.Queue.PurgeFinished(ctx, req)) }}
	}
	return []badRequest{
		enqueue("task", nil),
		enqueue("id", newTask(func(t *domain.Task) { t.ID = uuid.Nil })),
		enqueue("type", newTask(withType("no type"))),
		enqueue("queue", newTask(withQueue(""))),
		enqueue("priority", newTask(withPriority(domain.PriorityCritical+1))),
		enqueue("payload", newTask(withBytes(domain.MaxPayload+1))),
		enqueue("max_retries", newTask(func(t *domain.Task) { t.MaxRetries = -1 })),
		enqueue("timeout_seconds", newTask(func(t *domain.Task) { t.Timeout = 0 })),
		enqueue("unique_key", newTask(withKey("\xff"))),
		enqueue("unique_key", newTask(func(t *domain.Task) { t.OnConflict = domain.ConflictKeep })),
		enqueue("unique_key", newTask(holdingFor(time.Hour))),
		enqueue("unique_while", newTask(withKey("k"), holdingWhile("asleep"))),
		enqueue("unique_for_seconds", newTask(withKey("k"), holdingFor(domain.MaxUniqueFor+1))),
		enqueue("unique_for_seconds", newTask(withKey("k"), holdingFor(time.Hour), holdingWhile(domain.UniqueWhileWaiting))),
		enqueue("on_conflict", newTask(withKey("k"), func(t *domain.Task) { t.OnConflict = "fight" })),
		enqueue("delay_seconds", newTask(withDelay(-1))),
		enqueue("traceparent", newTask(func(t *domain.Task) { t.TraceParent = "00" })),
		enqueue("key", newTask(func(t *domain.Task) { t.Key = strings.Repeat("k", domain.MaxKey+1) })),
		enqueue("tags", newTask(func(t *domain.Task) { t.Tags = strings.Split("a b c d e f g h i", " ") })),
		enqueue("tags", newTask(func(t *domain.Task) { t.Tags = []string{"a", "a"} })),
		enqueue("tags", newTask(func(t *domain.Task) { t.Tags = []string{""} })),
		enqueue("expires_at", newTask(func(t *domain.Task) { t.ExpiresAt = time.Unix(1, 0) })),
		enqueue("expires_in_seconds", newTask(expiresIn(-1))),
		enqueue("expires_in_seconds", newTask(expiresIn(1), func(t *domain.Task) { t.ExpiresAt = time.Unix(1e9, 0) })),
		enqueue("retention_seconds", newTask(func(t *domain.Task) { t.Retention = -1 })),
		enqueue("group", newTask(inGroup(strings.Repeat("g", domain.MaxKey+1), 2))),
		enqueue("group", newTask(inGroup("\xff", 2))),
		enqueue("group", newTask(inGroup("g", 2), ofKey("k"))),
		enqueue("group", newTask(inGroup("g", 2), withDelay(time.Hour))),
		enqueue("group", newTask(inGroup("g", 2), func(t *domain.Task) { t.ScheduledAt = time.Unix(1e9, 0) })),
		enqueue("group_size", newTask(inGroup("g", 1))),
		enqueue("group_size", newTask(inGroup("g", domain.MaxGroupSize+1))),
		enqueue("group_size", newTask(func(t *domain.Task) { t.GroupSize = 2 })),
		enqueue("group_age_seconds", newTask(func(t *domain.Task) { t.GroupAge = time.Second })),
		enqueue("group_age_seconds", newTask(inGroup("g", 2), func(t *domain.Task) { t.GroupAge = -1 })),
		enqueue("group_age_seconds", newTask(inGroup("g", 2), func(t *domain.Task) { t.GroupAge = domain.MaxGroupAge + 1 })),
		enqueue("backoff.jitter", newTask(func(t *domain.Task) { t.Backoff.Jitter = 2 })),
		enqueue("scheduled_at", newTask(func(t *domain.Task) { t.ScheduledAt = time.Unix(0, 0) })),
		claim("id", func(r *ports.ClaimRequest) { r.ID = uuid.Nil }),
		claim("max", func(r *ports.ClaimRequest) { r.Max = 0 }),
		claim("max", func(r *ports.ClaimRequest) { r.Max = ports.MaxClaim + 1 }),
		claim("max_bytes", func(r *ports.ClaimRequest) { r.MaxBytes = -1 }),
		claim("max_bytes", func(r *ports.ClaimRequest) { r.MaxBytes = ports.MaxCallBytes + 1 }),
		claim("lease", func(r *ports.ClaimRequest) { r.Lease = ports.MinLease - 1 }),
		claim("lease", func(r *ports.ClaimRequest) { r.Lease = ports.MaxLease + 1 }),
		claim("ageing", func(r *ports.ClaimRequest) { r.Ageing = -1 }),
		claim("ageing", func(r *ports.ClaimRequest) { r.Ageing = ports.MinAgeing - 1 }),
		claim("ageing", func(r *ports.ClaimRequest) { r.Ageing = ports.MaxAgeing + 1 }),
		claim("wait", func(r *ports.ClaimRequest) { r.Wait = -1 }),
		claim("queues", func(r *ports.ClaimRequest) { r.Queues = []string{"good", "{bad}"} }),
		claim("types", func(r *ports.ClaimRequest) { r.Types = []domain.TaskType{""} }),
		extend(ports.MinLease - 1),
		extend(ports.MaxLease + 1),
		update("outcome", ports.TaskUpdate{}),
		update("outcome", ports.TaskUpdate{Outcome: ports.OutcomeSnooze + 1}),
		update("result", ports.TaskUpdate{Outcome: ports.OutcomeCompleted, Result: make([]byte, domain.MaxResult+1)}),
		update("retry_in", ports.TaskUpdate{Outcome: ports.OutcomeRetry, RetryIn: -1}),
		update("retry_in", ports.TaskUpdate{Outcome: ports.OutcomeRetry, RetryIn: domain.MaxScheduleAhead + 1}),
		update("retry_in", ports.TaskUpdate{Outcome: ports.OutcomeSnooze, RetryIn: domain.MaxScheduleAhead + 1}),
		list("status", domain.TaskFilter{Status: 99}),
		list("type", domain.TaskFilter{Type: "no type"}),
		list("queue", domain.TaskFilter{Queue: "{}"}),
		list("tag", domain.TaskFilter{Tag: "no tag"}),
		list("reason", domain.TaskFilter{Reason: "bad luck"}),
		list("limit", domain.TaskFilter{Limit: domain.MaxPageSize + 1}),
		promote(0),
		promote(ports.MaxClaim + 1),
		reap("limit", ports.ReapRequest{}),
		reap("limit", ports.ReapRequest{Limit: ports.MaxClaim + 1}),
		reap("max_recoveries", ports.ReapRequest{Limit: 1, MaxRecoveries: -1}),
		reap("max_recoveries", ports.ReapRequest{Limit: 1, MaxRecoveries: ports.MaxRecoveries + 1}),
		reap("lease", ports.ReapRequest{Limit: 1, Renew: ports.MinLease - 1}),
		purge("failed_retention", ports.PurgeRequest{FailedRetention: -1, Limit: 1}),
		purge("retention", ports.PurgeRequest{Retention: -1, Limit: 1}),
		purge("limit", ports.PurgeRequest{Limit: 0}),
		purge("limit", ports.PurgeRequest{Limit: ports.MaxClaim + 1}),
	}
}

func badQueuesRequests() (out []badRequest) {
	for _, name := range []string{"", "a b", "a|b", "!a", "#", "-a", "{a}", "ä"} {
		out = append(out,
			badRequest{"PauseQueue", "queue", func(ctx context.Context, s *Store) error { return s.Queues.PauseQueue(ctx, name) }},
			badRequest{"ResumeQueue", "queue", func(ctx context.Context, s *Store) error { return s.Queues.ResumeQueue(ctx, name) }})
	}
	return out
}

func badSchedulersRequests() []badRequest {
	report := func(field string, ttl time.Duration, change func(r *domain.SchedulerReport)) badRequest {
		return badRequest{"ReportScheduler", field, func(ctx context.Context, s *Store) error {
			r := newReport()
			change(&r)
			return errOf(s.Schedulers.ReportScheduler(ctx, r, ttl))
		}}
	}
	good := func(*domain.SchedulerReport) {}
	return []badRequest{
		report("id", reportTTL, func(r *domain.SchedulerReport) { r.ID = uuid.Nil }),
		report("worker", reportTTL, func(r *domain.SchedulerReport) { r.Worker = "\xff" }),
		report("host", reportTTL, func(r *domain.SchedulerReport) { r.Host = strings.Repeat("h", domain.MaxReportText+1) }),
		report("version", reportTTL, func(r *domain.SchedulerReport) { r.Version = "\xff" }),
		report("queues", reportTTL, func(r *domain.SchedulerReport) { r.Queues = make([]string, domain.MaxReportList+1) }),
		report("stats.task_types", reportTTL, func(r *domain.SchedulerReport) {
			r.Stats.TaskTypes = make([]domain.TaskType, domain.MaxReportList+1)
		}),
		report("running", reportTTL, func(r *domain.SchedulerReport) {
			r.Running = make([]domain.RunningTask, domain.MaxRunningReported+1)
		}),
		report("ttl", -1, good),
		report("ttl", 0, good),
		report("ttl", time.Millisecond-1, good),
		report("ttl", ports.MaxReportTTL+1, good),
	}
}

func badEventsRequests() []badRequest {
	read := func(field string, req ports.EventRequest) badRequest {
		return badRequest{"ReadTaskEvents", field, func(ctx context.Context, s *Store) error { return errOf(s.Events.ReadTaskEvents(ctx, req)) }}
	}
	return []badRequest{
		read("max", ports.EventRequest{Max: -1}),
		read("max", ports.EventRequest{}),
		read("max", ports.EventRequest{Max: ports.MaxEvents + 1}),
		read("wait", ports.EventRequest{Max: 1, Wait: -1}),
	}
}

func listBatch(ctx context.Context, s *Store, batch domain.BatchID, skip, limit int) error {
	_, _, err := s.Logs.ListBatch(ctx, batch, skip, limit)
	return err
}

func badLogsRequests() []badRequest {
	list := func(field string, f domain.LogFilter) badRequest {
		return badRequest{"ListLogs", field, func(ctx context.Context, s *Store) error { return errOf(s.Logs.ListLogs(ctx, f)) }}
	}
	anomalies := func(field string, f domain.AnomalyFilter) badRequest {
		return badRequest{"ListAnomalies", field, func(ctx context.Context, s *Store) error { return errOf(s.Logs.ListAnomalies(ctx, f)) }}
	}
	document := func(field string, d domain.Document, ttl time.Duration) badRequest {
		return badRequest{"SaveDocument", field, func(ctx context.Context, s *Store) error { return errOf(s.Logs.SaveDocument(ctx, d, ttl)) }}
	}
	load := func(key string) badRequest {
		return badRequest{"LoadDocuments", "key", func(ctx context.Context, s *Store) error { return errOf(s.Logs.LoadDocuments(ctx, "key", key)) }}
	}
	long, longKey := strings.Repeat("x", domain.MaxLogSource+1), strings.Repeat("k", domain.MaxDocumentKey+1)
	out := []badRequest{
		{"SaveLogs", "batch_id", func(ctx context.Context, s *Store) error {
			return errOf(s.Logs.SaveLogs(ctx, uuid.Nil, newLog("line")))
		}},
		{"ListBatch", "batch_id", func(ctx context.Context, s *Store) error { return listBatch(ctx, s, uuid.Nil, 0, 1) }},
		{"ListBatch", "skip", func(ctx context.Context, s *Store) error { return listBatch(ctx, s, uuid.New(), -1, 1) }},
		{"ListBatch", "limit", func(ctx context.Context, s *Store) error { return listBatch(ctx, s, uuid.New(), 0, 0) }},
		{"ListBatch", "limit", func(ctx context.Context, s *Store) error {
			return listBatch(ctx, s, uuid.New(), 0, domain.MaxPageSize+1)
		}},
		{"CloseBatch", "batch_id", func(ctx context.Context, s *Store) error { return errOf(s.Logs.CloseBatch(ctx, uuid.Nil)) }},
		{"SaveAnalysis", "task_id", func(ctx context.Context, s *Store) error {
			return s.Logs.SaveAnalysis(ctx, uuid.Nil, newAnalysis("a", 1))
		}},
		list("limit", domain.LogFilter{Limit: -1}),
		list("limit", domain.LogFilter{Limit: domain.MaxPageSize + 1}),
		list("source", domain.LogFilter{Source: long}),
		list("text", domain.LogFilter{Text: long}),
		anomalies("limit", domain.AnomalyFilter{Limit: -1}),
		anomalies("limit", domain.AnomalyFilter{Limit: domain.MaxPageSize + 1}),
		anomalies("source", domain.AnomalyFilter{Source: long}),
		anomalies("kind", domain.AnomalyFilter{Kind: "none"}),
		anomalies("severity", domain.AnomalyFilter{MinSeverity: domain.SeverityCritical + 1}),
		document("key", domain.Document{Data: []byte("data")}, 0),
		document("key", domain.Document{Key: longKey}, 0),
		document("revision", domain.Document{Key: "key", Revision: -1}, 0),
		document("data", domain.Document{Key: "key", Data: make([]byte, domain.MaxDocumentData+1)}, 0),
		document("ttl", domain.Document{Key: "key"}, -1),
		load(""),
		load(longKey),
	}
	for _, bad := range []struct {
		field string
		age   time.Duration
		limit int
	}{{"age", -1, 1}, {"limit", 1, 0}, {"limit", 1, -1}} {
		out = append(out,
			badRequest{"PurgeLogs", bad.field, func(ctx context.Context, s *Store) error { return errOf(s.Logs.PurgeLogs(ctx, bad.age, bad.limit)) }},
			badRequest{"PurgeAnalyses", bad.field, func(ctx context.Context, s *Store) error { return errOf(s.Logs.PurgeAnalyses(ctx, bad.age, bad.limit)) }})
	}
	return out
}
