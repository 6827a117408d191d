package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/wire"
)

const (
	requestTimeout = 3 * time.Second
	maxTries       = 10
	tryPause       = 100 * time.Millisecond
	producers      = 4
)

// Load says what is asked of the queue.
type Load struct {
	// Rate is how many requests are made in a second.
	Rate int
	// Long is how many of 1000 tasks run longer than a lease, Slow how many run for
	// up to a second and a half.
	Long, Slow int
	// Rerun is how many of 1000 requests look for a task that failed and run it
	// again, Cancel how many cancel one.
	Rerun, Cancel int
	// Logs is how many of 1000 requests send log lines, EndBatch how many cancel or
	// delete a task that is to analyse such.
	Logs, EndBatch int
	// Queues is how many of 1000 tasks begin a queue of their own, until QueuesUntil
	// after the begin, or always if that is 0.
	Queues      int
	QueuesUntil time.Duration
	// Held is how many of 1000 tasks have a unique key that is held for heldFor.
	Held int
}

// heldFor is for how long unique keys of a time are held.
const heldFor = 2 * time.Second

// DefaultLoad is the load of a chaos run.
func DefaultLoad() Load {
	return Load{Rate: 80, Long: 8, Slow: 40, Rerun: 40, Cancel: 20, Logs: 60, EndBatch: 10, Queues: 10, Held: 40}
}

// Client is a user of the API. It writes a history of what it does.
type Client struct {
	serves   []*Process
	recorder *Recorder
	http     *http.Client
	load     Load
	seed     uint64
	// began is when Run did.
	began time.Time

	mu      sync.Mutex   // guards the fields below
	known   []*knownTask // the tasks that were acknowledged
	batches []*knownTask // those that were said to analyse log lines
}

// knownTask is what the client knows of a task.
type knownTask struct {
	id string
	// once is whether one try was enough to enqueue it, by a process that has no
	// proxy before Redis. Only such are deleted: a try that is held up on the way
	// would make the task again.
	once bool
}

// NewClient returns a client. The last of the processes reaches Redis without a
// proxy; what may not be repeated goes through it.
func NewClient(recorder *Recorder, load Load, seed uint64, serves ...*Process) *Client {
	return &Client{
		serves: serves, recorder: recorder, load: load, seed: seed,
		http: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: producers}},
	}
}

// Run makes requests until ctx ends.
func (c *Client) Run(ctx context.Context) {
	c.began = time.Now()
	var running sync.WaitGroup
	for i := range uint64(producers) {
		running.Go(func() { c.produce(ctx, rand.New(rand.NewPCG(c.seed, 100+i))) })
	}
	running.Wait()
	c.http.CloseIdleConnections()
}

func (c *Client) produce(ctx context.Context, r *rand.Rand) {
	tick := time.NewTicker(time.Second * producers / time.Duration(c.load.Rate))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		c.choose(ctx, r)
	}
}

// choose makes one request.
func (c *Client) choose(ctx context.Context, r *rand.Rand) {
	n := r.IntN(1000)
	for _, kind := range []struct {
		share int
		do    func()
	}{
		{c.load.Rerun, func() { c.rerun(ctx, r) }},
		{c.load.Cancel, func() { c.manage(ctx, r, OpCancel, ":cancel") }},
		{20, func() { c.manage(ctx, r, OpRunNow, ":run") }},
		{10, func() { c.delete(ctx, r) }},
		{170, func() {
			if t := c.some(r); t != nil {
				c.get(ctx, c.serves[r.IntN(len(c.serves))], t)
			}
		}},
		{c.load.Logs, func() { c.sendLogs(ctx, r) }},
		{c.load.EndBatch, func() { c.endBatch(ctx, r) }},
	} {
		if n -= kind.share; n < 0 {
			kind.do()
			return
		}
	}
	c.enqueue(ctx, r)
}

func (c *Client) some(r *rand.Rand) *knownTask {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) == 0 {
		return nil
	}
	// Mostly new ones, where something happens.
	n := len(c.known)
	return c.known[n-1-min(r.IntN(n), r.IntN(n), r.IntN(n))]
}

func (c *Client) direct() *Process { return c.serves[len(c.serves)-1] }

