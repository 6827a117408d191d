package ports

import (
	"context"

	"logsift/domain"
)

// LogAnalyzer finds anomalies in log entries: the built-in analyser, or an AI
// service. It is safe for concurrent use.
type LogAnalyzer interface {
	// Analyze looks at the entries of the request. The result's anomalies name
	// only ids of those entries; their severities are valid, their scores and
	// confidences between 0 and 1, their number at most domain.MaxAnomalies, the
	// most severe first. Entries are not kept or changed. No entries give a
	// result without anomalies.
	//
	// Errors are a *domain.AnalyzerError, or wrap the context's error when ctx
	// ends first.
	Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error)
}
