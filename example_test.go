package logsift_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift"
	"logsift/adapters/memstore"
	"logsift/domain"
)

// What a program needs to run tasks of its own.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	store := memstore.New(memstore.Config{})
	q := logsift.New(store, logsift.Options{Workers: 10})
	greet := logsift.Handle(q, "greet", func(ctx context.Context, who string) (string, error) {
		return "hello " + who, nil
	}, logsift.MaxRetries(5), logsift.Timeout(time.Minute))
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	task, err := greet.Enqueue(ctx, "world", logsift.In(10*time.Millisecond), logsift.Unique("greet:world"))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := task.Wait(ctx)
	fmt.Println(text, err)
	fmt.Println(q.Stop(ctx))
	// Output:
	// hello world <nil>
	// <nil>
}

// Middleware is round each run: here one that tells what it took, and one that turns
// an error into a permanent one.
func ExampleQueue_Use() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q := logsift.New(memstore.New(memstore.Config{}), logsift.Options{})

	q.Use(func(next logsift.Handler) logsift.Handler {
		return logsift.HandlerFunc(func(ctx context.Context, task *logsift.StoredTask) ([]byte, error) {
			begin := time.Now()
			result, err := next.Process(ctx, task)
			fmt.Println(task.Type, logsift.Task(ctx).Attempt, time.Since(begin) < time.Minute, err)
			return result, err
		})
	})
	q.Use(func(next logsift.Handler) logsift.Handler {
		return logsift.HandlerFunc(func(ctx context.Context, task *logsift.StoredTask) ([]byte, error) {
			result, err := next.Process(ctx, task)
			if errors.Is(err, errNoSuchPerson) {
				err = logsift.Permanent(err)
			}
			return result, err
		})
	})
	greet := logsift.Handle(q, "greet", func(context.Context, string) (string, error) { return "", errNoSuchPerson })
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	task, err := greet.Enqueue(ctx, "nobody")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = task.Wait(ctx)
	var ended *logsift.NoResultError
	fmt.Println(errors.As(err, &ended) && ended.Task.Status == logsift.StatusFailed)
	fmt.Println(q.Stop(ctx))
	// Output:
	// greet 1 true there is no such person
	// true
	// <nil>
}

var errNoSuchPerson = errors.New("there is no such person")

// A payload has changed: tasks of both versions run, each by its own handler. Programs
// that know only the first leave the tasks of the second.
func ExampleVersion() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q := logsift.New(memstore.New(memstore.Config{}), logsift.Options{})

	type person struct{ First, Last string }
	greet := func(_ context.Context, p person) (string, error) { return "hello " + p.First + " " + p.Last, nil }
	first := logsift.Handle(q, "greet", func(ctx context.Context, who string) (string, error) {
		return greet(ctx, person{First: who, Last: "(of version 1)"})
	})
	second := logsift.Handle(q, "greet", greet, logsift.Version(2))
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	before, err := first.Enqueue(ctx, "Ada")
	if err != nil {
		fmt.Println(err)
		return
	}
	now, err := second.Enqueue(ctx, person{"Ada", "Lovelace"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(before.Wait(ctx))
	fmt.Println(now.Wait(ctx))
	fmt.Println(q.Stop(ctx))
	// Output:
	// hello Ada (of version 1) <nil>
	// hello Ada Lovelace <nil>
	// <nil>
}

// Programs on one store have a task enqueued each night, once over all of them.
func ExampleType_Schedule() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q := logsift.New(memstore.New(memstore.Config{}), logsift.Options{})
	report := logsift.Handle(q, "report", func(_ context.Context, month string) (string, error) { return "report of " + month, nil })
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	nightly := logsift.Cron("0 3 * * *")
	nightly.Timezone, nightly.Overlap = "Europe/Berlin", logsift.OverlapSkip
	if err := report.Schedule(ctx, "nightly", nightly, "May"); err != nil {
		fmt.Println(err)
		return
	}
	ran, err := q.Schedules().RunSchedule(ctx, "nightly", uuid.New()) // also at once
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Task(ran.Firings[0].TaskID).Wait(ctx))
	fmt.Println(q.Schedules().DeleteSchedule(ctx, "nightly"))
	_, err = q.Schedules().PauseSchedule(ctx, "nightly")
	fmt.Println(errors.Is(err, logsift.ErrScheduleNotFound), q.Stop(ctx))
	// Output:
	// report of May <nil>
	// <nil>
	// true <nil>
}

// Two tasks run as they may, and a third one adds their results once both are done.
func ExampleQueue_Submit() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q := logsift.New(memstore.New(memstore.Config{}), logsift.Options{})
	count := logsift.Handle(q, "count", func(_ context.Context, text string) (int, error) { return len(text), nil })
	add := logsift.Handle(q, "add", func(ctx context.Context, refs []string) (sum int, err error) {
		for _, ref := range refs {
			n, err := logsift.ResultOf[int](ctx, ref)
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	})
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	id, err := q.Submit(ctx, "lengths",
		count.Node("a", "Ada"), count.Node("b", "Grace"),
		add.Node("sum", []string{"a", "b"}).After("a", "b"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(add.Task(domain.TaskIDOf(id, "sum")).Wait(ctx))
	fmt.Println(q.Stop(ctx))
	// Output:
	// 8 <nil>
	// <nil>
}

// A program that makes tasks and waits for them runs none: other programs on the same
// store do.
func ExampleDeclare() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	store := memstore.New(memstore.Config{}) // one that programs can share is redisstore's

	client := logsift.New(store, logsift.Options{})
	greet := logsift.Declare[string, string](client, "greet", logsift.OnQueue("mail"))
	tasks, err := greet.EnqueueMany(ctx, []string{"Ada", "Grace"})
	if err != nil {
		fmt.Println(err)
		return
	}

	worker := logsift.New(store, logsift.Options{Queues: []string{"mail"}})
	logsift.Handle(worker, "greet", func(_ context.Context, who string) (string, error) { return "hello " + who, nil })
	if err := worker.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for _, task := range tasks {
		fmt.Println(task.Wait(ctx))
	}
	fmt.Println(worker.Stop(ctx))
	// Output:
	// hello Ada <nil>
	// hello Grace <nil>
	// <nil>
}

// Tasks of a group run together: here three whose rows are stored by one call.
func ExampleHandleGroup() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q := logsift.New(memstore.New(memstore.Config{}), logsift.Options{})
	save := logsift.HandleGroup(q, "save", func(_ context.Context, rows []string) ([]logsift.Result[int], error) {
		fmt.Println("store", rows)
		results := make([]logsift.Result[int], len(rows))
		for i, row := range rows {
			if row == "" {
				results[i].Err = logsift.Permanent(errors.New("an empty row"))
				continue
			}
			results[i].Value = i + 1
		}
		return results, nil
	}, logsift.GroupSize(3), logsift.GroupAge(time.Minute))
	if err := q.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	tasks, err := save.EnqueueMany(ctx, []string{"a", "", "c"}, logsift.Group("table-7"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, task := range tasks {
		number, err := task.Wait(ctx)
		fmt.Println(number, err != nil)
	}
	fmt.Println(q.Stop(ctx))
	// Output:
	// store [a  c]
	// 1 false
	// 0 true
	// 3 false
	// <nil>
}
