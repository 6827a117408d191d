// Package observe puts observers in the way of calls to the ports. It is the one
// place where a port is wrapped: metrics, traces and counts are a ports.Observer each.
// What it wraps keeps the contract of its port. Without observers nothing is wrapped.
package observe

import (
	"context"

	"logsift/domain"
	"logsift/ports"
)

// made makes a call that observers see.
func made[T any](ctx context.Context, o ports.Observers, c ports.Call, do func(context.Context) (T, error)) (T, error) {
	ctx = o.Begin(ctx, &c)
	v, err := do(ctx)
	o.End(ctx, &c, err)
	return v, err
}

// Analyzer returns an analyser whose analyses are observed by its name.
func Analyzer(name string, analyzer ports.LogAnalyzer, observers ...ports.Observer) ports.LogAnalyzer {
	if len(observers) == 0 {
		return analyzer
	}
	return &logAnalyzer{name: name, analyzer: analyzer, observers: observers}
}

type logAnalyzer struct {
	name      string
	analyzer  ports.LogAnalyzer
	observers ports.Observers
}

func (a *logAnalyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	c := ports.Call{Op: ports.OpAnalyze, Name: a.name, Entries: len(req.Logs)}
	ctx = a.observers.Begin(ctx, &c)
	result, err := a.analyzer.Analyze(ctx, req)
	c.Result = &result
	a.observers.End(ctx, &c, err)
	return result, err
}

// Processor returns a processor whose runs are observed.
func Processor(processor ports.TaskProcessor, observers ...ports.Observer) ports.TaskProcessor {
	if len(observers) == 0 {
		return processor
	}
	return &taskProcessor{processor: processor, observers: observers}
}

type taskProcessor struct {
	processor ports.TaskProcessor
	observers ports.Observers
}

func (p *taskProcessor) Process(ctx context.Context, task *domain.Task) (result []byte, err error) {
	c := ports.Call{Op: ports.OpProcess, Task: task}
	ctx = p.observers.Begin(ctx, &c)
	err = ports.ErrPanicked // unless it returns
	defer func() { p.observers.End(ctx, &c, err) }()
	return p.processor.Process(ctx, task)
}
