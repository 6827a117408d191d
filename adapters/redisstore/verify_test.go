package redisstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/domain"
	"logsift/ports"
)

// tester is a test, or a run of a property.
type tester interface {
	require.TestingT
	Context() context.Context
}

// patient is a queue and logs with the means to break them.
type patient struct {
	w        *world
	queue    *redisstore.TaskQueue
	logs     *redisstore.LogRepository
	verifier *redisstore.Verifier
	rdb      redis.UniversalClient
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	w := newWorld(t)
	return newPatientIn(t, w, raw(t, w.server))
}

// newPatientIn returns a patient in a world, whose keys rdb reaches.
func newPatientIn(t *testing.T, w *world, rdb redis.UniversalClient) *patient {
	t.Helper()
	client := w.open(t)
	queue := redisstore.NewTaskQueue(client)
	t.Cleanup(queue.Close)
	return &patient{
		w: w, queue: queue, logs: redisstore.NewLogRepository(client),
		verifier: redisstore.NewVerifier(client), rdb: rdb,
	}
}

// key is the key of a part of the queue, logKey that of a part of the logs.
func (p *patient) key(part string) string    { return "{" + p.w.namespace + ":0}:" + part }
func (p *patient) logKey(part string) string { return "{" + p.w.namespace + ":logs}:" + part }

// do runs a raw command.
func (p *patient) do(t tester, args ...any) any {
	for i, a := range args {
		if id, ok := a.(uuid.UUID); ok {
			args[i] = id[:]
		}
	}
	out, err := p.rdb.Do(t.Context(), args...).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it as it is.
		require.NoError(t, err, "%v", args)
	}
	return out
}

func (p *patient) verify(t tester, repair bool) []domain.Finding {
	var out []domain.Finding
	summary, err := p.verifier.Verify(t.Context(), ports.VerifyRequest{
		Repair: repair, Report: func(f domain.Finding) { out = append(out, f) },
	})
	require.NoError(t, err)
	require.Equal(t, int64(len(out)), summary.Findings)
	return out
}

// enqueue stores a task that was changed by edits.
func (p *patient) enqueue(t tester, edits ...func(*domain.Task)) domain.TaskID {
	task := newTask(`{"n":1}`)
	for _, edit := range edits {
		edit(task)
	}
	_, err := p.queue.Enqueue(t.Context(), task)
	require.NoError(t, err)
	return task.ID
}

func delayed(d time.Duration) func(*domain.Task) { return func(t *domain.Task) { t.Delay = d } }
func unique(key string) func(*domain.Task)       { return func(t *domain.Task) { t.UniqueKey = key } }

// claim claims one task.
func (p *patient) claim(t tester) *domain.Task {
	got, err := p.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, got, 1)
	return got[0]
}

func (p *patient) report(t tester, task *domain.Task, outcome ports.Outcome) {
	require.NoError(t, p.queue.UpdateTask(t.Context(), ports.TaskUpdate{
		Lease: *task.Lease, Outcome: outcome, Result: []byte(`{}`), RetryIn: time.Hour,
		Failure: domain.TaskError{Reason: domain.ReasonError, Message: "failed"},
	}))
}

// in enqueues a task and takes it to a status.
func (p *patient) in(t tester, status domain.TaskStatus, edits ...func(*domain.Task)) domain.TaskID {
	id := p.enqueue(t, edits...)
	switch status {
	case domain.TaskStatusPending:
	case domain.TaskStatusCancelled:
		require.NoError(t, p.queue.CancelTask(t.Context(), id))
	default:
		task := p.claim(t)
		require.Equal(t, id, task.ID)
		switch status {
		case domain.TaskStatusCompleted:
			p.report(t, task, ports.OutcomeCompleted)
		case domain.TaskStatusFailed:
			p.report(t, task, ports.OutcomeFailed)
		case domain.TaskStatusRetrying:
			p.report(t, task, ports.OutcomeRetry)
		default:
		}
	}
	return id
}

// status is the status of a task, 0 if there is none.
func (p *patient) status(t tester, id domain.TaskID) domain.TaskStatus {
	page, err := p.queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 200})
	require.NoError(t, err)
	for _, task := range page.Tasks {
		if task.ID == id {
			return task.Status
		}
	}
	return 0
}

// drain works all tasks that can be worked, now and later, and returns the ids of
// those that completed.
func (p *patient) drain(t tester) map[domain.TaskID]bool {
	done := map[domain.TaskID]bool{}
	for range 4 {
		p.w.advance(30 * 24 * time.Hour)
		for {
			m, err := p.queue.PromoteDue(t.Context(), 1000)
			require.NoError(t, err)
			r, err := p.queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 100, Limit: 1000})
			require.NoError(t, err)
			got, err := p.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute})
			require.NoError(t, err)
			for _, task := range got {
				p.report(t, task, ports.OutcomeCompleted)
				done[task.ID] = true
			}
			if m.Count+r.Count+len(got) == 0 {
				break
			}
		}
	}
	return done
}

