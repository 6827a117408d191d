package redisstore_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/domain"
)

// cutShort has each pipeline end after two commands.
type cutShort struct{ redis.Hook }

func (cutShort) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (cutShort) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (cutShort) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return errors.Join(next(ctx, cmds[:2]), errors.New("the program has ended"))
	}
}

func TestWhatIsLeftOfAWorkflowThatWasNotCreatedGoesAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.Open(t)
	flow := &domain.Workflow{ID: uuid.New()}
	for i := range 2000 {
		flow.Nodes = append(flow.Nodes, domain.WorkflowNode{Ref: strconv.Itoa(i), Task: storetest.NewTask(`{}`)})
	}
	redisstore.Hook(client, cutShort{})
	_, err := client.CreateWorkflow(t.Context(), flow)
	require.ErrorContains(t, err, "the program has ended")
	rdb := storetest.Raw(t, w.Server)
	staged, err := rdb.Keys(t.Context(), "{"+w.Namespace+":0}:staged:*").Result()
	require.NoError(t, err)
	require.Len(t, staged, 1)
	ttl, err := rdb.PTTL(t.Context(), staged[0]).Result()
	require.NoError(t, err)
	require.Positive(t, ttl)
	require.LessOrEqual(t, ttl, time.Hour)
}
