package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/memstore"
	"logsift/domain"
)

const workflowsPath = "/api/v1/queue/workflows"

func TestWorkflowsAreStoredAndShown(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	body := `{"name":"report","tasks":[{"ref":"north","type":"echo","payload":{"n": 1}},{"ref":"south","type":"echo","queue":"slow"},
		{"ref":"sum","type":"echo","after":["north","south"]},{"ref":"alarm","type":"echo","after":["sum"],"when":"failure"}]}`
	post := func() wire.Workflow {
		return apitest.Answer[wire.Workflow](t, w.Do("POST", workflowsPath, body, "Content-Type", "application/json", "Idempotency-Key", "k"), http.StatusCreated)
	}
	made := post()
	require.Equal(t, "report", made.Name)
	require.Equal(t, wire.WorkflowCounts{Waiting: 2, Pending: 2}, made.Counts)
	require.Equal(t, made.ID, post().ID, "a repeat stores none")
	require.Nil(t, made.FinishedAt)

	path := workflowsPath + "/" + made.ID.String()
	first := apitest.Answer[wire.Workflow](t, w.Do("GET", path+"?limit=3", ""), http.StatusOK)
	require.Len(t, first.Tasks, 3)
	require.Equal(t, []string{"north", "south"}, first.Tasks[2].After)
	require.True(t, first.Tasks[2].Waiting)
	require.Equal(t, "slow", first.Tasks[1].Queue)
	rest := apitest.Answer[wire.Workflow](t, w.Do("GET", path+"?cursor="+*first.NextCursor, ""), http.StatusOK)
	require.Len(t, rest.Tasks, 1)
	require.Equal(t, "failure", rest.Tasks[0].When)
	require.Nil(t, rest.NextCursor)

	of := apitest.Answer[wire.PredecessorList](t, w.Do("GET", "/api/v1/queue/tasks/"+first.Tasks[2].TaskID.String()+"/predecessors", ""), http.StatusOK)
	require.Len(t, of.Predecessors, 2)
	require.Equal(t, "PENDING", of.Predecessors[0].Status)

	cancelled := apitest.Answer[wire.Workflow](t, w.Do("POST", path+":cancel", ""), http.StatusOK)
	require.Equal(t, 4, cancelled.Counts.Cancelled)
	require.NotNil(t, cancelled.FinishedAt)
	require.Equal(t, 2, apitest.Answer[wire.Workflow](t, w.Do("POST", path+":retry", ""), http.StatusOK).Counts.Pending)
	list := apitest.Answer[wire.WorkflowList](t, w.Do("GET", workflowsPath+"?limit=1", ""), http.StatusOK)
	require.Len(t, list.Workflows, 1)
	require.Nil(t, list.NextCursor)
	require.Empty(t, list.Workflows[0].Tasks)

	none := workflowsPath + "/0198c5a2-0000-7000-8000-000000000001"
	apitest.Problem(t, w.Do("GET", none, ""), http.StatusNotFound, "workflow-not-found")
	apitest.Problem(t, w.Do("POST", none+":cancel", ""), http.StatusNotFound, "workflow-not-found")
	apitest.Problem(t, w.Do("GET", path+"?cursor=x", ""), http.StatusBadRequest, "invalid-cursor")
	apitest.FieldProblem(t, w.Do("GET", workflowsPath+"/x", ""), "id")
}

func TestWorkflowsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for body, field := range map[string]string{
		`[]`:           "body",
		`{"tasks":[]}`: "tasks",
		`{"tasks":[` + strings.Repeat(`{"ref":"a","type":"echo"},`, 20_000) + `{"ref":"a","type":"echo"}]}`: "tasks",
		`{"tasks":[{"type":"echo"}]}`:                                        "tasks.0.ref",
		`{"tasks":[{"ref":"a"}]}`:                                            "tasks.0.type",
		`{"tasks":[{"ref":"a","type":"echo","priority":11}]}`:                "tasks.0.priority",
		`{"tasks":[{"ref":"a","type":"echo","unique_key":"u"}]}`:             "tasks.0.unique_key",
		`{"tasks":[{"ref":"a","type":"echo","when":"maybe","after":["a"]}]}`: "tasks.0.when",
		`{"tasks":[{"ref":"a","type":"echo","when":"done"}]}`:                "tasks.0.when",
		`{"tasks":[{"ref":"a","type":"echo","after":["b"]}]}`:                "tasks.0.after",
		`{"tasks":[{"ref":"a","type":"echo"},{"ref":"b","type":"echo","after":["c"]},{"ref":"c","type":"echo","after":["b"]}]}`: "tasks.1.after",
		`{"tasks":[{"ref":"a","type":"echo"},{"ref":"a","type":"echo"}]}`:                                                       "tasks.1.ref",
		`{"name":"a b","tasks":[{"ref":"a","type":"echo"}]}`:                                                                    "name",
	} {
		apitest.FieldProblem(t, w.Do("POST", workflowsPath, body, "Content-Type", "application/json"), field)
	}
	list := apitest.Answer[wire.WorkflowList](t, w.Do("GET", workflowsPath, ""), http.StatusOK)
	require.Empty(t, list.Workflows)
}

