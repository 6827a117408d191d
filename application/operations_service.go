package application

import (
	"context"
	"fmt"
	"slices"

	"logsift/domain"
	"logsift/ports"
)

// OperationsService shows the queues and the processes that share a store, and what
// happened there; it pauses and resumes queues. It is safe for concurrent use.
type OperationsService struct {
	queues     ports.QueueController
	schedulers ports.SchedulerRegistry
	history    *RunHistory
}

// NewOperationsService returns the service of a store.
func NewOperationsService(queues ports.QueueController, schedulers ports.SchedulerRegistry, history *RunHistory) *OperationsService {
	return &OperationsService{queues: queues, schedulers: schedulers, history: history}
}

// ListQueues describes the queues, as ports.QueueController says.
func (s *OperationsService) ListQueues(ctx context.Context) ([]domain.QueueInfo, error) {
	return s.queues.ListQueues(ctx)
}

// PauseQueue has the queue give out no tasks, as ports.QueueController says, and
// describes it.
func (s *OperationsService) PauseQueue(ctx context.Context, name string) (domain.QueueInfo, error) {
	if err := s.queues.PauseQueue(ctx, name); err != nil {
		return domain.QueueInfo{}, fmt.Errorf("pause queue %q: %w", name, err)
	}
	return s.queue(ctx, name)
}

// ResumeQueue ends a pause, as ports.QueueController says, and describes the queue.
func (s *OperationsService) ResumeQueue(ctx context.Context, name string) (domain.QueueInfo, error) {
	if err := s.queues.ResumeQueue(ctx, name); err != nil {
		return domain.QueueInfo{}, fmt.Errorf("resume queue %q: %w", name, err)
	}
	return s.queue(ctx, name)
}

// queue describes a queue; one that the store does not know has no tasks and is not
// paused.
func (s *OperationsService) queue(ctx context.Context, name string) (domain.QueueInfo, error) {
	list, err := s.queues.ListQueues(ctx)
	if err != nil {
		return domain.QueueInfo{}, err
	}
	if i := slices.IndexFunc(list, func(q domain.QueueInfo) bool { return q.Name == name }); i >= 0 {
		return list[i], nil
	}
	return domain.QueueInfo{Name: name}, nil
}

// ListSchedulers returns what the schedulers of all processes last told of
// themselves, as ports.SchedulerRegistry says.
func (s *OperationsService) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	return s.schedulers.ListSchedulers(ctx)
}

// GetHistory tells what happened in the last minutes, as RunHistory says.
func (s *OperationsService) GetHistory(ctx context.Context, minutes int) ([]domain.RunHistoryPoint, error) {
	return s.history.GetHistory(ctx, minutes)
}
