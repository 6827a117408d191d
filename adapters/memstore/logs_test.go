package memstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/domain"
)

func TestLogRepositoryFollowsVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs := memstore.NewLogRepository(memstore.Config{})
		batch, began := uuid.New(), time.Now()
		for range 3 {
			_, err := logs.SaveLogs(t.Context(), batch, domain.LogEntry{ID: uuid.New(), Message: "line"})
			require.NoError(t, err)
			<-time.After(time.Hour)
		}
		page, err := logs.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Len(t, page.Logs, 3)
		for i, e := range page.Logs {
			require.Equal(t, began.Add(time.Duration(2-i)*time.Hour).UTC(), e.ReceivedAt)
			require.Equal(t, e.ReceivedAt, e.Timestamp)
		}
		n, err := logs.PurgeLogs(t.Context(), 2*time.Hour, 10)
		require.NoError(t, err)
		require.Equal(t, 2, n, "an entry of exactly that age goes")
	})
}
