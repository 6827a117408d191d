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

func newOpenAI(config Config) (ports.LogAnalyzer, error) {
	return openai.New(openai.Config{
		BaseURL: config.AIBaseURL, Model: config.AIModel, APIKey: config.AIKey, Timeout: config.AITimeout,
	})
}
