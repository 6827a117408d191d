package redact_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
)

func TestTheSameValueHasTheSamePlaceholder(t *testing.T) {
	t.Parallel()
	first, second := "AKIA"+strings.Repeat("Q7X2", 4), "AKIA"+strings.Repeat("R5Z3", 4)
	s := redact.New(redact.Config{}).Session()
	require.Equal(t, "a <SECRET:aws_access_key:1> b <SECRET:aws_access_key:2> c <SECRET:aws_access_key:1>", s.Redact("a "+first+" b "+second+" c "+first))
	require.Equal(t, "<SECRET:aws_access_key:2>", s.Redact(second), "within the session")
	require.Equal(t, map[string]int{"aws_access_key": 4}, s.Counts())
	other := redact.New(redact.Config{}).Session()
	require.Equal(t, "<SECRET:aws_access_key:1>", other.Redact(second), "sessions share nothing")
	require.Equal(t, "plain", other.Redact("plain"))
}
