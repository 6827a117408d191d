package redisstore_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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
	queue    ports.TaskQueue
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

// breakage is one way to break a store.
type breakage struct {
	name string
	want domain.FindingKind
	// harm breaks something, and returns the task that it concerns, if one is left.
	harm func(t tester, p *patient) domain.TaskID
	// becomes is what the task is after the repair; 0 if it is gone. A task that is
	// unfinished must complete then.
	becomes domain.TaskStatus
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

var breakages = []breakage{
	{"a ready task in no index", domain.FindingNotIndexed, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "ZREM", p.key("ready:0"), id)
		return id
	}, pending},
	{"a ready task that was claimed before, in no index", domain.FindingNotIndexed, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		require.NoError(t, p.queue.ReleaseTask(t.Context(), *p.claim(t).Lease))
		p.do(t, "ZREM", p.key("ready:0"), id)
		return id
	}, pending},
	{"a scheduled task in no index", domain.FindingNotIndexed, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, delayed(time.Hour))
		p.do(t, "ZREM", p.key("scheduled"), id)
		p.do(t, "ZREM", p.key("due"), id)
		return id
	}, pending},
	{"a scheduled task that is due only", domain.FindingNotIndexed, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, delayed(time.Hour))
		p.do(t, "ZREM", p.key("scheduled"), id)
		return id
	}, pending},
	{"a completed task in no index", domain.FindingNotIndexed, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.do(t, "ZREM", p.key("completed"), id)
		return id
	}, completed},
	{"a retrying task in no index", domain.FindingNotIndexed, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, retrying)
		p.do(t, "ZREM", p.key("retrying"), id)
		return id
	}, retrying},
	{"a running task without a lease", domain.FindingLeaseMissing, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.do(t, "ZREM", p.key("active"), id)
		return id
	}, processing},
	{"a running task among the ready ones", domain.FindingLeaseMissing, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.do(t, "ZREM", p.key("active"), id)
		p.do(t, "ZADD", p.key("ready:0"), 1, id)
		return id
	}, processing},
	{"a lease without end", domain.FindingLeaseEndless, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.do(t, "ZADD", p.key("active"), "+inf", id)
		return id
	}, processing},
	{"a running task of no claim", domain.FindingClaimMissing, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.setState(t, id, 28, strings.Repeat("\x00", 16))
		return id
	}, pending},
	{"a completed task among the ready ones", domain.FindingIndexWrong, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.do(t, "ZREM", p.key("completed"), id)
		p.do(t, "ZADD", p.key("ready:0"), 1, id)
		return id
	}, completed},
	{"a ready task that is completed too", domain.FindingIndexDuplicate, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "ZADD", p.key("completed"), 1, id)
		return id
	}, pending},
	{"a ready task in another lane too", domain.FindingIndexDuplicate, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.enqueue(t, func(t *domain.Task) { t.Queue = "other" })
		p.do(t, "ZADD", p.key("ready:1"), 1, id)
		return id
	}, pending},
	{"a ready task in the lane of others", domain.FindingIndexWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.enqueue(t, func(t *domain.Task) { t.Queue = "other" })
		p.do(t, "ZREM", p.key("ready:0"), id)
		p.do(t, "ZADD", p.key("ready:1"), 1, id)
		return id
	}, pending},
	{"a ready task in a lane that is none", domain.FindingIndexWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "RENAME", p.key("ready:0"), p.key("ready:7"))
		return id
	}, pending},
	{"a scheduled task that is ready too", domain.FindingIndexDuplicate, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, delayed(time.Hour))
		p.do(t, "ZADD", p.key("ready:0"), 4000000000000001, id)
		return id
	}, pending},
	{"a failed task that runs too", domain.FindingIndexDuplicate, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, failed)
		p.do(t, "ZADD", p.key("active"), 1, id)
		return id
	}, failed},
	{"a ready task with the score of another priority", domain.FindingScoreWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "ZINCRBY", p.key("ready:0"), 800000000000000, id)
		return id
	}, pending},
	{"a ready task with a score that is none", domain.FindingScoreWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "ZADD", p.key("ready:0"), "-inf", id)
		return id
	}, pending},
	{"a cancelled task with the score of another", domain.FindingScoreWrong, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, cancelled)
		p.do(t, "ZINCRBY", p.key("cancelled"), -5, id)
		return id
	}, cancelled},
	{"a scheduled task that is never due", domain.FindingDueMissing, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, delayed(time.Hour))
		p.do(t, "ZREM", p.key("due"), id)
		return id
	}, pending},
	{"a retrying task that is never due", domain.FindingDueMissing, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, retrying)
		p.do(t, "ZREM", p.key("due"), id)
		return id
	}, retrying},
	{"a retrying task that is due too late", domain.FindingDueWrong, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, retrying)
		p.do(t, "ZADD", p.key("due"), "+inf", id)
		return id
	}, retrying},
	{"a completed task that is due", domain.FindingDueStray, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.do(t, "ZADD", p.key("due"), 1, id)
		return id
	}, completed},
	{"a ready task that is due", domain.FindingDueStray, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "ZADD", p.key("due"), 1, id)
		return id
	}, pending},
	{"an index that names no task", domain.FindingRecordMissing, func(t tester, p *patient) domain.TaskID {
		id := uuid.New()
		p.enqueue(t)
		p.do(t, "ZADD", p.key("ready:0"), 1, id)
		return id
	}, 0},
	{"a due time of no task", domain.FindingRecordMissing, func(t tester, p *patient) domain.TaskID {
		id := uuid.New()
		p.do(t, "ZADD", p.key("due"), 1, id)
		return id
	}, 0},
	{"a task whose record is lost", domain.FindingRecordMissing, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, retrying, unique("k"))
		p.do(t, "HDEL", p.key("tasks"), id)
		return id
	}, 0},
	{"a result of no task", domain.FindingRecordMissing, func(t tester, p *patient) domain.TaskID {
		id := uuid.New()
		p.do(t, "HSET", p.key("results"), id, "{}")
		return id
	}, 0},
	{"errors of no task", domain.FindingRecordMissing, func(t tester, p *patient) domain.TaskID {
		id := uuid.New()
		p.do(t, "HSET", p.key("errors"), id, "x")
		return id
	}, 0},
	{"a member that is no id", domain.FindingRecordMissing, func(t tester, p *patient) domain.TaskID {
		p.do(t, "ZADD", p.key("completed"), 1, "what is this")
		return uuid.Nil
	}, 0},
	{"a record whose id is none", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		p.enqueue(t)
		p.do(t, "HSET", p.key("tasks"), "x", "y")
		p.do(t, "ZADD", p.key("ready:0"), 1, "x")
		return uuid.Nil
	}, 0},
	{"a record that is cut", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, unique("k"))
		p.setRecord(t, id, func(r string) string { return r[:14] })
		return id
	}, failed},
	{"an empty record", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.setRecord(t, id, func(string) string { return "" })
		return id
	}, failed},
	{"a record of another version", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.setRecord(t, id, func(r string) string { return "\x09" + r[1:] })
		return id
	}, failed},
	{"a record with a type of NULs and no UTF-8", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, retrying)
		p.setRecord(t, id, func(r string) string { return strings.Replace(r, "work", "\x00\xff\x00\xfe", 1) })
		return id
	}, failed},
	{"a record of a time that cannot be", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.setRecord(t, id, func(r string) string { return r[:4] + "\x7f\xf8\x00\x00\x00\x00\x00\x00" + r[12:] })
		return id
	}, failed},
	{"a completed task whose record is garbage", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.setRecord(t, id, func(string) string { return "garbage" })
		return id
	}, completed},
	{"a record in no index whose bytes are garbage", domain.FindingRecordCorrupt, func(t tester, p *patient) domain.TaskID {
		id := uuid.New()
		p.enqueue(t)
		p.do(t, "HSET", p.key("tasks"), id, strings.Repeat("\xff", 100))
		return id
	}, failed},
	{"a record that says another lane", domain.FindingLaneWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.setRecord(t, id, func(r string) string { return r[:1] + "\xff\xff" + r[3:] })
		return id
	}, pending},
	{"a state that is cut", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.do(t, "HSET", p.key("state"), id, "cut")
		return id
	}, completed},
	{"a state of an unknown status", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, retrying)
		p.setState(t, id, 0, "\x2f")
		return id
	}, retrying},
	{"a state of random bytes", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.setState(t, id, 0, strings.Repeat("\xfb", 44))
		return id
	}, pending},
	{"a state that is lost, of a failed task", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, failed)
		p.do(t, "HDEL", p.key("state"), id)
		return id
	}, failed},
	{"a state that is lost, of a running task", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, processing)
		p.do(t, "HDEL", p.key("state"), id)
		return id
	}, pending},
	{"a state of another lane", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.setState(t, id, 1, "\x00\x09")
		return id
	}, completed},
	{"a state whose sequence number is of the future", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, failed)
		p.setState(t, id, 5, i56(1<<54))
		return id
	}, failed},
	{"a task that finished in the future", domain.FindingStateCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		p.setState(t, id, 19, i56(1<<54))
		return id
	}, completed},
	{"a finished task that the retention does not know", domain.FindingFinishedMissing, func(t tester, p *patient) domain.TaskID {
		p.in(t, failed)
		id := p.in(t, completed)
		p.in(t, cancelled)
		entry := p.do(t, "LINDEX", p.key("finished"), 1)
		p.do(t, "LREM", p.key("finished"), 1, entry)
		return id
	}, completed},
	{"an entry of the future before the finished tasks", domain.FindingFinishedInvalid, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed)
		gone := uuid.New()
		p.do(t, "LPUSH", p.key("finished"), string(gone[:])+i56(1<<54))
		return id
	}, completed},
	{"errors that cannot be read", domain.FindingErrorsCorrupt, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, failed)
		p.do(t, "HSET", p.key("errors"), id, strings.Repeat("\xff", 40))
		return id
	}, failed},
	{"a unique key that its task does not hold", domain.FindingUniqueLost, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, unique("k"))
		p.do(t, "HDEL", p.key("unique"), "k")
		return id
	}, pending},
	{"a unique key that nobody remembers", domain.FindingUniqueWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, unique("k"))
		p.do(t, "HDEL", p.key("unique_of"), id)
		return id
	}, pending},
	{"a unique key of a task that has none", domain.FindingUniqueWrong, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("unique_of"), id, "k")
		return id
	}, pending},
	{"a unique key of two tasks", domain.FindingUniqueConflict, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t, unique("k"))
		p.do(t, "HDEL", p.key("unique"), "k")
		p.enqueue(t, unique("k"))
		return id
	}, pending},
	{"a unique key that a finished task holds", domain.FindingUniqueStray, func(t tester, p *patient) domain.TaskID {
		id := p.in(t, completed, unique("k"))
		p.do(t, "HSET", p.key("unique"), "k", id)
		return id
	}, completed},
	{"a unique key that no task holds", domain.FindingUniqueStray, func(t tester, p *patient) domain.TaskID {
		p.do(t, "HSET", p.key("unique"), "k", "nobody")
		return uuid.Nil
	}, 0},
	{"a unique key that another task should have", domain.FindingUniqueStray, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("unique"), "k", id)
		return id
	}, pending},
	{"a sequence number below those in use", domain.FindingSequenceBehind, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("meta"), "seq", 7)
		return id
	}, pending},
	{"a sequence number that is none", domain.FindingSequenceBehind, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("meta"), "seq", "many")
		return id
	}, pending},
	{"lanes that are gone", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "DEL", p.key("lanes"))
		return id
	}, pending},
	{"a lane that is gone", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.enqueue(t, func(t *domain.Task) { t.Queue = "other" })
		p.do(t, "HDEL", p.key("lanes"), "default|work")
		return id
	}, pending},
	{"two lanes of one number", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.enqueue(t, func(t *domain.Task) { t.Queue = "aa" })
		p.do(t, "HSET", p.key("lanes"), "aa|work", 0)
		return id
	}, pending},
	{"a number of lanes that is wrong", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("lanes"), "#", "x")
		return id
	}, pending},
	{"an index of no lane", domain.FindingKeyUnknown, func(t tester, p *patient) domain.TaskID {
		p.do(t, "ZADD", p.key("ready:many"), 1, "x")
		return uuid.Nil
	}, 0},
}

