package queuetest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"logsift"
	"logsift/application/queuetest"
	"logsift/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTasksRunWhenTheTestSays(t *testing.T) {
	t.Parallel()
	store := queuetest.New(t)
	q := logsift.New(store, logsift.Options{Workers: 1, Queues: []string{"mail"}})
	var sent []string
	mail := logsift.Handle(q, "mail", func(_ context.Context, to string) (any, error) {
		sent = append(sent, to)
		return nil, nil
	}, logsift.OnQueue("mail"))
	invite := logsift.Handle(q, "invite", func(ctx context.Context, n int) (any, error) {
		for range n {
			if _, err := mail.Enqueue(ctx, "guest"); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}, logsift.OnQueue("mail"), logsift.In(time.Hour))
	other := logsift.Declare[string, any](q, "other", logsift.OnQueue("mail"))
	for _, err := range []error{
		errOf(mail.Enqueue(t.Context(), "Ada")), errOf(invite.Enqueue(t.Context(), 500)), errOf(other.Enqueue(t.Context(), "")),
		errOf(mail.Enqueue(t.Context(), "Grace", logsift.OnQueue("elsewhere"))),
	} {
		require.NoError(t, err)
	}
	require.Equal(t, []string{"Ada", "Grace"}, queuetest.Payloads[string](store, "mail"))
	require.Empty(t, sent)

	store.Run(q)
	require.Equal(t, []string{"Ada"}, sent, "what is due later, of another queue or without a handler waits")
	store.Advance(time.Hour - time.Minute)
	store.Run(q)
	require.Len(t, sent, 1)
	store.Advance(time.Minute)
	store.Run(q)
	require.Len(t, sent, 501, "what a task enqueues runs, too")
	states := map[domain.TaskStatus]int{}
	for _, task := range append(store.Tasks("mail"), store.Tasks("other")...) {
		states[task.Status]++
	}
	require.Equal(t, map[domain.TaskStatus]int{domain.TaskStatusCompleted: 501, domain.TaskStatusPending: 2}, states)
}

func errOf[T any](_ T, err error) error { return err }
