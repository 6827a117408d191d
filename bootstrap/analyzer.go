package bootstrap

import (
	"go.uber.org/fx"

	"logsift/adapters/builtin"
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

func newBuiltin() ports.LogAnalyzer { return builtin.New(builtin.Config{}) }

// newOpenAI makes the analyser that explains what the built-in one detects.
func newOpenAI(config Config, logs ports.LogRepository) (ports.LogAnalyzer, error) {
	return openai.New(newBuiltin(), logs, openai.Config{
		BaseURL: config.AIBaseURL, Model: config.AIModel, APIKey: config.AIKey, Timeout: config.AITimeout,
	})
}
