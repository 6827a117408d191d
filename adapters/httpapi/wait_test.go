package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// waiterFunc waits for tasks.
type waiterFunc func(ctx context.Context, id domain.TaskID) (*domain.Task, error)

func (f waiterFunc) WaitTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	return f(ctx, id)
}

func TestARequestWaitsForItsTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *apitest.World
		finishes := map[domain.TaskID]bool{}
		w = apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
			deps.Waiter = waiterFunc(func(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
				if finishes[id] {
					<-time.After(20 * time.Second)
					done := domain.NewTask(id, "echo", nil)
					done.Status = domain.TaskStatusCompleted
					done.CreatedAt, done.StartedAt, done.CompletedAt = apitest.Now, apitest.Now, apitest.Now
					return done, nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		one, other := w.Add(nil), w.Add(nil)
		finishes[one.ID] = true
		begun := time.Now()
		get := func(task *domain.Task, wait string) wire.Task {
			return apitest.Answer[wire.Task](t, w.Do("GET", tasksPath+"/"+task.ID.String()+"?wait="+wait, ""), http.StatusOK)
		}
		require.Equal(t, "COMPLETED", get(one, "1m").Status)
		require.Equal(t, 20*time.Second, time.Since(begun))
		require.Equal(t, "PENDING", get(other, "30s").Status, "as it is after the wait")
		require.Equal(t, 50*time.Second, time.Since(begun))
		get(other, "0s")
		require.Equal(t, 50*time.Second, time.Since(begun))
		for _, wait := range []string{"61s", "-1s", "30", "soon"} {
			apitest.FieldProblem(t, w.Do("GET", tasksPath+"/"+one.ID.String()+"?wait="+wait, ""), "wait")
		}
		time.AfterFunc(5*time.Second, w.API.Close)
		require.Equal(t, "PENDING", get(other, "30s").Status, "a server that stops waits no longer")
		require.Equal(t, 55*time.Second, time.Since(begun))
	})
}
