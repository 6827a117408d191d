package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

// breakage is one way to break a store.
type breakage struct {
	name string
	want string
	// harm breaks something, and returns the task that it concerns, if one is left.
	harm func(t storetest.T, p *storetest.Patient) domain.TaskID
	// becomes is what the task is after the repair; 0 if it is gone. A task that is
	// unfinished must complete then.
	becomes domain.TaskStatus
}

// step breaks something of a task, entry or analysis, or of what is beside it.
type step func(t storetest.T, p *storetest.Patient, id uuid.UUID)

type placeholder struct{}

// it stands for the id of the task in a command.
var it placeholder

// broken is a breakage by steps, of a task that start makes.
func broken(name, want string, start func(storetest.T, *storetest.Patient) domain.TaskID, becomes domain.TaskStatus, steps ...step) breakage {
	return breakage{name, want, func(t storetest.T, p *storetest.Patient) domain.TaskID {
		id := start(t, p)
		all(steps...)(t, p, id)
		return id
	}, becomes}
}

// in makes a task in a status, noTask an id that none has, and nobody concerns none.
func in(status domain.TaskStatus, edits ...func(*domain.Task)) func(storetest.T, *storetest.Patient) domain.TaskID {
	return func(t storetest.T, p *storetest.Patient) domain.TaskID { return p.In(t, status, edits...) }
}

func noTask(storetest.T, *storetest.Patient) domain.TaskID { return uuid.New() }
func nobody(storetest.T, *storetest.Patient) domain.TaskID { return uuid.Nil }

// run sends a command about a part of the queue.
func run(command, part string, args ...any) step {
	return func(t storetest.T, p *storetest.Patient, id uuid.UUID) { order(t, p, id, command, p.Key(part), args) }
}

// onLogs sends a command about a part of the logs.
func onLogs(command, part string, args ...any) step {
	return func(t storetest.T, p *storetest.Patient, id uuid.UUID) {
		order(t, p, id, command, p.LogKey(part), args)
	}
}

func order(t storetest.T, p *storetest.Patient, id uuid.UUID, command, key string, args []any) {
	line := append([]any{command, key}, args...)
	for i := range line {
		if line[i] == it {
			line[i] = id
		}
	}
	p.Do(t, line...)
}

// all does one step after another.
func all(steps ...step) step {
	return func(t storetest.T, p *storetest.Patient, id uuid.UUID) {
		for _, do := range steps {
			do(t, p, id)
		}
	}
}

// enqueue makes another task.
func enqueue(edits ...func(*domain.Task)) step {
	return func(t storetest.T, p *storetest.Patient, _ domain.TaskID) { p.Enqueue(t, edits...) }
}

func inQueue(name string) func(*domain.Task) { return func(t *domain.Task) { t.Queue = name } }

// record changes the record of the task, and state bytes of its state.
func record(change func(string) string) step {
	return func(t storetest.T, p *storetest.Patient, id domain.TaskID) { p.SetRecord(t, id, change) }
}

func state(at int, bytes string) step {
	return func(t storetest.T, p *storetest.Patient, id domain.TaskID) { p.SetState(t, id, at, bytes) }
}

func expiring(t *domain.Task)     { t.ExpiresIn = 1000 * time.Hour }
func ownRetention(t *domain.Task) { t.Retention = time.Hour }

