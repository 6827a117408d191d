package openai_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
)

func TestAServiceOnAnotherMachineWithoutTLSIsExposed(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"http://ai.example/v1": true, "HTTP://10.0.0.1:11434/v1": true, "http://localhost.example": true,
		"https://ai.example/v1": false, "http://localhost:11434/v1": false, "http://127.0.0.2/v1": false, "http://[::1]:1": false,
	} {
		require.Equal(t, want, (&openai.Config{BaseURL: url}).Exposed(), url)
	}
}
