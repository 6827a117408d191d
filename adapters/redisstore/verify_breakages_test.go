package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

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
		p.do(t, "HSET", p.key("meta"), "lanes", "x")
		return id
	}, pending},
	{"a generation that is gone", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HDEL", p.key("meta"), "generation")
		return id
	}, pending},
	{"a pause since no time", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("lanes"), "!other", "long ago")
		return id
	}, pending},
	{"a pause of no queue", domain.FindingLanesDamaged, func(t tester, p *patient) domain.TaskID {
		id := p.enqueue(t)
		p.do(t, "HSET", p.key("lanes"), "!a b", 1700000000000000)
		return id
	}, pending},
	{"an index of no lane", domain.FindingKeyUnknown, func(t tester, p *patient) domain.TaskID {
		p.do(t, "ZADD", p.key("ready:many"), 1, "x")
		return uuid.Nil
	}, 0},
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