func kinds(findings []domain.Finding) []domain.FindingKind {
	out := make([]domain.FindingKind, len(findings))
	for i, f := range findings {
		out[i] = f.Kind
	}
	return out
}

func TestEachBrokenInvariantIsFoundAndMended(t *testing.T) {
	t.Parallel()
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			id := b.harm(t, p)
			for range 2 {
				found := p.verify(t, false)
				require.Equal(t, []domain.FindingKind{b.want}, kinds(found), "%v", found)
				require.False(t, found[0].Repaired(), "nothing is changed unasked")
				require.NotEmpty(t, found[0].Detail)
				if id != uuid.Nil && found[0].ID != uuid.Nil {
					require.Equal(t, id, found[0].ID)
				}
			}
			mended := p.verify(t, true)
			require.NotEmpty(t, mended)
			for _, f := range mended {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Empty(t, p.verify(t, false))
			require.Empty(t, p.verify(t, true))
			if id == uuid.Nil {
				return
			}
			require.Equal(t, b.becomes, p.status(t, id))
			done := p.drain(t)
			if b.becomes == 0 || b.becomes.Terminal() {
				require.NotContains(t, done, id)
			} else {
				require.Contains(t, done, id)
			}
			require.Empty(t, p.verify(t, false))
			p.w.advance(time.Hour)
			_, err := p.queue.PurgeFinished(t.Context(), 0, 1000)
			require.NoError(t, err)
			stats, err := p.queue.GetQueueStats(t.Context())
			require.NoError(t, err)
			require.Zero(t, stats.Total(), "the retention finds everything in the end")
			require.Empty(t, p.verify(t, false))
		})
	}
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
	require.Equal(t, "its record has version 9; this program reads version 1", kept[15:15+reason])
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

