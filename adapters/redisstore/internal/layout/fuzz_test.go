package layout

import (
	"strings"
	"testing"

	"logsift/domain"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// FuzzDecodeState checks that a state that is read is one that can be written.
func FuzzDecodeState(f *testing.F) {
	f.Add("")
	f.Add(string(make([]byte, stateSize)))
	f.Add(strings.Repeat("\xff", stateSize+7))
	f.Fuzz(func(t *testing.T, text string) {
		st, ok := decodeState(text)
		if !ok {
			require.Zero(t, st)
			return
		}
		require.GreaterOrEqual(t, min(st.seq, st.started, st.finished, st.scheduled), int64(0))
	})
}

// FuzzDecodeErrors checks that what is read of damaged failures has their bytes,
// and no others.
func FuzzDecodeErrors(f *testing.F) {
	f.Add("")
	f.Add(string(packErrors(domain.TaskError{Attempt: 1, Message: "m", Stack: "s"}, domain.TaskError{})))
	f.Add(strings.Repeat("\xff", 30))
	f.Fuzz(func(t *testing.T, text string) {
		size := 0
		for _, e := range decodeErrors(text) {
			size += 22 + len(e.Reason) + len(e.Message) + len(e.Stack)
		}
		require.LessOrEqual(t, size, len(text))
	})
}

// FuzzDecodeLog checks that a record that is taken can be written again.
func FuzzDecodeLog(f *testing.F) {
	entry := &domain.LogEntry{Source: "s", Message: "m", Level: domain.LogLevelError, Attributes: map[string]string{"a": "b", "": ""}}
	f.Add("")
	f.Add(logRecord(entry))
	f.Add(logRecord(&domain.LogEntry{}))
	f.Add(logRecord(entry)[:LogHead+3])
	f.Fuzz(func(t *testing.T, record string) {
		got, err := DecodeLog(uuid.Max, record)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrCorruptRecord)
			return
		}
		again, err := DecodeLog(uuid.Max, record[:LogHead]+string(EncodeLog(&got)))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

// logRecord is a record as the script makes it of what EncodeLog makes.
func logRecord(e *domain.LogEntry) string {
	return string([]byte{logVersion}) + string(make([]byte, LogHead-1)) + string(EncodeLog(e))
}

// FuzzDecodeAnalysis checks that a record that is taken can be written again.
func FuzzDecodeAnalysis(f *testing.F) {
	head := string(append([]byte{logVersion}, make([]byte, analysisHead-1)...))
	for _, result := range []domain.AnalysisResult{
		{}, {Anomalies: []domain.Anomaly{}}, {Summary: "s", Anomalies: []domain.Anomaly{{ID: "a"}, {Template: "b"}}},
	} {
		encoded, err := EncodeAnalysis(result)
		require.NoError(f, err)
		f.Add(head + string(encoded))
	}
	f.Add(head + strings.Repeat("\xff", 8))
	f.Fuzz(func(t *testing.T, record string) {
		got, err := DecodeAnalysis(uuid.Max, record)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrCorruptRecord)
			return
		}
		encoded, err := EncodeAnalysis(got.Result)
		require.NoError(t, err)
		_, err = DecodeAnalysis(uuid.Max, record[:analysisHead]+string(encoded))
		require.NoError(t, err)
	})
}
