package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap/systemtest/chaos"
	"logsift/domain"
	"logsift/ports"
)

var flowSeeds = flag.String("chaos.flowseeds", "1", "the seeds of workflows on each store")

const (
	completed = domain.TaskStatusCompleted
	failed    = domain.TaskStatusFailed
	cancelled = domain.TaskStatusCancelled
)

// Times of a run with workflows.
const (
	flowKills  = 8 * time.Second  // for how long processes are killed
	flowBegins = 4 * time.Second  // for how long workflows begin
	flowLimit  = 30 * time.Second // until when all that is asked for has an answer
	// flowWaits is until when keys are waited for: a process that dies holds them for 15 s.
	flowWaits = time.Second
	// flowStill is for how long a workflow may make no step.
	flowStill = 10 * time.Second
)

// flowsAtOnce is how many run at once, beside those that wait for their keys.
const flowsAtOnce = 5

// errHeld is that a key is in use, and there is no time to wait for it.
var errHeld = errors.New("the key is in use")

// TestChaosOfWorkflows has processes with API and workers run random graphs, kills one after the
// other at any instruction, and cancels workflows and runs them again. Each task runs only
// after its predecessors have ended as it asks for, and ends as the graph says.
func TestChaosOfWorkflows(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes 20 seconds")
	}
	onEachStore(t, *flowSeeds, runFlows)
}

func runFlows(t *testing.T, url string, store anyStore, seed uint64) {
	t.Helper()
	settings := chaos.DefaultSettings()
	settings.Lease, settings.MaxRecoveries = time.Second, 100
	w := &flows{store: store, dir: t.ArtifactDir(), began: time.Now()}
	for _, name := range []string{"a", "b"} {
		p := chaos.NewProcess(chaos.ChildConfig{Role: chaos.RoleBoth, Name: name, Dir: w.dir, Store: url, Settings: settings})
		defer p.Close()
		w.processes = append(w.processes, p)
	}
	for _, p := range w.processes {
		require.NoError(t, p.AwaitReady())
	}
	w.began = time.Now()
	ctx, stop := context.WithTimeout(t.Context(), flowLimit)
	defer stop()
	var total []*flow
	var running sync.WaitGroup
	running.Go(func() { total = w.run(ctx, seed) })
	r := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for ; time.Since(w.began) < flowKills; kills++ {
		<-time.After(time.Duration(r.Int64N(int64(400 * time.Millisecond))))
		victim := w.processes[kills%len(w.processes)]
		victim.Kill()
		victim.Start()
		require.NoError(t, victim.AwaitReady())
	}
	running.Wait()
	total = slices.DeleteFunc(total, func(f *flow) bool { return errors.Is(f.err, errHeld) })
	for _, f := range total {
		require.NoError(t, f.err)
	}
	for _, p := range w.processes {
		require.NoError(t, p.Stop())
		require.Empty(t, p.Faults())
	}
	require.Empty(t, chaos.Crashes(w.dir))

	runs := map[string][]chaos.Run{}
	all, err := chaos.ReadRuns(w.dir)
	require.NoError(t, err)
	for _, run := range all {
		runs[run.Task] = append(runs[run.Task], run)
	}
	nodes, retried, stopped := 0, 0, 0
	var wrong []string
	for _, f := range total {
		nodes += len(f.graph.nodes)
		wrong = append(wrong, f.judge(runs)...)
		if f.second != nil {
			retried++
		}
		if f.cancelledAt != 0 {
			stopped++
		}
	}
	t.Logf("%d kills; %d workflows of %d tasks, %d runs; %d cancelled, %d run again; %v", kills, len(total), nodes, len(all), stopped, retried, time.Since(w.began))
	require.Empty(t, strings.Join(wrong[:min(len(wrong), 20)], "\n"), "of %d", len(wrong))
	require.Greater(t, kills, 3)
	list, err := store.ListWorkflows(t.Context(), ports.WorkflowRequest{Limit: ports.MaxWorkflowPage})
	require.NoError(t, err)
	require.Len(t, list.Workflows, len(total), "a repeat makes none")
	stats, err := store.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, nodes, int(stats.Completed+stats.Failed+stats.Cancelled))
	requireSound(t, url)
}

