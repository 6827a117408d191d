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
	observed := &taskProcessor{processor: processor, observers: observers}
	if group, ok := processor.(ports.GroupProcessor); ok {
		return &groupProcessor{observed, group}
	}
	return observed
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

// groupProcessor has the run of each task of a group observed.
type groupProcessor struct {
	*taskProcessor

	group ports.GroupProcessor
}

func (p *groupProcessor) ProcessGroup(ctx context.Context, tasks []*domain.Task) (results []ports.TaskResult) {
	calls, contexts := make([]ports.Call, len(tasks)), make([]context.Context, len(tasks))
	for i, task := range tasks {
		calls[i] = ports.Call{Op: ports.OpProcess, Task: task}
		contexts[i] = p.observers.Begin(ctx, &calls[i])
	}
	returned := false
	defer func() { //nolint:contextcheck // Observers make them of ctx.
		for i := range calls {
			err := ports.ErrPanicked
			if returned && i < len(results) {
				err = results[i].Err
			}
			p.observers.End(contexts[i], &calls[i], err)
		}
	}()
	results = p.group.ProcessGroup(contexts[0], tasks) //nolint:contextcheck // An observer made it of ctx.
	returned = true
	return results
}
