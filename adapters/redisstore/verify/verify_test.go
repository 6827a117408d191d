package verify_test

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

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

const (
	pending    = domain.TaskStatusPending
	processing = domain.TaskStatusProcessing
	completed  = domain.TaskStatusCompleted
	failed     = domain.TaskStatusFailed
	retrying   = domain.TaskStatusRetrying
	cancelled  = domain.TaskStatusCancelled
)

func TestAKeyOfAnotherTypeIsMadeAnew(t *testing.T) {
	t.Parallel()
	for _, part := range []string{
		"results", "errors", "active", "scheduled", "retrying", "due", "completed", "failed", "cancelled", "finished", "dead", "expiring", "kept",
		"unique", "unique_of", "unique_until", "meta", "lanes", "ready:0", "quarantine",
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			want := p.Fill(t)
			p.Do(t, "DEL", p.Key(part))
			p.Do(t, "SET", p.Key(part), "foreign")
			found := p.Verify(t, false)
			require.Equal(t, []string{verify.KindKeyType}, storetest.Kinds(found), "what cannot be known is not told: %v", found)
			require.Equal(t, p.Key(part), found[0].Place)
			mended := p.Mend(t)
			require.Contains(t, storetest.Kinds(mended), verify.KindKeyType)
			require.Equal(t, "foreign", p.Do(t, "GET", p.Key("aside:"+part)), "it is not thrown away")
			require.Empty(t, p.Verify(t, false))
			p.RequireStatuses(t, want)
			require.Len(t, p.Drain(t), 5)
		})
	}
	for _, part := range []string{"tasks", "state"} {
		t.Run(part+" are left for a person", func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			want := p.Fill(t)
			p.Do(t, "RENAME", p.Key(part), p.Key("renamed"))
			p.Do(t, "SET", p.Key(part), "foreign")
			found := p.Verify(t, true)
			require.Equal(t, []string{verify.KindKeyType}, storetest.Kinds(found))
			require.False(t, found[0].Repaired())
			p.Do(t, "RENAME", p.Key("renamed"), p.Key(part))
			require.Empty(t, p.Verify(t, false))
			p.RequireStatuses(t, want)
		})
	}
}

func TestTheQuarantineKeepsTheBytesOfARecord(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	id := p.Enqueue(t, storetest.Unique("k"))
	garbage := "\x21" + strings.Repeat("garbage", 20_000)
	p.SetRecord(t, id, func(string) string { return garbage })
	require.Len(t, p.Verify(t, true), 1)
	kept, err := p.Redis.HGet(t.Context(), p.Key("quarantine"), string(id[:])).Result()
	require.NoError(t, err)
	require.Equal(t, uint32(len(garbage)), binary.BigEndian.Uint32([]byte(kept[9:])))
	reason := int(binary.BigEndian.Uint16([]byte(kept[13:])))
	require.Equal(t, "its record has version 33; this program reads up to version 32", kept[15:15+reason])
	require.Equal(t, garbage[:64<<10], kept[15+reason:], "but not more than 64 KiB")

	page, err := p.Queue.ListTasks(t.Context(), domain.TaskFilter{Status: failed})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 1)
	require.Equal(t, domain.ReasonCorruptRecord, page.Tasks[0].Errors[0].Reason)
	other := p.Enqueue(t, storetest.Unique("k")) // its unique key is free
	require.NoError(t, p.Queue.CancelTask(t.Context(), other))

	// A person may run it again; the claim sets it aside, and the check once more.
	require.NoError(t, p.Queue.RetryTask(t.Context(), id))
	require.Equal(t, []string{verify.KindRecordCorrupt}, storetest.Kinds(p.Verify(t, true)))
	require.Equal(t, failed, p.Status(t, id))
	require.NoError(t, p.Queue.DeleteTask(t.Context(), id))
	require.Empty(t, p.Verify(t, false))
}

func TestWhatAClaimHasSetAsideIsKeptToo(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	id := p.Enqueue(t)
	p.SetRecord(t, id, func(string) string { return "garbage" })
	got, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Empty(t, got)
	found := p.Verify(t, true)
	require.Len(t, found, 1)
	require.Equal(t, verify.KindRecordCorrupt, found[0].Kind)
	require.Contains(t, found[0].Action, "quarantine")
	require.Empty(t, p.Verify(t, true))
	require.Equal(t, failed, p.Status(t, id))
}

// TestEveryPartitionIsVerified breaks a queue of three partitions in all of them.
func TestEveryPartitionIsVerified(t *testing.T) {
	t.Parallel()
	w := storetest.NewWorld(t)
	w.Partitions = 3
	p := storetest.NewPatientIn(t, w, storetest.Raw(t, w.Server))
	tasks := map[int][]domain.TaskID{}
	for range 30 {
		id := p.Enqueue(t)
		part := layout.PartitionOf(id[:], w.Partitions)
		tasks[part] = append(tasks[part], id)
	}
	require.Empty(t, p.Verify(t, false))
	for i := range w.Partitions {
		prefix := fmt.Sprintf("{%s:%d}:", w.Namespace, i)
		require.NotEmpty(t, tasks[i])
		p.Do(t, "ZREM", prefix+"ready:0", tasks[i][0])
		p.Do(t, "HSET", prefix+"meta", "generation", "damaged")
	}
	_, err := p.Queue.GetQueueStats(t.Context())
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.ErrorContains(t, err, "verify --repair")
	again := storetest.NewPatientIn(t, w, p.Redis)
	findings := again.Mend(t)
	require.Len(t, findings, 6)
	require.Empty(t, again.Verify(t, false))
	require.Len(t, p.Drain(t), 30, "no task is lost, and a process that runs goes on")
}

// A process that begins after the loss says so too, rather than that there are none.
func TestTasksWhoseEpochIsLostAreNotTakenForNone(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	p.Enqueue(t)
	p.Do(t, "DEL", p.Key("meta"))
	queue := p.Open(t).TaskQueue
	_, err := queue.GetQueueStats(t.Context())
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	p.Verify(t, true)
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Pending)
}

// afterTable is a hook that does something once, after the first look at a table of
// ready lists.
type afterTable struct {
	key  string
	once sync.Once
	then func()
}

func (h *afterTable) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *afterTable) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *afterTable) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
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
	p := storetest.NewPatient(t)
	client, err := server.Open(t.Context(), server.Config{URL: p.URL, Namespace: p.Namespace})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	enqueued := false
	client.Redis.AddHook(&afterTable{key: p.Key("lanes"), then: func() {
		p.Enqueue(t)
		enqueued = true
	}})
	_, err = verify.New(client).Verify(t.Context(), ports.VerifyRequest{Report: func(f domain.Finding) {
		t.Errorf("false alarm: %+v", f)
	}})
	require.NoError(t, err)
	require.True(t, enqueued, "between the look at the ready lists and that at the tasks")
}