// TestGarbageStopsNobody puts garbage into each part of a task, in each status.
func TestGarbageStopsNobody(t *testing.T) {
	t.Parallel()
	garbage := []string{
		"", "\x00", "x", strings.Repeat("\x00", 44), strings.Repeat("\xff", 44), strings.Repeat("\xff", 51), strings.Repeat("\xfb", 51),
		"\x01\xff\xff\xff" + strings.Repeat("\xff", 40), "\x01\x00\x00\x05" + strings.Repeat("\x00", 40),
		"\x02" + strings.Repeat("\x01", 30), strings.Repeat("\xc3\x28", 600),
	}
	parts := []string{"tasks", "state", "results", "errors", "unique_of"}
	scores := []string{"-inf", "+inf", "-1", "0.5", "1e300"}
	indexes := []string{"active", "scheduled", "retrying", "due", "completed", "failed", "cancelled", "ready:0"}
	harms := map[string]func(t tester, p *patient, id domain.TaskID){}
	for n, g := range garbage {
		for _, part := range parts {
			harms[fmt.Sprintf("%s has garbage %d", part, n)] = func(t tester, p *patient, id domain.TaskID) {
				p.do(t, "HSET", p.key(part), id, g)
			}
		}
		for _, index := range indexes {
			harms[fmt.Sprintf("%s has the member of garbage %d", index, n)] = func(t tester, p *patient, _ domain.TaskID) {
				p.do(t, "ZADD", p.key(index), 1, g)
				p.do(t, "HSET", p.key("tasks"), g, g)
			}
		}
		harms[fmt.Sprintf("the finished tasks have garbage %d", n)] = func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "LPUSH", p.key("finished"), g)
		}
	}
	for _, score := range scores {
		for _, index := range indexes {
			harms[fmt.Sprintf("%s has score %s", index, score)] = func(t tester, p *patient, id domain.TaskID) {
				p.do(t, "ZADD", p.key(index), score, id)
			}
		}
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			for id := range p.fill(t) {
				harm(t, p, id)
			}
			var good []domain.TaskID
			for range 3 {
				good = append(good, p.enqueue(t, func(t *domain.Task) { t.Priority = 0 }))
			}
			p.w.advance(2 * time.Hour) // retries are due, leases have expired
			_, err := p.queue.PromoteDue(t.Context(), 100)
			require.NoError(t, err)
			_, err = p.queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 100})
			require.NoError(t, err)
			got := map[domain.TaskID]bool{}
			for range 8 {
				tasks, err := p.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute})
				require.NoError(t, err)
				for _, task := range tasks {
					p.report(t, task, ports.OutcomeCompleted)
					got[task.ID] = true
				}
			}
			for _, id := range good {
				require.Contains(t, got, id)
			}
			stats, err := p.queue.GetQueueStats(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, stats.Completed, int64(3))
			for _, status := range append(domain.TaskStatuses(), 0) {
				page, err := p.queue.ListTasks(t.Context(), domain.TaskFilter{Status: status, Limit: 200})
				require.NoError(t, err)
				_, err = json.Marshal(page)
				require.NoError(t, err, "what is listed can be shown")
			}
			for _, f := range p.verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Empty(t, p.verify(t, true))
		})
	}
}