var breakages = []breakage{
	broken("a ready task in no index", verify.KindNotIndexed, in(pending), pending, run("ZREM", "ready:0", it)),
	{"a ready task that was claimed before, in no index", verify.KindNotIndexed, func(t storetest.T, p *storetest.Patient) domain.TaskID {
		id := p.Enqueue(t)
		require.NoError(t, p.Queue.ReleaseTask(t.Context(), *p.Claim(t).Lease))
		p.Do(t, "ZREM", p.Key("ready:0"), id)
		return id
	}, pending},
	broken("a scheduled task in no index", verify.KindNotIndexed, in(pending, storetest.Delayed(time.Hour)), pending,
		run("ZREM", "scheduled", it), run("ZREM", "due", it)),
	broken("a scheduled task that is due only", verify.KindNotIndexed, in(pending, storetest.Delayed(time.Hour)), pending, run("ZREM", "scheduled", it)),
	broken("a completed task in no index", verify.KindNotIndexed, in(completed), completed, run("ZREM", "completed", it)),
	broken("a retrying task in no index", verify.KindNotIndexed, in(retrying), retrying, run("ZREM", "retrying", it)),
	broken("a running task without a lease", verify.KindLeaseMissing, in(processing), processing, run("ZREM", "active", it)),
	broken("a running task among the ready ones", verify.KindLeaseMissing, in(processing), processing, run("ZREM", "active", it), run("ZADD", "ready:0", 1, it)),
	broken("a lease without end", verify.KindLeaseEndless, in(processing), processing, run("ZADD", "active", "+inf", it)),
	broken("a running task of no claim", verify.KindClaimMissing, in(processing), pending, state(28, strings.Repeat("\x00", 16))),
	broken("a completed task among the ready ones", verify.KindIndexWrong, in(completed), completed, run("ZREM", "completed", it), run("ZADD", "ready:0", 1, it)),
	broken("a ready task that is completed too", verify.KindIndexDuplicate, in(pending), pending, run("ZADD", "completed", 1, it)),
	broken("a ready task in another ready list too", verify.KindIndexDuplicate, in(pending), pending, enqueue(inQueue("other")), run("ZADD", "ready:1", 1, it)),
	broken("a ready task in the ready list of others", verify.KindIndexWrong, in(pending), pending,
		enqueue(inQueue("other")), run("ZREM", "ready:0", it), run("ZADD", "ready:1", 1, it)),
	{"a ready task in a ready list that is none", verify.KindIndexWrong, func(t storetest.T, p *storetest.Patient) domain.TaskID {
		id := p.Enqueue(t)
		p.Do(t, "RENAME", p.Key("ready:0"), p.Key("ready:7"))
		return id
	}, pending},
	broken("a scheduled task that is ready too", verify.KindIndexDuplicate, in(pending, storetest.Delayed(time.Hour)), pending,
		run("ZADD", "ready:0", 4000000000000001, it)),
	broken("a failed task that runs too", verify.KindIndexDuplicate, in(failed), failed, run("ZADD", "active", 1, it)),
	broken("a ready task with the score of another priority", verify.KindScoreWrong, in(pending), pending, run("ZINCRBY", "ready:0", 800000000000000, it)),
	broken("a ready task with a score that is none", verify.KindScoreWrong, in(pending), pending, run("ZADD", "ready:0", "-inf", it)),
	broken("a cancelled task with the score of another", verify.KindScoreWrong, in(cancelled), cancelled, run("ZINCRBY", "cancelled", -5, it)),
	broken("a scheduled task that is never due", verify.KindDueMissing, in(pending, storetest.Delayed(time.Hour)), pending, run("ZREM", "due", it)),
	broken("a retrying task that is never due", verify.KindDueMissing, in(retrying), retrying, run("ZREM", "due", it)),
	broken("a retrying task that is due too late", verify.KindDueWrong, in(retrying), retrying, run("ZADD", "due", "+inf", it)),
	broken("a completed task that is due", verify.KindDueStray, in(completed), completed, run("ZADD", "due", 1, it)),
	broken("a ready task that is due", verify.KindDueStray, in(pending), pending, run("ZADD", "due", 1, it)),
	broken("a task that never expires", verify.KindExpiryWrong, in(pending, expiring), pending, run("ZREM", "expiring", it)),
	broken("a scheduled task that expires too late", verify.KindExpiryWrong, in(pending, expiring, storetest.Delayed(time.Hour)), pending, run("ZADD", "expiring", "+inf", it)),
	broken("a running task that expires", verify.KindExpiryWrong, in(processing, expiring), processing, run("ZADD", "expiring", 1, it)),
	broken("an expiry of no task", verify.KindRecordMissing, noTask, 0, run("ZADD", "expiring", 1, it)),
	broken("a task whose own retention is not known", verify.KindRetentionWrong, in(failed, ownRetention), failed, run("ZREM", "kept", it)),
	broken("a task whose own retention passes too late", verify.KindRetentionWrong, in(completed, ownRetention), completed, run("ZADD", "kept", "+inf", it)),
	broken("a waiting task whose own retention passes", verify.KindRetentionWrong, in(pending), pending, run("ZADD", "kept", 1, it)),
	broken("a state that is lost, of a failed task with a retention", verify.KindStateCorrupt, in(failed, ownRetention), failed, run("HDEL", "state", it)),
	broken("an index that names no task", verify.KindRecordMissing, noTask, 0, enqueue(), run("ZADD", "ready:0", 1, it)),
	broken("a due time of no task", verify.KindRecordMissing, noTask, 0, run("ZADD", "due", 1, it)),
	broken("a task whose record is lost", verify.KindRecordMissing, in(retrying, storetest.Unique("k")), 0, run("HDEL", "tasks", it)),
	broken("a result of no task", verify.KindRecordMissing, noTask, 0, run("HSET", "results", it, "{}")),
	broken("errors of no task", verify.KindRecordMissing, noTask, 0, run("HSET", "errors", it, "x")),
	broken("a member that is no id", verify.KindRecordMissing, nobody, 0, run("ZADD", "completed", 1, "what is this")),
	broken("a record whose id is none", verify.KindRecordCorrupt, nobody, 0, enqueue(), run("HSET", "tasks", "x", "y"), run("ZADD", "ready:0", 1, "x")),
	broken("a record that is cut", verify.KindRecordCorrupt, in(pending, storetest.Unique("k")), failed, record(func(r string) string { return r[:14] })),
	broken("an empty record", verify.KindRecordCorrupt, in(pending), failed, record(func(string) string { return "" })),
	broken("a record of another version", verify.KindRecordCorrupt, in(processing), failed, record(func(r string) string { return "\x21" + r[1:] })),
	broken("a record with a type of NULs and no UTF-8", verify.KindRecordCorrupt, in(retrying), failed,
		record(func(r string) string { return strings.Replace(r, "work", "\x00\xff\x00\xfe", 1) })),
	broken("a record of a time that cannot be", verify.KindRecordCorrupt, in(pending), failed,
		record(func(r string) string { return r[:4] + "\x7f\xf8\x00\x00\x00\x00\x00\x00" + r[12:] })),
	broken("a completed task whose record is garbage", verify.KindRecordCorrupt, in(completed), completed, record(func(string) string { return "garbage" })),
	broken("a record in no index whose bytes are garbage", verify.KindRecordCorrupt, noTask, failed, enqueue(), run("HSET", "tasks", it, strings.Repeat("\xff", 100))),
	broken("a record that says another ready list", verify.KindLaneWrong, in(pending), pending, record(func(r string) string { return r[:1] + "\xff\xff" + r[3:] })),
	broken("a state that is cut", verify.KindStateCorrupt, in(completed), completed, run("HSET", "state", it, "cut")),
	broken("a state of an unknown status", verify.KindStateCorrupt, in(retrying), retrying, state(0, "\x2f")),
	broken("a state of random bytes", verify.KindStateCorrupt, in(processing), pending, state(0, strings.Repeat("\xfb", 44))),
	broken("a state that is lost, of a failed task", verify.KindStateCorrupt, in(failed), failed, run("HDEL", "state", it)),
	broken("a state that is lost, of a running task", verify.KindStateCorrupt, in(processing), pending, run("HDEL", "state", it)),
	broken("a state of another ready list", verify.KindStateCorrupt, in(completed), completed, state(1, "\x00\x09")),
	broken("a state whose sequence number is of the future", verify.KindStateCorrupt, in(failed), failed, state(5, storetest.I56(1<<54))),
	broken("a task that finished in the future", verify.KindStateCorrupt, in(completed), completed, state(19, storetest.I56(1<<54))),
	{"a finished task that the retention does not know", verify.KindFinishedMissing, func(t storetest.T, p *storetest.Patient) domain.TaskID {
		p.In(t, failed)
		id := p.In(t, completed)
		p.In(t, cancelled)
		entry := p.Do(t, "LINDEX", p.Key("finished"), 1)
		p.Do(t, "LREM", p.Key("finished"), 1, entry)
		return id
	}, completed},
	{"an entry of the future before the finished tasks", verify.KindFinishedInvalid, func(t storetest.T, p *storetest.Patient) domain.TaskID {
		id := p.In(t, completed)
		gone := uuid.New()
		p.Do(t, "LPUSH", p.Key("finished"), string(gone[:])+storetest.I56(1<<54))
		return id
	}, completed},
	broken("errors that cannot be read", verify.KindErrorsCorrupt, in(failed), failed, run("HSET", "errors", it, strings.Repeat("\xff", 40))),
	broken("a unique key that its task does not hold", verify.KindUniqueLost, in(pending, storetest.Unique("k")), pending, run("HDEL", "unique", "k")),
	broken("a unique key that nobody remembers", verify.KindUniqueWrong, in(pending, storetest.Unique("k")), pending, run("HDEL", "unique_of", it)),
	broken("a unique key of a task that has none", verify.KindUniqueWrong, in(pending), pending, run("HSET", "unique_of", it, "k")),
	broken("a unique key of two tasks", verify.KindUniqueConflict, in(pending, storetest.Unique("k")), pending,
		run("HDEL", "unique", "k"), enqueue(storetest.Unique("k"))),
	broken("a unique key that a finished task holds", verify.KindUniqueStray, in(completed, storetest.Unique("k")), completed, run("HSET", "unique", "k", it)),
	broken("a unique key that a task holds after its claim", verify.KindUniqueStray, in(processing, storetest.Unique("k"), waiting), processing, run("HSET", "unique", "k", it)),
	broken("a unique key that a waiting task does not hold", verify.KindUniqueLost, in(pending, storetest.Unique("k"), waiting), pending, run("HDEL", "unique", "k")),
	broken("a unique key that nobody holds for a time", verify.KindUniqueStray, nobody, 0, run("ZADD", "unique_until", 1, "k")),
	broken("a unique key that a task holds that had it for a time", verify.KindUniqueStray, in(completed, storetest.Unique("k"), forTime), completed, run("ZREM", "unique_until", "k")),
	broken("a unique key that no task holds", verify.KindUniqueStray, nobody, 0, run("HSET", "unique", "k", "nobody")),
	broken("a unique key that another task should have", verify.KindUniqueStray, in(pending), pending, run("HSET", "unique", "k", it)),
	broken("a sequence number below those in use", verify.KindSequenceBehind, in(pending), pending, run("HSET", "meta", "seq", 7)),
	broken("a sequence number that is none", verify.KindSequenceBehind, in(pending), pending, run("HSET", "meta", "seq", "many")),
	broken("ready lists that are gone", verify.KindLanesDamaged, in(pending), pending, run("DEL", "lanes")),
	broken("a ready list that is gone", verify.KindLanesDamaged, in(pending), pending, enqueue(inQueue("other")), run("HDEL", "lanes", "default|work")),
	broken("two ready lists of one number", verify.KindLanesDamaged, in(pending), pending, enqueue(inQueue("aa")), run("HSET", "lanes", "aa|work", 0)),
	broken("a number of ready lists that is wrong", verify.KindLanesDamaged, in(pending), pending, run("HSET", "meta", "lanes", "x")),
	broken("a generation that is gone", verify.KindLanesDamaged, in(pending), pending, run("HDEL", "meta", "generation")),
	broken("a pause since no time", verify.KindLanesDamaged, in(pending), pending, run("HSET", "lanes", "!other", "long ago")),
	broken("a pause of no queue", verify.KindLanesDamaged, in(pending), pending, run("HSET", "lanes", "!a b", 1700000000000000)),
	broken("an index of no ready list", verify.KindKeyUnknown, nobody, 0, run("ZADD", "ready:many", 1, "x")),
}

