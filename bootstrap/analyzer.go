package bootstrap

import (
	"go.uber.org/fx"

	"logsift/adapters/builtin"
	"logsift/adapters/memstore"
	"logsift/adapters/openai"
	"logsift/ports"
)

// analyzerModule chooses the module of the analyser that the configuration names.
func analyzerModule(config *Config) fx.Option {
	if config.Analyzer == AnalyzerOpenAI {
		return fx.Module(AnalyzerOpenAI, fx.Provide(newOpenAI, newAnalyzerDegraded))
	}
	return fx.Module(AnalyzerBuiltin, fx.Provide(newBuiltin, newAnalyzerDegraded))
}

// newBuiltin makes the built-in analyser, which keeps what it learns in the log
// repository, or to this process if the configuration says so.
func newBuiltin(config Config, logs ports.LogRepository) ports.LogAnalyzer {
	var states ports.StateStore = logs
	if config.PrivateLearning {
		states = memstore.NewLogRepository(memstore.Config{})
	}
	return builtin.New(builtin.Config{States: states})
}

// newOpenAI makes the analyser that has an AI service explain what the built-in
// one detects.
func newOpenAI(config Config, logs ports.LogRepository) (ports.LogAnalyzer, error) {
	return openai.New(newBuiltin(config, logs), logs, config.openai())
}

// analyzerDegraded says why the analyser gives less than it was set to, "" if it
// does not.
type analyzerDegraded func() string

func newAnalyzerDegraded(analyzer ports.LogAnalyzer) analyzerDegraded {
	if a, ok := analyzer.(interface{ Degraded() string }); ok {
		return a.Degraded
	}
	return func() string { return "" }
}