// TestRandomHarmIsMended breaks random things, several at once.
func TestRandomHarmIsMended(t *testing.T) {
	t.Parallel()
	indexes := []string{"active", "scheduled", "retrying", "completed", "failed", "cancelled", "ready:0", "ready:1", "ready:2"}
	rapid.Check(t, func(rt *rapid.T) {
		p := newPatient(t)
		// The status of each task that has one stored, and which records and states
		// are as they were.
		want, fresh, damaged := map[domain.TaskID]domain.TaskStatus{}, map[domain.TaskID]bool{}, map[domain.TaskID]bool{}
		statuses := rapid.SliceOfN(rapid.SampledFrom(domain.TaskStatuses()), 1, 12).Draw(rt, "statuses")
		slices.SortFunc(statuses, func(a, b domain.TaskStatus) int { return int(b) - int(a) }) // ready ones last: a claim takes the best
		for _, status := range statuses {
			queue := rapid.SampledFrom([]string{"default", "other"}).Draw(rt, "queue")
			priority := domain.Priority(rapid.IntRange(0, 10).Draw(rt, "priority"))
			key := rapid.SampledFrom([]string{"", "", uuid.NewString()}).Draw(rt, "unique")
			var delay time.Duration
			if status == pending && rapid.Bool().Draw(rt, "delayed") {
				delay = time.Hour
			}
			id := p.in(rt, status, func(t *domain.Task) {
				t.Queue, t.UniqueKey, t.Priority, t.Delay = queue, key, priority, delay
			})
			want[id], fresh[id] = status, status == pending
		}
		ids := slices.SortedFunc(maps.Keys(want), func(a, b domain.TaskID) int { return strings.Compare(a.String(), b.String()) })
		for range rapid.IntRange(1, 8).Draw(rt, "harms") {
			id := rapid.SampledFrom(ids).Draw(rt, "id")
			index := rapid.SampledFrom(indexes).Draw(rt, "index")
			switch rapid.SampledFrom([]string{"zrem", "zadd", "due", "undue", "state", "nostate", "record", "norecord", "unique", "nounique", "finished", "seq", "lane", "results"}).Draw(rt, "harm") {
			case "zrem":
				p.do(rt, "ZREM", p.key(index), id)
			case "zadd":
				p.do(rt, "ZADD", p.key(index), rapid.SampledFrom([]string{"1", "-inf", "5e15", "0.25"}).Draw(rt, "score"), id)
				if fresh[id] {
					damaged[id] = true // a task without a state is what its index says
				}
			case "due":
				p.do(rt, "ZADD", p.key("due"), rapid.SampledFrom([]string{"1", "9e15"}).Draw(rt, "score"), id)
			case "undue":
				p.do(rt, "ZREM", p.key("due"), id)
			case "state":
				p.do(rt, "HSET", p.key("state"), id, rapid.SliceOfN(rapid.Byte(), 44, 51).Draw(rt, "state"))
				damaged[id] = true
			case "nostate":
				p.do(rt, "HDEL", p.key("state"), id)
				damaged[id] = true
			case "record":
				p.do(rt, "HSET", p.key("tasks"), id, rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "record"))
				delete(want, id)
			case "norecord":
				p.do(rt, "HDEL", p.key("tasks"), id)
				delete(want, id)
			case "unique":
				p.do(rt, "HSET", p.key("unique"), "k", id)
				p.do(rt, "HSET", p.key("unique_of"), id, "k")
			case "nounique":
				p.do(rt, "DEL", p.key("unique"))
			case "finished":
				p.do(rt, "RPOP", p.key("finished"))
			case "seq":
				p.do(rt, "HSET", p.key("meta"), "seq", rapid.SampledFrom([]string{"0", "x", "-5"}).Draw(rt, "seq"))
			case "lane":
				p.do(rt, "HSET", p.key("lanes"), rapid.SampledFrom([]string{"default|work", "other|work", "#", ""}).Draw(rt, "lane"),
					rapid.SampledFrom([]string{"0", "1", "7", "x"}).Draw(rt, "number"))
			case "results":
				p.do(rt, "HSET", p.key("results"), uuid.New(), "x")
			}
		}
		for _, f := range p.verify(rt, true) {
			require.True(rt, f.Repaired(), "%v", f)
		}
		require.Empty(rt, p.verify(rt, true))
		page, err := p.queue.ListTasks(rt.Context(), domain.TaskFilter{Limit: 200})
		require.NoError(rt, err)
		got, open := map[domain.TaskID]domain.TaskStatus{}, 0
		for _, task := range page.Tasks {
			require.NotContains(rt, got, task.ID)
			got[task.ID] = task.Status
			if !task.Status.Terminal() {
				open++
			}
		}
		stats, err := p.queue.GetQueueStats(rt.Context())
		require.NoError(rt, err)
		require.Equal(rt, int64(len(got)), stats.Total())
		for id, status := range want {
			require.Contains(rt, got, id, "no task is lost whose record is whole")
			if !damaged[id] {
				require.Equal(rt, status, got[id])
			}
		}
		require.Len(rt, p.drain(rt), open, "what is unfinished can be finished")
		require.Empty(rt, p.verify(rt, false))
	})
}

