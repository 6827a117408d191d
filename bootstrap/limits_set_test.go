package bootstrap

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
)

// setsOf notes which limits are set.
type setsOf struct {
	*memstore.TaskQueue

	names []string
}

func (s *setsOf) SetLimit(ctx context.Context, l domain.Limit) error {
	s.names = append(s.names, l.Name)
	return s.TaskQueue.SetLimit(ctx, l)
}

// A process that sets a limit of keys may die before the limit is kept to everywhere.
func TestAStartSetsLimitsThatChangedAndThoseOfKeys(t *testing.T) {
	t.Parallel()
	keeper := &setsOf{TaskQueue: memstore.NewTaskQueue(memstore.Config{})}
	config := DefaultConfig()
	begin := func() []string {
		keeper.names = nil
		require.NoError(t, setLimits(application.NewLimitService(keeper, nil), config)(t.Context()))
		return keeper.names
	}
	require.Empty(t, begin())
	config.Limits = map[string]json.RawMessage{
		"keys":  json.RawMessage(`{"scope":"key","queue":"default","concurrency":1}`),
		"queue": json.RawMessage(`{"scope":"queue","queue":"default","concurrency":3}`),
		"type":  json.RawMessage(`{"scope":"type","type":"note","concurrency":3}`),
	}
	require.Equal(t, []string{"keys", "queue", "type"}, begin())
	require.Equal(t, []string{"keys"}, begin())
	config.Limits["type"] = json.RawMessage(`{"scope":"type","type":"note","concurrency":4}`)
	require.Equal(t, []string{"keys", "type"}, begin())
	config.Addr, config.Workers = "", 0
	require.Empty(t, begin(), "this process does not stay")
}
