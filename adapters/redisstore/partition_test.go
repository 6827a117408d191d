package redisstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/ports"
)

func TestAReportKeepsAResultOfItsOwn(t *testing.T) {
	t.Parallel()
	result := []byte(`{"lines":1}`)
	_, kept, err := encodeUpdate(ports.TaskUpdate{Outcome: ports.OutcomeCompleted, Result: result})
	require.NoError(t, err)
	copy(result, "overwritten")
	require.Equal(t, `{"lines":1}`, string(kept), "what is sent after the context of the report has ended")
}