// TestALiveStoreGivesNoFalseAlarm works on a store, logs too, while it is checked,
// with repairs and without.
func TestALiveStoreGivesNoFalseAlarm(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
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
				var batch *domain.BatchError
				if err := step(n); err != nil && !errors.As(err, &batch) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	ctx := t.Context()
	ids := make(chan domain.TaskID, 1000)
	for worker := range 2 {
		work(func(n int) error {
			stats, err := p.queue.GetQueueStats(ctx)
			if err != nil || stats.Total() > 3000 {
				return err
			}
			var tasks []*domain.Task
			for i := range 20 {
				task := newTask(strings.Repeat("x", n%500))
				task.Queue, task.Priority = fmt.Sprintf("q%d", n/50%20), domain.Priority(i%11)
				switch i % 5 {
				case 0:
					task.Delay = time.Duration(i) * time.Millisecond
				case 1:
					task.UniqueKey = fmt.Sprintf("k%d", i)
				}
				tasks = append(tasks, task)
				select {
				case ids <- task.ID:
				default:
				}
			}
			_, err = p.queue.Enqueue(ctx, tasks...)
			return err
		})
		work(func(n int) error {
			got, err := p.queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1 + n%50, Lease: 100 * time.Millisecond})
			if err != nil || n%17 == worker {
				return err // a worker that dies with its leases
			}
			var updates []ports.TaskUpdate
			var leases []domain.Lease
			for i, task := range got {
				if i%4 == 3 {
					leases = append(leases, *task.Lease)
					continue
				}
				updates = append(updates, ports.TaskUpdate{
					Lease: *task.Lease, Outcome: ports.Outcome(1 + i%4), RetryIn: time.Duration(i) * time.Millisecond, Result: []byte("{}"),
					Failure: domain.TaskError{Reason: domain.ReasonError, Message: "failed"},
				})
			}
			return errors.Join(p.queue.UpdateTask(ctx, updates...), p.queue.ReleaseTask(ctx, leases...))
		})
	}
	work(func(n int) error {
		var id domain.TaskID
		select {
		case id = <-ids:
		case <-done:
			return nil
		}
		switch n % 4 {
		case 0:
			return p.queue.DeleteTask(ctx, id)
		case 1:
			return p.queue.CancelTask(ctx, id)
		case 2:
			return p.queue.RunTaskNow(ctx, id)
		default:
			return p.queue.RetryTask(ctx, id)
		}
	})
	work(func(int) error {
		_, err := p.queue.PromoteDue(ctx, 100)
		_, reapErr := p.queue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 1, Limit: 100})
		_, purgeErr := p.queue.PurgeFinished(ctx, 300*time.Millisecond, 100)
		return errors.Join(err, reapErr, purgeErr)
	})
	work(func(n int) error {
		batch := uuid.New()
		for range 3 {
			if _, err := p.logs.SaveLogs(ctx, batch, logLines(20)...); err != nil {
				return err
			}
		}
		_, err := p.logs.CloseBatch(ctx, batch)
		err = errors.Join(err, p.logs.SaveAnalysis(ctx, batch, result(n%3)))
		if n%2 == 0 {
			err = errors.Join(err, p.logs.DeleteBatches(ctx, batch))
		}
		return err
	})
	work(func(int) error {
		_, err := p.logs.PurgeLogs(ctx, 200*time.Millisecond, 100)
		_, analysesErr := p.logs.PurgeAnalyses(ctx, 200*time.Millisecond, 100)
		return errors.Join(err, analysesErr)
	})
	looked := domain.VerifySummary{}
	for n := range 6 {
		summary, err := p.verifier.Verify(ctx, ports.VerifyRequest{Repair: n%2 == 1, Report: func(f domain.Finding) {
			t.Errorf("false alarm: %+v", f)
		}})
		require.NoError(t, err)
		looked.Tasks, looked.Logs, looked.Analyses = looked.Tasks+summary.Tasks, looked.Logs+summary.Logs, looked.Analyses+summary.Analyses
	}
	close(done)
	workers.Wait()
	require.Positive(t, looked.Tasks)
	require.Positive(t, looked.Logs)
	require.Positive(t, looked.Analyses)
	t.Logf("looked at %d tasks, %d logs, %d analyses", looked.Tasks, looked.Logs, looked.Analyses)
	require.Empty(t, p.verify(t, false))
}