// newTask makes the body of a task.
func (c *Client) newTask(r *rand.Rand) (token, key string, body []byte) {
	plan := taskPlan{token: newToken(r), Millis: 1 + r.IntN(50)}
	switch n := r.IntN(1000); {
	case n < c.load.Long:
		plan.Millis, plan.Deaf = 2100+r.IntN(1000), r.IntN(2) == 0
	case n < c.load.Long+c.load.Slow:
		plan.Millis = 200 + r.IntN(1300)
	}
	switch n := r.IntN(100); {
	case n < 10:
		plan.Failures = 1 + r.IntN(2)
		plan.Panics = r.IntN(plan.Failures + 1)
	case n < 12:
		plan.Failures = 9 // more than its retries
	case n < 17:
		plan.Permanent = true
	case n < 22:
		plan.Snoozes = 1 + r.IntN(2)
	}
	switch n := r.IntN(1000); {
	case n >= 750:
		plan.Queue = "bulk"
	case n < c.load.Queues && (c.load.QueuesUntil == 0 || time.Since(c.began) < c.load.QueuesUntil):
		plan.Queue = "new-" + plan.token[:8]
	}
	priority := r.IntN(11)
	in := wire.CreateTask{Priority: &priority}
	if r.IntN(8) == 0 {
		delay := r.Float64() * 1.5
		in.DelaySeconds = &delay
	}
	if r.IntN(40) == 0 {
		in.UniqueKey = fmt.Sprint("key-", r.IntN(5))
	} else if r.IntN(1000) < c.load.Held {
		in.UniqueKey, in.UniqueForSeconds = fmt.Sprint("time-", r.IntN(5)), heldFor.Seconds()
		in.OnConflict = []string{"reject", "keep"}[r.IntN(2)]
	}
	return plan.token, in.UniqueKey, plan.body(in)
}

func newToken(r *rand.Rand) string {
	id, err := uuid.NewRandomFromReader(randReader{r})
	if err != nil {
		panic(err) // The reader gives no errors.
	}
	return id.String()
}

// randReader makes a seeded source a reader.
type randReader struct{ r *rand.Rand }

func (r randReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.r.Uint32())
	}
	return len(b), nil
}

// enqueue sends a task until it is acknowledged or refused, each time under the
// same idempotency key.
func (c *Client) enqueue(ctx context.Context, r *rand.Rand) {
	token, key, body := c.newTask(r)
	first := r.IntN(len(c.serves))
	for try := range maxTries {
		serve := c.serves[(first+try)%len(c.serves)]
		id, again := c.post(ctx, serve, token, key, body)
		if id != "" {
			c.mu.Lock()
			c.known = append(c.known, &knownTask{id: id, once: try == 0 && serve == c.direct()})
			c.mu.Unlock()
		}
		if !again || !pause(ctx, tryPause) {
			return
		}
	}
}

// post sends a task once, under its token as the idempotency key. It returns its id
// if it was acknowledged, and whether it may be sent again.
func (c *Client) post(ctx context.Context, serve *Process, token, key string, body []byte) (id string, again bool) {
	events := c.recorder.Begin(Event{Op: OpEnqueue, On: serve.config.Name, In: token, Key: key})
	status, raw, err := c.call(ctx, serve, http.MethodPost, "/api/v1/queue/tasks", token, body)
	events[0].Outcome, events[0].Out = httpOutcome(status, err)
	if events[0].Outcome == OK {
		task := decode[wire.Task](raw)
		if task.Outcome == "existing" {
			events[0].Outcome, events[0].Out = Fail, task.Outcome
		} else {
			events[0].Task = task.ID.String()
		}
	}
	c.recorder.End(events)
	return events[0].Task, events[0].Outcome != OK &&
		(status == 0 || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests)
}

// decode reads what the API answers.
func decode[T any](raw []byte) T {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Sprintf("the API answers %q: %v", raw, err))
	}
	return v
}

// maxLines is how many log lines are sent at once.
const maxLines = 5

// sendLogs sends a few log lines, once.
func (c *Client) sendLogs(ctx context.Context, r *rand.Rand) {
	serve := c.serves[r.IntN(len(c.serves))]
	n := 1 + r.IntN(maxLines)
	lines := strings.Repeat("ERROR the disk is on fire\n", n)
	events := c.recorder.Begin(Event{Op: OpLogs, On: serve.config.Name, Max: n})
	status, raw, err := c.call(ctx, serve, http.MethodPost, "/api/v1/logs", "", []byte(lines))
	events[0].Outcome, events[0].Out = httpOutcome(status, err)
	if events[0].Outcome == OK {
		receipt := decode[wire.LogReceipt](raw)
		for _, id := range receipt.LogIDs {
			events[0].Logs = append(events[0].Logs, id.String())
		}
		for _, id := range receipt.TaskIDs {
			events[0].Tasks = append(events[0].Tasks, id.String())
		}
	}
	c.recorder.End(events)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range events[0].Tasks {
		c.batches = append(c.batches, &knownTask{id: id, once: serve == c.direct()})
	}
}

