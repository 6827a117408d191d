package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/domain/logline"
)

// pipeline sends logs to a running system and collects what it finds.
type pipeline struct {
	client   *client
	progress *progress
	// verb says what is done with the logs.
	verb   string
	parser logline.Parser
	// tasks are those that analyse the logs, in the order of their creation.
	tasks []uuid.UUID
}

// run sends the inputs, waits for their analysis and puts it together.
func (p *pipeline) run(ctx context.Context, inputs []input) (*report, error) {
	defer p.progress.clear()
	r := newReport()
	for _, in := range inputs {
		if err := p.send(ctx, in, r); err != nil {
			return nil, err
		}
	}
	if r.Entries == 0 {
		return nil, errNoLines(r)
	}
	for _, id := range p.tasks {
		// Nothing more comes, so the last batch need not wait. A task that already
		// runs refuses, which is as good.
		err := p.client.do(ctx, http.MethodPost, "/api/v1/queue/tasks/"+id.String()+":run", nil)
		var problem *problemError
		if err != nil && !errors.As(err, &problem) {
			return nil, err
		}
	}
	if err := p.collect(ctx, r); err != nil {
		return nil, err
	}
	r.CreatedAt = time.Now().UTC().Truncate(time.Second)
	r.finish()
	return r, p.readTimes(ctx, r)
}

// send stores the lines of one input. What is wrong with the input is noted in
// the report; only a system that takes no lines is an error.
func (p *pipeline) send(ctx context.Context, in input, r *report) error {
	var sendErr error
	var sent int64
	lines, err := readChunks(in.until(ctx), p.parser, func(c *chunk) error {
		receipt, err := p.client.sendLines(ctx, in.name, c.mediaType(), c.body.Bytes())
		if err != nil {
			sendErr = fmt.Errorf("send %s: %w", in.name, err)
			return sendErr
		}
		p.addTasks(receipt)
		if receipt.RejectedCount > 0 {
			r.Errors = append(r.Errors, fmt.Sprintf("%s: %s refused, the first because: %s", in.name, plural(receipt.RejectedCount, "line"), receipt.Rejected[0].Reason))
		}
		r.Entries += receipt.Accepted
		sent += int64(c.body.Len())
		p.progress.show("reading "+in.name, sent, in.size)
		return nil
	})
	if sendErr != nil {
		return sendErr
	}
	if ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", in.name, ctx.Err())
	}
	r.addInput(in.name, lines, err)
	return nil
}

func (p *pipeline) addTasks(receipt wire.LogReceipt) {
	for _, id := range receipt.TaskIDs {
		if len(p.tasks) == 0 || p.tasks[len(p.tasks)-1] != id {
			p.tasks = append(p.tasks, id)
		}
	}
}

// pollInterval is how often the state of the tasks is asked for.
const pollInterval = 50 * time.Millisecond

// collect waits until every task has ended and adds their results.
func (p *pipeline) collect(ctx context.Context, r *report) error {
	r.Tasks = len(p.tasks)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for i, id := range p.tasks {
		for {
			p.progress.show(p.verb, int64(i), int64(len(p.tasks)))
			var t wire.Task
			err := p.client.whileUnavailable(ctx, func() error {
				return p.client.get(ctx, "/api/v1/queue/tasks/"+url.PathEscape(id.String()), nil, &t)
			})
			if err != nil {
				return fmt.Errorf("ask for task %s: %w", id, err)
			}
			if ended, err := r.addTask(&t); ended || err != nil {
				if err != nil {
					return err
				}
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for task %s: %w", id, ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
}

// timedAnomalies is of how many anomalies the times of the entries are read, the
// most severe first.
const timedAnomalies = 50

// readTimes reads the times of the entries that the anomalies name. An entry that
// is gone, or whose store is away, has none: a report without some times is
// better than no report.
func (p *pipeline) readTimes(ctx context.Context, r *report) error {
	r.times = map[string][]time.Time{}
	for _, a := range r.Anomalies[:min(len(r.Anomalies), timedAnomalies)] {
		if a.Count < 2 {
			continue
		}
		for _, id := range a.LogIDs {
			var entry wire.LogEntry
			err := p.client.get(ctx, "/api/v1/logs/"+url.PathEscape(id.String()), nil, &entry)
			var problem *problemError
			switch {
			case errors.As(err, &problem):
			case err != nil:
				return fmt.Errorf("read log entry %s: %w", id, err)
			case entry.Timestamp != nil:
				r.times[a.ID] = append(r.times[a.ID], *entry.Timestamp)
			}
		}
	}
	return nil
}

// addTask adds the result of a task that has ended.
func (r *report) addTask(t *wire.Task) (ended bool, err error) {
	status, err := domain.ParseTaskStatus(t.Status)
	if err != nil {
		return false, err
	}
	if status == domain.TaskStatusCompleted {
		var a domain.AnalysisResult
		if err := json.Unmarshal(t.Result, &a); err != nil {
			return true, fmt.Errorf("read the result of task %s: %w", t.ID, err)
		}
		r.add(a)
		return true, nil
	}
	if status.Terminal() {
		r.FailedTasks++
		r.Errors = append(r.Errors, fmt.Sprintf("task %s ended %s: %s", t.ID, t.Status, t.LastError))
	}
	return status.Terminal(), nil
}
