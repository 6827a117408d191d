package request

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPoolKnowsOnlyThoseWhoHaveSome(t *testing.T) {
	t.Parallel()
	p := Pool{Limit: 10, Share: 5}
	require.NoError(t, p.Take("anna", 0, true))
	require.Empty(t, p.callers, "who has nothing gives nothing back")
	require.NoError(t, p.Take("anna", 5, true))
	require.Error(t, p.Take("anna", 1, true))
	p.Give("anna", 5)
	require.Empty(t, p.callers)
	require.Zero(t, p.used)
}
