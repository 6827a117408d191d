// Command queue-example embeds the queue in a program: it schedules tasks on a store in
// memory, among them one that waits, one that fails and is retried, and one that may be
// there only once, and prints what became of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"logsift"
	"logsift/adapters/memstore"
	"logsift/domain"
)

func main() {
	if err := run(context.Background()); err != nil { //nolint:forbidigo // It is main.
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	store := memstore.New(memstore.Config{})
	q := logsift.New(store, logsift.Options{Workers: 4})
	greet := logsift.Handle(q, "greet", func(_ context.Context, who string) (string, error) {
		return "hello " + who, nil
	})
	flaky := logsift.Handle(q, "flaky", func(ctx context.Context, failures int) (string, error) {
		attempt := logsift.Task(ctx).Attempt
		if attempt <= failures {
			return "", logsift.RetryAfter(100*time.Millisecond, fmt.Errorf("run %d has no luck", attempt))
		}
		return fmt.Sprintf("done at run %d", attempt), nil
	}, logsift.MaxRetries(2))
	if err := q.Start(ctx); err != nil {
		return err
	}

	now, err1 := greet.Enqueue(ctx, "world", logsift.Priority(10))
	later, err2 := greet.Enqueue(ctx, "future", logsift.In(300*time.Millisecond), logsift.Unique("greet:future"))
	retried, err3 := flaky.Enqueue(ctx, 2)
	lost, err4 := flaky.Enqueue(ctx, 3)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	if _, err := greet.Enqueue(ctx, "future", logsift.Unique("greet:future")); !errors.Is(err, domain.ErrDuplicateTask) {
		return fmt.Errorf("a second task with the key: %w", err)
	}
	fmt.Println("a second task with the key greet:future is refused")

	for _, task := range []struct {
		name string
		wait func(context.Context) (string, error)
	}{{"greet world", now.Wait}, {"greet future, 0.3 s later", later.Wait}, {"flaky, fails twice", retried.Wait}, {"flaky, fails too often", lost.Wait}} {
		result, err := task.wait(ctx)
		var ended *logsift.NoResultError
		if errors.As(err, &ended) {
			result = fmt.Sprintf("%s: %s", ended.Task.Status, ended.Task.LastError())
		}
		fmt.Printf("%-26s %s\n", task.name, result)
	}

	stats, err := store.GetQueueStats(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d tasks: %d completed, %d failed\n", stats.Total(), stats.Completed, stats.Failed)
	return q.Stop(ctx)
}
