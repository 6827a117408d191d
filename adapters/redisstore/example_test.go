package redisstore_test

import (
	"context"
	"fmt"

	"logsift"
	"logsift/adapters/redisstore"
)

// The store of programs on several machines. Whoever opens it closes it, after all that
// uses it has stopped.
func ExampleOpen() {
	ctx := context.Background()
	store, err := redisstore.Open(ctx, redisstore.Config{URL: "redis://127.0.0.1:6379/0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { fmt.Println(store.Close()) }()
	for _, warning := range store.Warnings() {
		fmt.Println(warning)
	}

	q := logsift.New(store, logsift.Options{})
	greet := logsift.Declare[string, string](q, "greet")
	task, err := greet.Enqueue(ctx, "world")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Wait(ctx))
}
