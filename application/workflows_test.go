package application_test

import (
	"testing"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

func TestWorkflowsOfUnknownTypesAreRefused(t *testing.T) {
	t.Parallel()
	scheduler := mocks.NewMockTaskScheduler(gomock.NewController(t))
	scheduler.EXPECT().GetSchedulerStats().Return(domain.SchedulerStats{TaskTypes: []domain.TaskType{testType}}).AnyTimes()
	s := application.NewWorkflowService(memstore.NewTaskQueue(memstore.Config{}), scheduler, nil)
	w := &domain.Workflow{ID: uuid.New(), Nodes: []domain.WorkflowNode{
		{Ref: "a", Task: newTestTask()},
		{Ref: "b", Task: newTestTask(func(t *domain.Task) { t.Type = "unknown" }), After: []string{"a"}},
	}}
	_, err := s.CreateWorkflow(t.Context(), w)
	var unknown *domain.UnknownTypeError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, "tasks.1.type", unknown.Field)
	w.Nodes[1].Task.Type = testType
	info, err := s.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, domain.WorkflowCounts{Waiting: 1, Pending: 1}, info.Counts)
	_, err = s.CreateWorkflow(t.Context(), nil)
	require.ErrorIs(t, err, domain.ErrInvalid)

	none, err := application.Predecessors(t.Context(), ports.PlacePage{Limit: 1})
	require.NoError(t, err)
	require.Empty(t, none.Predecessors, "there is no run")
}
