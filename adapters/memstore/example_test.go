package memstore_test

import (
	"context"
	"fmt"

	"logsift"
	"logsift/adapters/memstore"
)

// The store of one program whose tasks end with it.
func ExampleNew() {
	ctx := context.Background()
	q := logsift.New(memstore.New(memstore.Config{}), logsift.Options{})
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
}
