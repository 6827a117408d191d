package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"logsift/adapters/httpapi/wire"
)

const (
	// probeName begins the names of the probes' histories.
	probeName = "probe-"
	// probePause is between two questions of a probe.
	probePause = 250 * time.Millisecond
)

// Probe asks one process of the API, all the time, for what it is to do whenever
// nothing breaks it: to take a task, to tell the statistics, and to say whether it
// is ready.
type Probe struct {
	client *Client
	serve  *Process
	seed   uint64
}

// Run asks until ctx ends. A question that waits does not hold up the other one.
func (p *Probe) Run(ctx context.Context) {
	var asking sync.WaitGroup
	asking.Go(func() {
		r := rand.New(rand.NewPCG(p.seed, 200))
		for pause(ctx, probePause) {
			p.write(ctx, r)
			p.ask(ctx, OpStats, "/api/v1/queue/stats")
		}
	})
	asking.Go(func() {
		for pause(ctx, probePause) {
			p.ask(ctx, OpReady, "/readyz")
		}
	})
	asking.Wait()
	p.client.http.CloseIdleConnections()
}

func (p *Probe) write(ctx context.Context, r *rand.Rand) {
	plan := taskPlan{token: newToken(r), Millis: 1}
	p.client.post(ctx, p.serve, plan.token, "", plan.body(wire.CreateTask{}))
}

func (p *Probe) ask(ctx context.Context, op Op, path string) {
	events := p.client.recorder.Begin(Event{Op: op, On: p.serve.config.Name})
	status, _, err := p.client.call(ctx, p.serve, http.MethodGet, path, "", nil)
	events[0].Outcome, events[0].Out = httpOutcome(status, err)
	if op == OpReady && status != 0 {
		// Either answer is one.
		events[0].Outcome, events[0].Out = OK, strconv.Itoa(status)
	}
	p.client.recorder.End(events)
}

// NewProbe returns a probe of a process, with a history of its own.
func NewProbe(dir string, seed uint64, serve *Process) (*Probe, error) {
	recorder, err := NewRecorder(dir, probeName+serve.config.Name)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	return &Probe{client: NewClient(recorder, Load{}, seed, serve), serve: serve, seed: seed}, nil
}