// heldQueue is the queue that the workers of a world claim from.
type heldQueue struct {
	httpapi.QueueService

	queue *memstore.TaskQueue
}

func (q heldQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	return q.queue.GetTask(ctx, id)
}

func TestAWorkerReadsTheResultsForATaskThatItHolds(t *testing.T) {
	t.Parallel()
	ring := apitest.NewKeyring()
	store := memstore.NewTaskQueue(memstore.Config{})
	w := apitest.New(httpapi.Config{Retention: time.Hour}, func(deps *httpapi.Deps) {
		deps.Keys = func() apikey.Keys { return ring.Keys }
		deps.Queue, deps.Workflows = heldQueue{deps.Queue, store}, store
		deps.Workers = &apitest.WorkersStub{TaskQueue: store}
	})
	worker, other := ring.Bearer("worker"), ring.Bearer("admin")
	graph := `{"tasks":[{"ref":"a","type":"echo"},{"ref":"b","type":"echo"},{"ref":"sum","type":"echo","after":["a"]}]}`
	apitest.Answer[wire.Workflow](t, w.Do("POST", workflowsPath, graph, append(other, "Content-Type", "application/json")...), http.StatusCreated)
	first := claimed(t, w, 2, worker...)
	require.Len(t, first, 2)
	results(t, w, "report", wire.ReportRuns{Reports: []wire.RunReport{{Lease: first[0].Lease, Outcome: "completed", Result: []byte("7")}}}, worker...)
	plain := domain.NewTask(uuid.New(), "echo", nil)
	_, err := store.Enqueue(t.Context(), plain)
	require.NoError(t, err)
	next := claimed(t, w, 2, worker...)
	sum := next[0]
	require.Equal(t, plain.ID, next[1].ID)
	results(t, w, "report", wire.ReportRuns{Reports: []wire.RunReport{{Lease: next[1].Lease, Outcome: "completed"}}}, worker...)
	keptUntil := func(id domain.TaskID) *time.Time {
		return apitest.Answer[wire.Task](t, w.Do("GET", "/api/v1/queue/tasks/"+id.String(), "", other...), http.StatusOK).KeptUntil
	}
	require.NotNil(t, keptUntil(plain.ID))
	require.Nil(t, keptUntil(first[0].ID), "it is kept with its workflow")
	ask := func(id, lease string, as []string) *httptest.ResponseRecorder {
		return w.Do("GET", "/api/v1/worker/tasks/"+id+"/predecessors"+lease, "", as...)
	}
	lease := "?lease=" + sum.Lease
	of := apitest.Answer[wire.PredecessorList](t, ask(sum.ID.String(), lease, worker), http.StatusOK)
	require.Equal(t, "7", string(of.Predecessors[0].Result))

	apitest.FieldProblem(t, ask(sum.ID.String(), "", worker), "lease")
	apitest.FieldProblem(t, ask(sum.ID.String(), "?lease=x", worker), "lease")
	apitest.FieldProblem(t, ask(sum.ID.String(), "?lease="+first[1].Lease, worker), "lease") // another task's
	apitest.FieldProblem(t, ask(sum.ID.String(), lease, other), "lease")                     // another caller's
	results(t, w, "release", wire.ReleaseTasks{Leases: []string{sum.Lease}}, worker...)
	apitest.Problem(t, ask(sum.ID.String(), lease, worker), http.StatusConflict, "lease-lost")
	require.Equal(t, 2, claimed(t, w, 1, worker...)[0].Deliveries)
	apitest.Problem(t, ask(sum.ID.String(), lease, worker), http.StatusConflict, "lease-lost")
}
