package layout

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// benchTask is about what an analysis task with twenty log ids is.
func benchTask() *domain.Task {
	ids := make([]domain.LogID, 20)
	for i := range ids {
		ids[i] = uuid.New()
	}
	return domain.NewLogAnalysisTask(uuid.New(), ids...)
}

// packErrors makes what append_error of common.lua makes.
func packErrors(failures ...domain.TaskError) []byte {
	var b []byte
	for _, e := range failures {
		failure := EncodeFailure(e)
		b = binary.BigEndian.AppendUint16(b, uint16(e.Attempt))
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(float64(TimeMicro(e.StartedAt))))
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(float64(TimeMicro(e.At))))
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(failure))), failure...)
	}
	return b
}

func BenchmarkCodec(b *testing.B) {
	task := benchTask()
	record := EncodeRecord(task, 3)
	packed := make([]byte, stateSize)
	packed[0] = CodeOf[domain.TaskStatusProcessing]
	failure := domain.TaskError{Attempt: 1, Reason: domain.ReasonError, Message: "dial tcp 10.0.0.1:443: connection refused", StartedAt: time.Unix(1, 0), At: time.Unix(2, 0)}
	failures := packErrors(failure, failure, failure)
	entry := domain.LogEntry{ID: uuid.New(), Timestamp: time.Unix(1, 0), Source: "api", Level: domain.LogLevelError, Message: "connection refused", Attributes: map[string]string{"host": "a", "port": "443"}}

	b.Run("encode record", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			EncodeRecord(task, 3)
		}
	})
	b.Run("decode record", func(b *testing.B) {
		b.ReportAllocs()
		text := string(record)
		var got domain.Task
		for b.Loop() {
			require.NoError(b, DecodeRecord(&got, text))
		}
	})
	b.Run("decode state", func(b *testing.B) {
		b.ReportAllocs()
		text := string(packed)
		for b.Loop() {
			_, ok := decodeState(text)
			require.True(b, ok)
		}
	})
	b.Run("encode failure", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			EncodeFailure(failure)
		}
	})
	b.Run("decode errors", func(b *testing.B) {
		b.ReportAllocs()
		text := string(failures)
		for b.Loop() {
			require.Len(b, decodeErrors(text), 3)
		}
	})
	b.Run("decode task", func(b *testing.B) {
		b.ReportAllocs()
		s := StoredTask{ID: task.ID, Record: string(record), State: string(packed), Errors: string(failures), LeaseEnds: 1}
		for b.Loop() {
			_, err := DecodeTask(s)
			require.NoError(b, err)
		}
	})
	b.Run("decode log", func(b *testing.B) {
		b.ReportAllocs()
		text := logRecord(&entry)
		for b.Loop() {
			_, err := DecodeLog(entry.ID, text)
			require.NoError(b, err)
		}
	})
	b.Run("encode log", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			EncodeLog(&entry)
		}
	})
}
