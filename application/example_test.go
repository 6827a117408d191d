package application_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// Shouter is a processor: it returns its payload in capitals.
type Shouter struct{}

// Process does the work of one attempt.
func (Shouter) Process(_ context.Context, task *domain.Task) ([]byte, error) {
	if len(task.Payload) == 0 {
		// Nothing that a retry could mend.
		return nil, domain.Permanent(fmt.Errorf("nothing to shout"))
	}
	return []byte(strings.ToUpper(string(task.Payload))), nil
}

// fixedAnalyzer finds the same in all logs.
type fixedAnalyzer struct{}

func (fixedAnalyzer) Analyze(_ context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	return domain.AnalysisResult{Analyzer: "fixed", AnalysedCount: len(req.Logs), Summary: "all quiet"}, nil
}

// finished waits until the task has ended.
func finished(ctx context.Context, queue ports.TaskReader, id domain.TaskID) (*domain.Task, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		task, err := queue.GetTask(ctx, id)
		if err != nil || task.Status.Terminal() {
			return task, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Log entries go in, and are analysed without any further call.
func ExampleLogService() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	queue := memstore.NewTaskQueue(memstore.Config{})
	logs := memstore.NewLogRepository(memstore.Config{})

	service, err := application.NewLogService(logs, queue, application.LogServiceConfig{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Purger: service}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	processor := application.NewLogAnalysisProcessor(logs, fixedAnalyzer{}, nil)
	if err := scheduler.RegisterProcessor(domain.TaskTypeLogAnalysis, processor); err != nil {
		fmt.Println(err)
		return
	}
	if err := scheduler.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	receipt, err := service.CreateLogs(ctx,
		domain.LogEntry{Source: "api", Level: domain.LogLevelInfo, Message: "started"},
		domain.LogEntry{Source: "api", Level: domain.LogLevelError, Message: "connection refused"},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The batch would be analysed two seconds later; here nobody wants to wait.
	if err := service.Flush(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := finished(ctx, queue, receipt.TaskIDs[0]); err != nil {
		fmt.Println(err)
		return
	}
	analysis, err := service.GetAnalysis(ctx, receipt.TaskIDs[0])
	fmt.Println(analysis.Result.AnalysedCount, "entries:", analysis.Result.Summary, err)
	fmt.Println(scheduler.Stop(ctx))
	// Output:
	// 2 entries: all quiet <nil>
	// <nil>
}

// A queue can be worked by hand: enqueue, dequeue, update.
func Example_queue() {
	ctx := context.Background()
	queue := memstore.NewTaskQueue(memstore.Config{})

	task := domain.NewTask(uuid.Must(uuid.NewV7()), "greet", []byte(`"world"`))
	task.Priority = domain.PriorityHigh
	if _, err := queue.Enqueue(ctx, task); err != nil {
		fmt.Println(err)
		return
	}
	claimed, err := queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: 15 * time.Second})
	if err != nil || len(claimed) == 0 {
		fmt.Println("nothing to do", err)
		return
	}
	fmt.Println(claimed[0].Status, string(claimed[0].Payload))

	err = queue.UpdateTask(ctx, ports.TaskUpdate{
		Lease: *claimed[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte(`"hello world"`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := queue.GetTask(ctx, task.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.Status, string(done.Result), "after attempt", done.Attempt)
	// Output:
	// PROCESSING "world"
	// COMPLETED "hello world" after attempt 1
}

// A scheduler runs tasks with processors of one's own.
func ExampleDefaultScheduler() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	queue := memstore.NewTaskQueue(memstore.Config{})
	scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: 4}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := scheduler.RegisterProcessor("shout", Shouter{}); err != nil {
		fmt.Println(err)
		return
	}
	if err := scheduler.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for _, payload := range []string{`"hello"`, ``} {
		task := domain.NewTask(uuid.Must(uuid.NewV7()), "shout", []byte(payload))
		if _, err := scheduler.ScheduleTask(ctx, task); err != nil {
			fmt.Println(err)
			return
		}
		done, err := finished(ctx, queue, task.ID)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v: %s%s\n", done.Status, done.Result, done.LastError())
	}
	fmt.Println(scheduler.Stop(ctx))
	// Output:
	// COMPLETED: "HELLO"
	// FAILED: nothing to shout
	// <nil>
}

// The queue and the scheduler say how they are doing.
func ExampleQueueService() {
	ctx := context.Background()
	queue := memstore.NewTaskQueue(memstore.Config{})
	scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: application.NoWorkers}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := scheduler.RegisterProcessor("shout", Shouter{}); err != nil {
		fmt.Println(err)
		return
	}
	service := application.NewQueueService(queue, scheduler, nil)

	later := domain.NewTask(uuid.Must(uuid.NewV7()), "shout", []byte(`"later"`))
	later.Delay = time.Hour
	unknown := domain.NewTask(uuid.Must(uuid.NewV7()), "whisper", nil)
	_, err = service.ScheduleTasks(ctx, domain.NewTask(uuid.Must(uuid.NewV7()), "shout", []byte(`"now"`)), later, unknown)
	fmt.Println(err)

	tasks, err := service.GetQueueStats(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	workers := service.GetSchedulerStats()
	fmt.Println(tasks.Total(), "tasks:", tasks.Pending, "ready,", tasks.Scheduled, "scheduled")
	fmt.Println(workers.WorkersCount, "workers for", workers.TaskTypes)
	// Output:
	// type "whisper" has no processor and no worker; the known types are "shout"
	// 2 tasks: 1 ready, 1 scheduled
	// 0 workers for [shout]
}
