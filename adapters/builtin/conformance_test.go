package builtin_test

import (
	"testing"

	"logsift/adapters/builtin"
	"logsift/ports"
	"logsift/ports/portstest"
)

func TestLogAnalyzerKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestLogAnalyzer(t, func(*testing.T) ports.LogAnalyzer { return builtin.New(builtin.Config{}) })
}
