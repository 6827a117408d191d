package layout

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"logsift/domain"
)

func TestRecordsReadBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := &domain.Task{
			ID:         uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "id")),
			Type:       domain.TaskType(rapid.StringMatching(`[a-z][a-z._-]{0,63}`).Draw(rt, "type")),
			Queue:      rapid.StringMatching(`[a-z][a-z._-]{0,63}`).Draw(rt, "queue"),
			Payload:    rapid.SliceOf(rapid.Byte()).Draw(rt, "payload"),
			Priority:   domain.Priority(rapid.IntRange(0, 10).Draw(rt, "priority")),
			MaxRetries: rapid.IntRange(0, domain.MaxMaxRetries).Draw(rt, "max_retries"),
			Timeout:    time.Duration(rapid.Int64Range(1, int64(domain.MaxTimeout)).Draw(rt, "timeout")),
			UniqueKey:  rapid.StringN(0, -1, domain.MaxUniqueKey).Draw(rt, "unique_key"),
			Delay:      time.Duration(rapid.Int64Range(0, 1e9).Draw(rt, "delay")) * time.Microsecond,
			Status:     domain.TaskStatusPending,
			TraceParent: rapid.SampledFrom([]string{
				"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
			}).Draw(rt, "trace_parent"),
			TaskOptions: domain.TaskOptions{
				Key:       rapid.SampledFrom([]string{"", "key"}).Draw(rt, "key"),
				ExpiresIn: time.Duration(rapid.IntRange(0, 2).Draw(rt, "expires_in")) * time.Hour,
				Retention: time.Duration(rapid.IntRange(0, 2).Draw(rt, "retention")) * time.Hour,
			},
		}
		record := EncodeRecord(want, rapid.IntRange(0, MaxReadyLists).Draw(rt, "lane"))
		got := &domain.Task{ID: want.ID}
		require.NoError(rt, DecodeRecord(got, string(record)))
		require.Equal(rt, len(want.Payload), len(got.Payload))
		require.True(rt, want.SameContents(got))
		require.Equal(rt, want.TraceParent, got.TraceParent)
	})
}

// TestRecordsFromBeforeTracesAreRead has the bytes of a record that was written
// before records could have a trace: they are those of tasks without one.
func TestRecordsFromBeforeTracesAreRead(t *testing.T) {
	t.Parallel()
	old := "\x01\x00\x03\x05" + strings.Repeat("\x00", 8) + "\x03" + "\x80\xe0\xa5\x96\xbb\x11" + "\x01q" + "\x01t" + "\x00" + "{}"
	task := domain.NewTask(uuid.New(), "t", []byte(`{}`))
	task.Queue = "q"
	require.Equal(t, old, string(EncodeRecord(task, 3)), "a task without a trace costs nothing more")
	got := &domain.Task{ID: task.ID}
	require.NoError(t, DecodeRecord(got, old))
	require.True(t, task.SameContents(got))
	require.ErrorContains(t, DecodeRecord(got, "\x21"+old[1:]), "version 33")
	require.ErrorIs(t, DecodeRecord(got, "\x02"+old[1:]), domain.ErrCorruptRecord)
}

func TestADelayIsNeverRoundedToNothing(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(1), DelayMicro(time.Nanosecond))
	require.Equal(t, int64(1), DelayMicro(time.Microsecond))
	require.Equal(t, int64(2), DelayMicro(time.Microsecond+1))
}

func TestSequenceNumbersStayExactUntil2050(t *testing.T) {
	t.Parallel()
	const width = 800000000000000 // WIDTH in common.lua
	last := time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - SequenceStart
	require.Less(t, last, int64(width), "a sequence number must fit its band")
	require.Less(t, float64(domain.PriorityCritical)*width+width, math.Pow(2, 53), "a ready score must be exact as a double")
}

func FuzzDecodeTask(f *testing.F) {
	task := domain.NewTask(uuid.New(), "type", []byte(`{}`))
	f.Add(string(EncodeRecord(task, 3)), string(make([]byte, stateSize)), string(EncodeFailure(domain.TaskError{Message: "m"})))
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, record, state, errs string) {
		got, err := DecodeTask(StoredTask{Record: record, State: state, Errors: errs})
		require.NotNil(t, got)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrCorruptRecord)
		}
	})
}
