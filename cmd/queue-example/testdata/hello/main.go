// Command hello enqueues a task, runs it, and prints its result.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"logsift"
	"logsift/adapters/redisstore"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	store, err := redisstore.Open(ctx, redisstore.Config{URL: "redis://127.0.0.1:6379/0"})
	if err != nil {
		return err
	}
	defer store.Close()
	q := logsift.New(store, logsift.Options{Workers: 10})
	greet := logsift.Handle(q, "greet", func(ctx context.Context, who string) (string, error) {
		return "hello " + who, nil
	}, logsift.MaxRetries(5), logsift.Timeout(time.Minute))
	if err := q.Start(ctx); err != nil {
		return err
	}
	task, err := greet.Enqueue(ctx, "world", logsift.In(time.Second), logsift.Unique("greet:world"))
	if err != nil {
		return err
	}
	text, err := task.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Println(text)
	return q.Stop(ctx)
}
