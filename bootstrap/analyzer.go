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
		return fx.Module(AnalyzerOpenAI, fx.Provide(newOpenAI))
	}
	return fx.Module(AnalyzerBuiltin, fx.Provide(newBuiltin))
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

func newOpenAI(config Config) (ports.LogAnalyzer, error) {
	return openai.New(openai.Config{
		BaseURL: config.AIBaseURL, Model: config.AIModel, APIKey: config.AIKey, Timeout: config.AITimeout,
	})
}
