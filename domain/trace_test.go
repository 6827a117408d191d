package domain_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestTraceParents(t *testing.T) {
	t.Parallel()
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	task := domain.NewTask(uuid.New(), "t", nil)
	for flags, recorded := range map[string]bool{"01": true, "00": false, "03": true, "02": false, "ff": true} {
		task.TraceParent = "00-" + id + "-" + span + "-" + flags
		require.NoError(t, domain.ValidateTraceParent(task.TraceParent))
		require.NoError(t, task.Validate())
		if recorded {
			require.Equal(t, id, task.TraceID())
		} else {
			require.Empty(t, task.TraceID())
		}
	}
	task.TraceParent = ""
	require.NoError(t, task.Validate(), "most tasks are of no trace")
	require.Empty(t, task.TraceID())
	for _, bad := range []string{
		"", "x", "00-" + id + "-" + span, "01-" + id + "-" + span + "-01", "00-" + strings.ToUpper(id) + "-" + span + "-01",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01", "00-" + id + "-" + strings.Repeat("0", 16) + "-01",
		"00-" + id + "-" + span + "-0g", "00-" + id + "-" + span + "-01-x", "00_" + id + "-" + span + "-01", "00-" + id + "_" + span + "-01",
	} {
		require.ErrorIs(t, domain.ValidateTraceParent(bad), domain.ErrInvalid, bad)
		if bad != "" {
			task.TraceParent = bad
			require.ErrorContains(t, task.Validate(), "traceparent")
			require.Empty(t, task.TraceID())
		}
	}
}

func TestTheTraceIsNoPartOfTheContents(t *testing.T) {
	t.Parallel()
	a := domain.NewTask(uuid.New(), "t", nil)
	b := a.Clone()
	b.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	require.True(t, a.SameContents(b), "who repeats a request does so in a trace of its own")
}
