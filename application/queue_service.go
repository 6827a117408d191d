package application

import (
	"context"
	"errors"
	"fmt"

	"logsift/domain"
	"logsift/ports"
)

// QueueService is what a user of the queue calls: it takes tasks in, looks at them as a
// ports.TaskReader, and changes them on a person's word as a ports.TaskManager. It is
// safe for concurrent use.
type QueueService struct {
	taskReader
	taskManager

	queue     ports.TaskQueue
	scheduler ports.TaskScheduler
	types     *TaskTypes
}

// NewQueueService returns the service of a queue. The scheduler, which need not have
// workers, and types, which may be nil, know on which types of tasks somebody works.
func NewQueueService(queue ports.TaskQueue, scheduler ports.TaskScheduler, types *TaskTypes) *QueueService {
	return &QueueService{taskReader: queue, taskManager: queue, queue: queue, scheduler: scheduler, types: types}
}

// The roles of the queue that the service hands on as they are.
type (
	taskReader  = ports.TaskReader
	taskManager = ports.TaskManager
)

// ScheduleTasks enqueues the tasks and returns them as they are stored, nil at
// those that are refused. The error is then a *domain.BatchError; besides those
// of ports.TaskEnqueuer, its items are a *domain.UnknownTypeError for a type that
// nobody is known to work on.
func (s *QueueService) ScheduleTasks(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	known := s.types.check(ctx, s.scheduler.GetSchedulerStats().TaskTypes, tasks...)
	errs := make([]error, len(tasks))
	accepted := make([]*domain.Task, 0, len(tasks))
	places := make([]int, 0, len(tasks))
	for i, t := range tasks {
		if errs[i] = checkTask(t, known); errs[i] == nil {
			accepted, places = append(accepted, t), append(places, i)
		}
	}
	out := make([]*domain.Task, len(tasks))
	if len(accepted) > 0 {
		stored, err := s.queue.Enqueue(ctx, accepted...)
		var batch *domain.BatchError
		if err != nil && !errors.As(err, &batch) {
			return nil, fmt.Errorf("enqueue %d tasks: %w", len(accepted), err)
		}
		for j, i := range places {
			if errs[i] = domain.ItemError(err, j); errs[i] == nil {
				out[i] = stored[j]
			}
		}
	}
	return out, domain.NewBatchError(errs)
}

func checkTask(t *domain.Task, known func(domain.TaskType) error) error {
	if t == nil {
		return &domain.ValidationError{Field: "task", Rule: "must not be nil"}
	}
	if err := t.Validate(); err != nil {
		return err
	}
	return known(t.Type)
}

// ScheduleLogAnalysis enqueues one task that analyses these entries.
func (s *QueueService) ScheduleLogAnalysis(ctx context.Context, logIDs ...domain.LogID) (*domain.Task, error) {
	return s.scheduler.ScheduleLogAnalysis(ctx, logIDs...)
}

// GetSchedulerStats describes this process's scheduler.
func (s *QueueService) GetSchedulerStats() domain.SchedulerStats {
	return s.scheduler.GetSchedulerStats()
}