func i56(n int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return string(b[1:])
}

const (
	pending    = domain.TaskStatusPending
	processing = domain.TaskStatusProcessing
	completed  = domain.TaskStatusCompleted
	failed     = domain.TaskStatusFailed
	retrying   = domain.TaskStatusRetrying
	cancelled  = domain.TaskStatusCancelled
)

// setState overwrites bytes of a stored state, from a place counted from 0.
func (p *patient) setState(t tester, id domain.TaskID, at int, bytes string) {
	s, err := p.rdb.HGet(t.Context(), p.key("state"), string(id[:])).Result()
	require.NoError(t, err)
	p.do(t, "HSET", p.key("state"), id, s[:at]+bytes+s[at+len(bytes):])
}

// setRecord changes a record.
func (p *patient) setRecord(t tester, id domain.TaskID, change func(string) string) {
	s, err := p.rdb.HGet(t.Context(), p.key("tasks"), string(id[:])).Result()
	require.NoError(t, err)
	p.do(t, "HSET", p.key("tasks"), id, change(s))
}

func kinds(findings []domain.Finding) []domain.FindingKind {
	out := make([]domain.FindingKind, len(findings))
	for i, f := range findings {
		out[i] = f.Kind
	}
	return out
}

// fill stores a task in each status, and logs with an analysis.
func (p *patient) fill(t tester) map[domain.TaskID]domain.TaskStatus {
	out := map[domain.TaskID]domain.TaskStatus{}
	for _, status := range []domain.TaskStatus{completed, failed, retrying, cancelled, processing, pending} {
		out[p.in(t, status, unique(status.String()))] = status
	}
	out[p.enqueue(t, delayed(time.Hour))] = pending
	return out
}

func (p *patient) requireStatuses(t tester, want map[domain.TaskID]domain.TaskStatus) {
	page, err := p.queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 200})
	require.NoError(t, err)
	got := map[domain.TaskID]domain.TaskStatus{}
	for _, task := range page.Tasks {
		got[task.ID] = task.Status
	}
	require.Equal(t, want, got)
}

func TestAKeyOfAnotherTypeIsMadeAnew(t *testing.T) {
	t.Parallel()
	for _, part := range []string{
		"results", "errors", "active", "scheduled", "retrying", "due", "completed", "failed", "cancelled", "finished",
		"unique", "unique_of", "meta", "lanes", "ready:0", "quarantine",
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			want := p.fill(t)
			p.do(t, "DEL", p.key(part))
			p.do(t, "SET", p.key(part), "foreign")
			found := p.verify(t, false)
			require.Equal(t, []domain.FindingKind{domain.FindingKeyType}, kinds(found), "what cannot be known is not told: %v", found)
			require.Equal(t, p.key(part), found[0].Place)
			mended := p.verify(t, true)
			require.Contains(t, kinds(mended), domain.FindingKeyType)
			for _, f := range mended {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Equal(t, "foreign", p.do(t, "GET", p.key("aside:"+part)), "it is not thrown away")
			require.Empty(t, p.verify(t, false))
			p.requireStatuses(t, want)
			require.Len(t, p.drain(t), 4)
		})
	}
	for _, part := range []string{"tasks", "state"} {
		t.Run(part+" are left for a person", func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			want := p.fill(t)
			p.do(t, "RENAME", p.key(part), p.key("kept"))
			p.do(t, "SET", p.key(part), "foreign")
			found := p.verify(t, true)
			require.Equal(t, []domain.FindingKind{domain.FindingKeyType}, kinds(found))
			require.False(t, found[0].Repaired())
			p.do(t, "RENAME", p.key("kept"), p.key(part))
			require.Empty(t, p.verify(t, false))
			p.requireStatuses(t, want)
		})
	}
}

func TestTheQuarantineKeepsTheBytesOfARecord(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	id := p.enqueue(t, unique("k"))
	garbage := "\x09" + strings.Repeat("garbage", 20_000)
	p.setRecord(t, id, func(string) string { return garbage })
	require.Len(t, p.verify(t, true), 1)
	kept, err := p.rdb.HGet(t.Context(), p.key("quarantine"), string(id[:])).Result()
	require.NoError(t, err)
	require.Equal(t, uint32(len(garbage)), binary.BigEndian.Uint32([]byte(kept[9:])))
	reason := int(binary.BigEndian.Uint16([]byte(kept[13:])))
	require.Equal(t, "its record has version 9; this program reads up to version 2", kept[15:15+reason])
	require.Equal(t, garbage[:64<<10], kept[15+reason:], "but not more than 64 KiB")

	page, err := p.queue.ListTasks(t.Context(), domain.TaskFilter{Status: failed})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 1)
	require.Equal(t, domain.ReasonCorruptRecord, page.Tasks[0].Errors[0].Reason)
	other := p.enqueue(t, unique("k")) // its unique key is free
	require.NoError(t, p.queue.CancelTask(t.Context(), other))

	// A person may run it again; the claim sets it aside, and the check once more.
	require.NoError(t, p.queue.RetryTask(t.Context(), id))
	require.Equal(t, []domain.FindingKind{domain.FindingRecordCorrupt}, kinds(p.verify(t, true)))
	require.Equal(t, failed, p.status(t, id))
	require.NoError(t, p.queue.DeleteTask(t.Context(), id))
	require.Empty(t, p.verify(t, false))
}

