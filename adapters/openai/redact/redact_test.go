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

func TestASecretIsOneWhereverItStands(t *testing.T) {
	t.Parallel()
	s := redact.New(redact.Config{}).Session()
	require.Equal(t, "password=<SECRET:password:1>", s.Redact("password=the-quiet-elephant-of-1969"))
	require.Equal(t, "seen once: <SECRET:password:1>, and <SECRET:password:1>", s.Redact("seen once: the-quiet-elephant-of-1969, and the-quiet-elephant-of-1969"))
	require.Equal(t, "the quiet elephant", s.Redact("the quiet elephant"))
	require.Equal(t, map[string]int{"password": 3}, s.Counts())

	short := redact.New(redact.Config{}).Session()
	require.Equal(t, "password=<SECRET:password:1>", short.Redact("password=elephant"))
	require.Equal(t, "an elephant", short.Redact("an elephant"), "a short value may stand there by accident")
}
