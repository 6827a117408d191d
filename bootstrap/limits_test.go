package bootstrap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

// queueOrder is a processor that notes how many run at once, and in which order those of
// each key begin.
type queueOrder struct {
	mu            sync.Mutex // guards the fields below
	running, most int
	begun         map[string][]int
}

func (o *queueOrder) Process(_ context.Context, task *domain.Task) ([]byte, error) {
	var n int
	if err := json.Unmarshal(task.Payload, &n); err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.running++
	o.most = max(o.most, o.running)
	o.begun[task.Key] = append(o.begun[task.Key], n)
	o.mu.Unlock()
	<-time.After(time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running--
	if n == 3 && task.Attempt == 0 {
		return nil, logsift.RetryAfter(time.Millisecond, fmt.Errorf("once more"))
	}
	return nil, nil
}

func TestLimitsHoldOverAllProcesses(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		order := &queueOrder{begun: map[string][]int{}}
		c := config(store)
		c.Workers = 10
		c.Processors = map[domain.TaskType]ports.TaskProcessor{"note": order}
		c.Limits = map[string]json.RawMessage{
			"notes":   json.RawMessage(`{"scope":"type","type":"note","concurrency":3}`),
			"ordered": json.RawMessage(`{"scope":"key","queue":"default","concurrency":1}`),
		}
		one, two := start(t, c), start(t, c)
		const keys, each = 5, 10
		var batch []wire.CreateTask
		for i := range keys * each {
			batch = append(batch, wire.CreateTask{Type: "note", Key: fmt.Sprint("k", i%keys), Payload: json.RawMessage(strconv.Itoa(i / keys))})
		}
		body, err := json.Marshal(batch)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, call(t, one, http.MethodPost, "/api/v1/queue/tasks:batch", wire.MediaJSON, string(body), nil))
		require.Eventually(t, func() bool {
			var list wire.TaskList
			call(t, two, http.MethodGet, "/api/v1/queue/tasks?status=COMPLETED&limit=100", "", "", &list)
			return len(list.Tasks) == keys*each
		}, 30*time.Second, 20*time.Millisecond)
		order.mu.Lock()
		require.LessOrEqual(t, order.most, 3)
		for key, begun := range order.begun {
			require.Len(t, begun, each+1, key)
			require.True(t, slices.IsSorted(begun), "%s ran in the order %v", key, begun)
		}
		order.mu.Unlock()
		var limits wire.LimitList
		require.Equal(t, http.StatusOK, call(t, two, http.MethodGet, "/api/v1/queue/limits", "", "", &limits))
		require.Equal(t, []string{"notes", "ordered"}, []string{limits.Limits[0].Name, limits.Limits[1].Name})
		require.Zero(t, limits.Limits[0].Running)
		require.Zero(t, *limits.Limits[1].Waiting)
		require.Equal(t, http.StatusConflict, call(t, one, http.MethodPut, "/api/v1/queue/limits/other", wire.MediaJSON, `{"scope":"type","type":"note","concurrency":3}`, nil))
	})
}
