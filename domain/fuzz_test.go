package domain_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzParseLogAnalysisPayload checks that a payload that is taken says which
// entries, and that another that is made of it says the same.
func FuzzParseLogAnalysisPayload(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"log_ids":[null]}`))
	f.Add([]byte(`{"batch_id":"x"}`))
	f.Add(domain.NewLogBatchTask(uuid.Max).Payload)
	f.Add(domain.NewLogAnalysisTask(uuid.Max, uuid.Max, uuid.Nil).Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := domain.ParseLogAnalysisPayload(payload)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrInvalid)
			return
		}
		require.True(t, len(p.LogIDs) > 0 || p.BatchID != nil)
		if p.BatchID == nil {
			again, err := domain.ParseLogAnalysisPayload(domain.NewLogAnalysisTask(uuid.Max, p.LogIDs...).Payload)
			require.NoError(t, err)
			require.Equal(t, p, again)
		}
	})
}

// FuzzParseNames checks that a name that is known reads back as it is shown.
func FuzzParseNames(f *testing.F) {
	for _, seed := range []string{"", "critical", "PENDING", "error", "info ", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if v, err := domain.ParseSeverity(name); err == nil {
			again, err := domain.ParseSeverity(v.String())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
		if v, err := domain.ParseTaskStatus(name); err == nil {
			again, err := domain.ParseTaskStatus(v.String())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
		if v, err := domain.ParseLogLevel(name); err == nil {
			again, err := domain.ParseLogLevel(v.String())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
	})
}