func TestWhatAClaimHasSetAsideIsKeptToo(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	id := p.enqueue(t)
	p.setRecord(t, id, func(string) string { return "garbage" })
	got, err := p.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Empty(t, got)
	found := p.verify(t, true)
	require.Len(t, found, 1)
	require.Equal(t, domain.FindingRecordCorrupt, found[0].Kind)
	require.Contains(t, found[0].Action, "quarantine")
	require.Empty(t, p.verify(t, true))
	require.Equal(t, failed, p.status(t, id))
}

// testMended breaks a store here and there. A Cluster refuses scripts that touch
// keys of several slots.
func testMended(t *testing.T, p *patient) {
	t.Helper()
	want := p.fill(t)
	batch := uuid.New()
	_, err := p.logs.SaveLogs(t.Context(), batch, logLines(5)...)
	require.NoError(t, err)
	require.NoError(t, p.logs.SaveAnalysis(t.Context(), batch, result(1)))
	_, err = p.logs.SaveState(t.Context(), domain.State{Key: "key"}, time.Hour)
	require.NoError(t, err)
	require.Empty(t, p.verify(t, true))
	p.do(t, "RENAME", p.key("ready:0"), p.key("ready:3"))
	p.do(t, "DEL", p.key("completed"))
	p.do(t, "SET", p.key("completed"), "foreign")
	p.do(t, "RPOP", p.logKey("batch:")+string(batch[:]))
	p.do(t, "DEL", p.logKey("anomalies"))
	p.do(t, "PERSIST", p.logKey("state:key"))
	for _, f := range p.verify(t, true) {
		require.True(t, f.Repaired(), "%v", f)
	}
	require.Empty(t, p.verify(t, true))
	p.requireStatuses(t, want)
}

// TestEveryPartitionIsVerified breaks a queue of three partitions in all of them.
func TestEveryPartitionIsVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.partitions = 3
	p := newPatientIn(t, w, raw(t, w.server))
	tasks := map[int][]domain.TaskID{}
	for range 30 {
		id := p.enqueue(t)
		part := redisstore.PartitionOf(id, w.partitions)
		tasks[part] = append(tasks[part], id)
	}
	require.Empty(t, p.verify(t, false))
	for i := range w.partitions {
		prefix := fmt.Sprintf("{%s:%d}:", w.namespace, i)
		require.NotEmpty(t, tasks[i])
		p.do(t, "ZREM", prefix+"ready:0", tasks[i][0])
		p.do(t, "HSET", prefix+"meta", "generation", "damaged")
	}
	_, err := p.queue.GetQueueStats(t.Context())
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.ErrorContains(t, err, "verify --repair")
	again := newPatientIn(t, w, p.rdb)
	findings := again.verify(t, true)
	require.Len(t, findings, 6)
	for _, f := range findings {
		require.True(t, f.Repaired(), "%v", f)
	}
	require.Empty(t, again.verify(t, false))
	require.Len(t, p.drain(t), 30, "no task is lost, and a process that runs goes on")
}

// A process that begins after the loss says so too, rather than that there are none.
func TestTasksWhoseGenerationIsLostAreNotTakenForNone(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.enqueue(t)
	p.do(t, "DEL", p.key("meta"))
	queue := redisstore.NewTaskQueue(p.w.open(t))
	t.Cleanup(queue.Close)
	_, err := queue.GetQueueStats(t.Context())
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	p.verify(t, true)
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Pending)
}

// afterLanes is a hook that does something once, after the first look at a table of
// lanes.
type afterLanes struct {
	key  string
	once sync.Once
	then func()
}

func (h *afterLanes) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *afterLanes) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *afterLanes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if cmd.Name() == "hgetall" && cmd.Args()[1] == h.key {
				h.once.Do(h.then)
			}
		}
		return err
	}
}

func TestTheFirstTaskIsNoFinding(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	client := p.w.open(t)
	enqueued := false
	redisstore.Hook(client, &afterLanes{key: p.key("lanes"), then: func() {
		p.enqueue(t)
		enqueued = true
	}})
	_, err := redisstore.NewVerifier(client).Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) {
		t.Errorf("false alarm: %+v", f)
	}})
	require.NoError(t, err)
	require.True(t, enqueued, "between the look at the lanes and that at the tasks")
}