func TestBrokenLogsAreFoundAndMended(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		want domain.FindingKind
		harm func(t tester, p *patient, batch domain.BatchID, id domain.LogID)
		// left is how many of the three entries are left.
		left int
	}{
		{"an entry that is not in the index by timestamp", domain.FindingLogNotIndexed, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			r, err := p.rdb.HGet(t.Context(), p.logKey("entries"), string(id[:])).Result()
			require.NoError(t, err)
			p.do(t, "ZREM", p.logKey("by_time"), r[17:25]+string(id[:]))
		}, 3},
		{"an entry that is not in the index by arrival", domain.FindingLogNotIndexed, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "ZREM", p.logKey("received"), id)
		}, 3},
		{"an entry that arrived at another time", domain.FindingLogNotIndexed, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "ZADD", p.logKey("received"), "+inf", id)
		}, 3},
		{"an entry that is not in its batch", domain.FindingLogNotIndexed, func(t tester, p *patient, batch domain.BatchID, id domain.LogID) {
			p.do(t, "LREM", p.logKey("batch:")+string(batch[:]), 1, id)
		}, 3},
		{"a batch that lists what is no entry", domain.FindingLogStray, func(t tester, p *patient, batch domain.BatchID, _ domain.LogID) {
			p.do(t, "RPUSH", p.logKey("batch:")+string(batch[:]), uuid.New())
		}, 3},
		{"a batch that lists an entry twice", domain.FindingLogStray, func(t tester, p *patient, batch domain.BatchID, id domain.LogID) {
			p.do(t, "RPUSH", p.logKey("batch:")+string(batch[:]), id)
		}, 3},
		{"a batch that lists the entry of another", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			other := uuid.New()
			p.do(t, "RPUSH", p.logKey("batch:")+string(other[:]), id)
		}, 3},
		{"an index by timestamp that names no entry", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("by_time"), 0, "12345678"+"1234567890123456")
		}, 3},
		{"an index by timestamp with garbage", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("by_time"), 0, "garbage")
		}, 3},
		{"an index by arrival that names no entry", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("received"), 0, uuid.New())
		}, 3},
		{"an entry of another version", domain.FindingLogCorrupt, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "HSET", p.logKey("entries"), id, "\x09"+strings.Repeat("x", 60))
		}, 2},
		{"an entry that is cut", domain.FindingLogCorrupt, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "HSET", p.logKey("entries"), id, "\x01cut")
		}, 2},
		{"an analysis that cannot be read", domain.FindingAnalysisCorrupt, func(t tester, p *patient, batch domain.BatchID, _ domain.LogID) {
			p.do(t, "HSET", p.logKey("analyses"), batch, "garbage")
		}, 3},
		{"an analysis that is not in the index", domain.FindingAnalysisNotIndexed, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "DEL", p.logKey("history"))
		}, 3},
		{"an index of the analyses that names none", domain.FindingAnalysisStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("history"), 0, "12345678"+"1234567890123456")
		}, 3},
		{"a batch of another type", domain.FindingKeyType, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			other := uuid.New()
			p.do(t, "SET", p.logKey("batch:")+string(other[:]), "x")
		}, 3},
		{"a batch whose id is none", domain.FindingKeyUnknown, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "RPUSH", p.logKey("batch:none"), "x")
		}, 3},
		{"an index by timestamp of another type", domain.FindingKeyType, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "DEL", p.logKey("by_time"))
			p.do(t, "SET", p.logKey("by_time"), "x")
		}, 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			batch, lines := uuid.New(), logLines(3)
			_, err := p.logs.SaveLogs(t.Context(), batch, lines...)
			require.NoError(t, err)
			require.NoError(t, p.logs.SaveAnalysis(t.Context(), batch, result(2)))
			require.Empty(t, p.verify(t, true))
			c.harm(t, p, batch, lines[1].ID)
			for range 2 {
				found := p.verify(t, false)
				require.Equal(t, []domain.FindingKind{c.want}, kinds(found), "%v", found)
				require.False(t, found[0].Repaired())
			}
			for _, f := range p.verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Empty(t, p.verify(t, true))
			page, err := p.logs.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Len(t, page.Logs, c.left)
			ids, err := p.logs.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, ids, c.left)
			_, err = p.logs.ListAnomalies(t.Context(), domain.AnomalyFilter{})
			require.NoError(t, err)
			p.w.advance(time.Hour)
			n, err := p.logs.PurgeLogs(t.Context(), time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, c.left, n)
			require.Empty(t, p.verify(t, false))
		})
	}
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
	require.Empty(t, p.verify(t, true))
	p.do(t, "RENAME", p.key("ready:0"), p.key("ready:3"))
	p.do(t, "DEL", p.key("completed"))
	p.do(t, "SET", p.key("completed"), "foreign")
	p.do(t, "RPOP", p.logKey("batch:")+string(batch[:]))
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
		p.do(t, "HSET", prefix+"lanes", "", "damaged")
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