// endBatch cancels or deletes one of the newest tasks that analyse log lines, most of
// which wait for more.
func (c *Client) endBatch(ctx context.Context, r *rand.Rand) {
	c.mu.Lock()
	var t *knownTask
	if n := len(c.batches); n > 0 {
		t = c.batches[n-1-r.IntN(min(n, 4))]
	}
	c.mu.Unlock()
	switch {
	case t == nil:
	case t.once && r.IntN(2) == 0:
		c.change(ctx, t, OpDelete, "")
	default:
		c.change(ctx, t, OpCancel, ":cancel")
	}
}

// httpOutcome says what is known of a request. Only a refusal by the API, or a
// connection that was never made, tells that nothing has happened.
func httpOutcome(status int, err error) (Outcome, string) {
	var dial *net.OpError
	switch {
	case errors.Is(err, errDown), errors.As(err, &dial) && dial.Op == "dial":
		return Fail, "not sent"
	case err != nil:
		return Unknown, err.Error()
	case status < http.StatusMultipleChoices:
		return OK, ""
	case status == http.StatusNotFound:
		return Fail, NotFound
	case status < http.StatusInternalServerError:
		return Fail, http.StatusText(status)
	default:
		return Unknown, http.StatusText(status)
	}
}

// get looks at a task and returns its status, "" if that could not be had.
func (c *Client) get(ctx context.Context, serve *Process, t *knownTask) string {
	events := c.recorder.Begin(Event{Op: OpGet, On: serve.config.Name, Task: t.id})
	status, raw, err := c.call(ctx, serve, http.MethodGet, "/api/v1/queue/tasks/"+t.id, "", nil)
	events[0].Outcome, events[0].Out = httpOutcome(status, err)
	var task wire.Task
	if events[0].Outcome == OK {
		task = decode[wire.Task](raw)
		events[0].Out, events[0].Fence = task.Status, task.Deliveries
	}
	c.recorder.End(events)
	return task.Status
}

// rerun looks for a task that failed or was cancelled and runs it again.
func (c *Client) rerun(ctx context.Context, r *rand.Rand) {
	for range 8 {
		t := c.some(r)
		if t == nil {
			return
		}
		if status := c.get(ctx, c.direct(), t); status == "FAILED" || status == "CANCELLED" {
			c.change(ctx, t, OpRerun, ":retry")
			return
		}
	}
}

func (c *Client) manage(ctx context.Context, r *rand.Rand, op Op, verb string) {
	if t := c.some(r); t != nil {
		c.change(ctx, t, op, verb)
	}
}

// change asks for a step of a task by its verb, or for its removal. A conflict is not
// taken for a refusal: the API may have repeated a step whose reply was lost, and found
// it done.
func (c *Client) change(ctx context.Context, t *knownTask, op Op, verb string) {
	method := http.MethodPost
	if op == OpDelete {
		method = http.MethodDelete
	}
	events := c.recorder.Begin(Event{Op: op, Task: t.id})
	status, _, err := c.call(ctx, c.direct(), method, "/api/v1/queue/tasks/"+t.id+verb, "", nil)
	events[0].Outcome, events[0].Out = httpOutcome(status, err)
	if status >= http.StatusBadRequest {
		events[0].Outcome = Unknown
	}
	c.recorder.End(events)
}

func (c *Client) delete(ctx context.Context, r *rand.Rand) {
	if t := c.some(r); t != nil && t.once {
		c.change(ctx, t, OpDelete, "")
	}
}

var errDown = errors.New("the process is down")

// call makes one request, and returns the status, 0 for none, and the body.
func (c *Client) call(ctx context.Context, serve *Process, method, path, key string, body []byte) (int, []byte, error) {
	addr := serve.Addr()
	if addr == "" {
		return 0, nil, errDown
	}
	// A request under way is not cut short by the end of the load.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if len(body) > 0 && body[0] == '{' {
		req.Header.Set("Content-Type", "application/json")
	} else if body != nil {
		req.Header.Set("Content-Type", "text/plain")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // It was read.
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	return res.StatusCode, raw, nil
}

// pause waits for d and reports whether it did, rather than ctx ending first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
