package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"logsift"
	"logsift/adapters/sqlitestore"
)

// The store of programs on one machine: a file, which several processes may open.
// Whoever opens it closes it, after all that uses it has stopped.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "tasks")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { fmt.Println(os.RemoveAll(dir)) }()
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "tasks.db"), sqlitestore.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { fmt.Println(store.Close()) }()

	q := logsift.New(store, logsift.Options{Workers: 2})
	double := logsift.Handle(q, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	task, err := double.Enqueue(ctx, 21)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Wait(ctx))
	fmt.Println(q.Stop(ctx))
	// Output:
	// 42 <nil>
	// <nil>
	// <nil>
	// <nil>
}