func waiting(t *domain.Task) { t.UniqueWhile = domain.UniqueWhileWaiting }

func forTime(t *domain.Task) { t.UniqueFor = time.Hour }

func TestEachBrokenInvariantIsFoundAndMended(t *testing.T) {
	t.Parallel()
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			id := b.harm(t, p)
			for range 2 {
				found := p.Verify(t, false)
				require.Equal(t, []string{b.want}, storetest.Kinds(found), "%v", found)
				require.False(t, found[0].Repaired(), "nothing is changed unasked")
				require.NotEmpty(t, found[0].Detail)
				if id != uuid.Nil && found[0].ID != uuid.Nil {
					require.Equal(t, id, found[0].ID)
				}
			}
			mended := p.Mend(t)
			require.NotEmpty(t, mended)
			require.Empty(t, p.Verify(t, false))
			require.Empty(t, p.Verify(t, true))
			if id == uuid.Nil {
				return
			}
			require.Equal(t, b.becomes, p.Status(t, id))
			done := p.Drain(t)
			if b.becomes == 0 || b.becomes.Terminal() {
				require.NotContains(t, done, id)
			} else {
				require.Contains(t, done, id)
			}
			require.Empty(t, p.Verify(t, false))
			p.Advance(time.Hour)
			_, err := p.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: 1000})
			require.NoError(t, err)
			stats, err := p.Queue.GetQueueStats(t.Context())
			require.NoError(t, err)
			require.Zero(t, stats.Total(), "the retention finds everything in the end")
			require.Empty(t, p.Verify(t, false))
		})
	}
}
