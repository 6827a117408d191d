package bootstrap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/domain"
	"logsift/ports"
)

// Greeter is a processor of our own: its tasks greet whom the payload names.
type Greeter struct{}

// Process runs one attempt. The error of a payload that no retry can mend is
// permanent; any other would have the task run again after 1, 4 and 9 minutes.
func (Greeter) Process(_ context.Context, task *domain.Task) ([]byte, error) {
	var name string
	if err := json.Unmarshal(task.Payload, &name); err != nil {
		return nil, domain.Permanent(fmt.Errorf("payload must be a name: %w", err))
	}
	return json.Marshal("hello " + name)
}

// A program with a processor of its own is the whole system: API, dashboard, queue
// and workers.
func ExampleNew() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	config := bootstrap.DefaultConfig()
	config.Store = "memory:" // such as redis://127.0.0.1:6379/0
	config.Addr = "127.0.0.1:0"
	config.LogLevel = "error"
	config.Processors = map[domain.TaskType]ports.TaskProcessor{"greet": Greeter{}}
	app, err := bootstrap.New(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := app.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { fmt.Println("stopped:", app.Stop(ctx)) }()

	task, err := askTask(ctx, http.MethodPost, app.URL()+"/api/v1/queue/tasks", `{"type":"greet","payload":"world"}`)
	for err == nil && task.Status != "COMPLETED" {
		task, err = askTask(ctx, http.MethodGet, app.URL()+"/api/v1/queue/tasks/"+task.ID.String(), "")
	}
	fmt.Println(task.Status, string(task.Result), err)
	// Output:
	// COMPLETED "hello world" <nil>
	// stopped: <nil>
}

func askTask(ctx context.Context, method, url, body string) (wire.Task, error) {
	var task wire.Task
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return task, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return task, err
	}
	defer func() { _ = res.Body.Close() }()
	return task, json.NewDecoder(res.Body).Decode(&task)
}
