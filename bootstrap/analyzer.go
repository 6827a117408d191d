package bootstrap

import (
	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/builtin"
	"logsift/adapters/memstore"
	"logsift/adapters/openai"
	"logsift/adapters/prommetrics"
	"logsift/ports"
)

// analyzer is what an analyser module provides.
type analyzer struct {
	fx.Out

	Analyzer ports.LogAnalyzer
	State    analyzerState
}

// analyzerState tells how the analyser does.
type analyzerState struct {
	// degraded says why the analyser gives less than it was set to, "" if it does
	// not.
	degraded func() string
	// ai is nil if there is no AI service.
	ai prommetrics.AIState
}

// analyzerModule chooses the module of the analyser that the configuration names.
func analyzerModule(config *Config) fx.Option {
	if config.Analyzer == AnalyzerOpenAI {
		return fx.Module(AnalyzerOpenAI, fx.Provide(newOpenAI))
	}
	return fx.Module(AnalyzerBuiltin, fx.Provide(func(config Config, logs ports.LogRepository) analyzer {
		return analyzer{Analyzer: newBuiltin(config, logs), State: analyzerState{degraded: func() string { return "" }}}
	}))
}

// newBuiltin makes the built-in analyser, which keeps what it learns in the log
// repository, or to this process if the configuration says so.
func newBuiltin(config Config, logs ports.LogRepository) ports.LogAnalyzer {
	if config.PrivateLearning {
		return NewPrivateAnalyzer()
	}
	return builtin.New(builtin.Config{Documents: logs, NormalAfter: config.NormalAfter})
}

type (
	// Analyzer is the built-in analyser.
	Analyzer = builtin.Analyzer
	// Analysis is one of its analyses, which takes entries one by one.
	Analysis = builtin.Analysis
)

// NewPrivateAnalyzer returns a built-in analyser that keeps what it learns in memory.
func NewPrivateAnalyzer() *Analyzer {
	return builtin.New(builtin.Config{Documents: memstore.NewLogRepository(memstore.Config{})})
}

// newOpenAI makes the analyser that has an AI service explain what the built-in
// one detects.
func newOpenAI(config Config, logs ports.LogRepository, o observers, logger *zap.Logger) (analyzer, error) {
	settings := config.openai()
	if settings.Exposed() {
		logger.Warn("log lines and the key of the AI service are sent to another machine without TLS, so that anyone on the network can read them: use https (ai-base-url)")
	}
	settings.Observers = o.calls
	a, err := openai.New(newBuiltin(config, logs), logs, settings)
	if err != nil {
		return analyzer{}, err
	}
	return analyzer{Analyzer: a, State: analyzerState{degraded: a.Degraded, ai: a}}, nil
}