// newGraph makes a random one. The handlers of its broken nodes look for a file.
func newGraph(r *rand.Rand, mend string) *graph {
	g := &graph{places: map[string]int{}}
	whens := []string{"", "", "success", "failure", "done"}
	add := func(when string, perMille int, after ...string) string {
		ref := fmt.Sprint("n", len(g.nodes))
		if len(after) == 0 {
			when = ""
		}
		plan := map[string]any{"ms": r.IntN(5)}
		switch n := r.IntN(1000); {
		case n < perMille/2:
			plan["permanent"] = true
		case n < perMille:
			plan["without"] = mend
		case r.IntN(20) == 0:
			plan["fail"] = 1
		}
		payload, err := json.Marshal(map[string]any{"log_ids": []string{ref}, "plan": plan})
		if err != nil {
			panic(err) // A map of strings and numbers always marshals.
		}
		g.places[ref] = len(g.nodes)
		g.fails, g.broken = append(g.fails, plan["permanent"] != nil), append(g.broken, plan["without"] != nil)
		g.nodes = append(g.nodes, wire.WorkflowTask{Ref: ref, When: when, After: after, CreateTask: wire.CreateTask{Type: string(chaos.PlanType), Payload: payload}})
		return ref
	}
	switch r.IntN(6) {
	case 0: // a fan, and what follows each of its ways to end
		first := add("", 20)
		last := r.IntN(3)
		var middle []string
		for range 100 + r.IntN(300) {
			middle = append(middle, add("", []int{1, 1000, 250}[last], first))
		}
		end := add([]string{"success", "failure", "done"}[last], 0, middle...)
		for _, when := range whens[1:] {
			add(when, 0, end)
		}
	case 1: // a chain
		ref := add("", 100)
		for range 5 + r.IntN(25) {
			ref = add(whens[r.IntN(len(whens))], 250, ref)
		}
	default:
		for i := range 2 + r.IntN(25) {
			var after []string
			for j := range i {
				if r.IntN(i+1) < 2 {
					after = append(after, g.nodes[j].Ref)
				}
			}
			add(whens[r.IntN(len(whens))], 250, after...)
		}
	}
	return g
}

// flow is a workflow that was asked for.
type flow struct {
	id    uuid.UUID
	graph *graph
	// cancelledAt is when its cancellation was asked for, 0 if it was not.
	cancelledAt int64
	// first is how it ended, second how it did after it was run again, nil if it was not.
	first, second []*domain.Task
	err           error
}

// flows are clients of the processes.
type flows struct {
	store     anyStore
	dir       string
	processes []*chaos.Process
	began     time.Time
}

// run has workflows run until none is to begin, and all have ended.
func (w *flows) run(ctx context.Context, seed uint64) (out []*flow) {
	var running sync.WaitGroup
	slots := make(chan struct{}, flowsAtOnce)
	for time.Since(w.began) < flowBegins {
		slots <- struct{}{}
		f := &flow{}
		out = append(out, f)
		r := rand.New(rand.NewPCG(seed, uint64(len(out))))
		running.Go(func() {
			leave := sync.OnceFunc(func() { <-slots })
			defer leave()
			f.err = w.one(ctx, r, f, leave)
		})
	}
	running.Wait()
	return out
}

// one runs one workflow. It calls leave when another may begin.
func (w *flows) one(ctx context.Context, r *rand.Rand, f *flow, leave func()) (err error) {
	key := uuid.NewString()
	mend := filepath.Join(w.dir, key+".mended")
	f.graph = newGraph(r, mend)
	given := wire.CreateWorkflow{Name: key, Tasks: slices.Clone(f.graph.nodes)}
	r.Shuffle(len(given.Tasks), func(i, j int) { given.Tasks[i], given.Tasks[j] = given.Tasks[j], given.Tasks[i] })
	for range 1 + r.IntN(2) { // An answer may be lost on its way.
		answer, err := w.ask(ctx, r, "", key, given, leave)
		if errors.Is(err, errHeld) {
			answer, err = w.find(ctx, key)
		}
		if err != nil {
			return err
		}
		if f.id != uuid.Nil && f.id != answer.ID || answer.Total != len(f.graph.nodes) {
			return fmt.Errorf("the workflow %v of %d tasks is %v of %d", f.id, len(f.graph.nodes), answer.ID, answer.Total)
		}
		f.id = answer.ID
	}
	if r.IntN(4) == 0 {
		<-time.After(time.Duration(r.Int64N(int64(300 * time.Millisecond))))
		f.cancelledAt = time.Now().UnixNano()
		answer, err := w.ask(ctx, r, "/"+f.id.String()+":cancel", "", nil, leave)
		if err != nil {
			return err
		}
		if c := domain.WorkflowCounts(answer.Counts); c.Unfinished() > 0 {
			return fmt.Errorf("workflow %v was cancelled and has %+v", f.id, c)
		}
	}
	if f.first, err = w.await(ctx, f); err != nil || r.IntN(2) == 0 {
		return err
	}
	if err := os.WriteFile(mend, nil, 0o600); err != nil {
		return err
	}
	if _, err := w.ask(ctx, r, "/"+f.id.String()+":retry", "", nil, leave); err != nil {
		return err
	}
	f.second, err = w.await(ctx, f)
	return err
}

