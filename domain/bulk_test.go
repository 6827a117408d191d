package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestActionsHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, action := range domain.TaskActions() {
		require.True(t, action.Valid())
		require.False(t, seen[action.String()], action)
		seen[action.String()] = true
	}
	none := domain.TaskAction(0)
	require.False(t, none.Valid())
	require.False(t, seen[none.String()])
	require.ErrorIs(t, none.Allowed(&domain.Task{}), domain.ErrInvalid)
}

func TestATaskOfAWorkflowIsNotRemovedByItself(t *testing.T) {
	t.Parallel()
	task := &domain.Task{Status: domain.TaskStatusCompleted}
	require.NoError(t, domain.TaskActionDelete.Allowed(task))
	task.Workflow = &domain.WorkflowRef{Ref: "a"}
	require.Equal(t, &domain.TransitionError{From: domain.TaskStatusCompleted, Node: true}, domain.TaskActionDelete.Allowed(task))
	task.Status = domain.TaskStatusProcessing
	require.Equal(t, &domain.TransitionError{From: domain.TaskStatusProcessing}, domain.TaskActionDelete.Allowed(task))
}