// find looks for a workflow whose process has died before it gave an answer. It is errHeld if
// there is none.
func (w *flows) find(ctx context.Context, name string) (wire.Workflow, error) {
	list, err := w.store.ListWorkflows(ctx, ports.WorkflowRequest{Limit: ports.MaxWorkflowPage})
	if err != nil {
		return wire.Workflow{}, err
	}
	for _, found := range list.Workflows {
		if found.Name == name {
			return wire.Workflow{ID: found.ID, Total: found.Counts.Total()}, nil
		}
	}
	return wire.Workflow{}, errHeld
}

// ask posts until there is an answer. It calls wait when that takes long.
func (w *flows) ask(ctx context.Context, r *rand.Rand, path, key string, in any, wait func()) (out wire.Workflow, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return out, err
		}
	}
	for held := false; ctx.Err() == nil; {
		var status int
		var raw []byte
		if status, raw, err = w.post(ctx, w.processes[r.IntN(len(w.processes))].Addr(), path, key, body); err == nil {
			switch {
			case status < http.StatusMultipleChoices:
				return out, json.Unmarshal(raw, &out)
			case status == http.StatusConflict && strings.Contains(string(raw), "idempotency-key-in-use"):
				if !held && time.Since(w.began) > flowWaits {
					return out, errHeld
				}
				held = true
				wait()
			case status < http.StatusInternalServerError:
				return out, fmt.Errorf("POST %s: %d: %s", path, status, raw)
			}
			err = fmt.Errorf("%d: %s", status, raw)
		}
		<-time.After(50 * time.Millisecond)
	}
	return out, fmt.Errorf("POST %s: no answer: %w", path, err)
}

func (w *flows) post(ctx context.Context, addr, path, key string, body []byte) (int, []byte, error) {
	if addr == "" {
		return 0, nil, errors.New("the process is down")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/v1/queue/workflows"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", wire.MediaJSON)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, errors.Join(err, res.Body.Close())
}

// await waits until a workflow is finished, and returns its tasks in the order of the graph.
func (w *flows) await(ctx context.Context, f *flow) ([]*domain.Task, error) {
	out := make([]*domain.Task, len(f.graph.nodes))
	var last domain.WorkflowCounts
	for since := time.Now(); ; {
		page, err := w.store.GetWorkflow(context.WithoutCancel(ctx), f.id, ports.PlacePage{Limit: ports.MaxNodePage})
		switch {
		case err != nil:
			return out, err
		case page.FinishedAt.IsZero() && page.Counts != last:
			last, since = page.Counts, time.Now()
			continue
		case page.FinishedAt.IsZero() && time.Since(since) > flowStill:
			return out, fmt.Errorf("workflow %v is stuck: %+v", f.id, page.Counts)
		case page.FinishedAt.IsZero():
			<-time.After(50 * time.Millisecond)
			continue
		}
		var counts domain.WorkflowCounts
		for _, n := range page.Nodes {
			task, err := w.store.GetTask(context.WithoutCancel(ctx), n.TaskID)
			if err != nil {
				return out, err
			}
			if task.Status != n.Status {
				return out, fmt.Errorf("task %v is %v, and in its workflow %v", task.ID, task.Status, n.Status)
			}
			counts.Add(n.Status, n.Waiting, 1)
			out[f.graph.places[n.Ref]] = task
		}
		if counts != page.Counts || counts.Total() != len(out) {
			return out, fmt.Errorf("workflow %v has the counts %+v, and its tasks %+v", f.id, page.Counts, counts)
		}
		return out, nil
	}
}
