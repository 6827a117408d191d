package verify_test

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

func TestBrokenWorkflowsAreFoundAndMended(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// harm breaks a workflow of a, b after a, and c after b, of which a is completed.
		harm func(p *storetest.Patient, flow, id string)
		want string
		// lost is whether there is nothing left to run.
		lost bool
	}{
		"sound":  {func(*storetest.Patient, string, string) {}, "", false},
		"counts": {func(p *storetest.Patient, flow, _ string) { p.Do(t, "HSET", flow, "c", string(make([]byte, 28))) }, verify.KindWorkflowCounts, false},
		"an end": {func(p *storetest.Patient, flow, _ string) { p.Do(t, "HSET", flow, "f", "1") }, verify.KindWorkflowCounts, false},
		"a gate that counts too many": {func(p *storetest.Patient, flow, _ string) {
			setNode(t, p, flow, 2, func(node []byte) { node[5] = 9 })
		}, verify.KindWorkflowGate, false},
		"a gate that is open too early": {func(p *storetest.Patient, flow, _ string) {
			setNode(t, p, flow, 2, func(node []byte) { node[5], node[9] = 0, 1 })
		}, verify.KindWorkflowGate, false},
		"a wait that does not end": {func(p *storetest.Patient, flow, _ string) {
			b := domain.TaskIDOf(uuid.UUID([]byte(flow[len(flow)-16:])), "b")
			score, err := p.Redis.ZScore(t.Context(), p.Key("workflows"), flow[len(flow)-16:]).Result()
			require.NoError(t, err)
			p.Do(t, "ZADD", p.Key("scheduled"), strconv.FormatInt(int64(score)+1, 10), b)
			p.Do(t, "ZREM", p.Key("ready:0"), b)
			setNode(t, p, flow, 1, func(node []byte) { node[0] = 1 })
		}, verify.KindWorkflowGate, false},
		"a workflow that is not listed": {func(p *storetest.Patient, _, id string) { p.Do(t, "ZREM", p.Key("workflows"), id) }, verify.KindWorkflowNotListed, false},
		"a head":                        {func(p *storetest.Patient, flow, _ string) { p.Do(t, "HSET", flow, "h", "x") }, verify.KindWorkflowCorrupt, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			store := p.Open(t)
			flow := &domain.Workflow{ID: uuid.New()}
			for _, n := range []struct {
				ref   string
				after []string
			}{{"a", nil}, {"b", []string{"a"}}, {"c", []string{"b"}}} {
				flow.Nodes = append(flow.Nodes, domain.WorkflowNode{Ref: n.ref, Task: storetest.NewTask(`{}`), After: n.after})
			}
			_, err := store.CreateWorkflow(t.Context(), flow)
			require.NoError(t, err)
			p.Report(t, p.Claim(t), ports.OutcomeCompleted)
			require.Empty(t, p.Verify(t, false))
			id := string(flow.ID[:])
			c.harm(p, p.Key("workflow:"+id), id)
			found := storetest.Kinds(p.Verify(t, false))
			if c.want == "" {
				require.Empty(t, found)
			} else {
				require.Contains(t, found, c.want)
			}
			if c.lost {
				return
			}
			p.Verify(t, true)
			_, err = store.PromoteDue(t.Context(), 10)
			require.NoError(t, err)
			require.Empty(t, p.Verify(t, false))
			for range 2 {
				p.Report(t, p.Claim(t), ports.OutcomeCompleted)
			}
			page, err := store.GetWorkflow(t.Context(), flow.ID, ports.PlacePage{Limit: 3})
			require.NoError(t, err)
			require.Equal(t, domain.WorkflowCounts{Completed: 3}, page.Counts)
			require.Empty(t, p.Verify(t, false))

			// What was finished is to be removed one day.
			p.Do(t, "DEL", p.Key("finished"))
			p.Do(t, "HSET", p.Key("nodes"), uuid.NewString()[:16], "x")
			p.Advance(time.Second)
			require.ElementsMatch(t, []string{verify.KindFinishedMissing, verify.KindWorkflowStray}, storetest.Kinds(p.Verify(t, true)))
			p.Advance(time.Hour)
			gone, err := store.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: 10})
			require.NoError(t, err)
			require.Len(t, gone, 3)
			require.Empty(t, p.Verify(t, false))
		})
	}
}

// setNode changes what is stored of a node.
func setNode(t *testing.T, p *storetest.Patient, flow string, place byte, change func(node []byte)) {
	t.Helper()
	field := "n\x00\x00\x00" + string(place)
	node, err := p.Redis.HGet(t.Context(), flow, field).Bytes()
	require.NoError(t, err)
	change(node)
	p.Do(t, "HSET", flow, field, node)
}

// large is a workflow of these nodes with so many tasks between them, of 1500 or more, that what is
// done to the whole needs several calls.
func large(between int, first, last []domain.WorkflowNode) *domain.Workflow {
	w := &domain.Workflow{ID: uuid.New(), Nodes: first}
	for i := range between {
		n := nodeAfter("f" + strconv.Itoa(i))
		n.Task.Priority = domain.PriorityLow
		w.Nodes = append(w.Nodes, n)
	}
	w.Nodes = append(w.Nodes, last...)
	return w
}

func nodeAfter(ref string, after ...string) domain.WorkflowNode {
	return domain.WorkflowNode{Ref: ref, Task: storetest.NewTask(`{}`), After: after}
}

const cancels, retries = 1, 2

// begin does what the first write of workflows/change.lua does, and nothing more.
func begin(t *testing.T, p *storetest.Patient, id domain.WorkflowID, what byte) {
	t.Helper()
	item := append(id[:], 0, 0, 0, 0, 0, what)
	p.Do(t, "HSET", p.Key("workflow:"+string(id[:])), map[byte]string{cancels: "x", retries: "y"}[what], "1")
	p.Do(t, "RPUSH", p.Key("following"), binary.BigEndian.AppendUint32(item, 0))
	p.Do(t, "HSET", p.Key("meta"), "follow", "wW")
}

// goOn has other calls do all that is left to do for workflows.
func goOn(t *testing.T, p *storetest.Patient, store *redisstore.Client) {
	t.Helper()
	for p.Redis.Exists(t.Context(), p.Key("following")).Val() == 1 {
		_, err := store.PromoteDue(t.Context(), 1)
		require.NoError(t, err)
	}
}

func TestStepsAreToldInTheirOrderWhileAWorkflowIsRetried(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	store := p.Open(t)
	w := large(1500, nil, []domain.WorkflowNode{nodeAfter("a"), nodeAfter("b", "a")})
	w.Nodes[1500].Task.Priority = domain.PriorityHigh
	_, err := store.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	a, b := p.Claim(t), domain.TaskIDOf(w.ID, "b")
	require.Equal(t, domain.TaskIDOf(w.ID, "a"), a.ID)
	begin(t, p, w.ID, retries)
	p.Report(t, a, ports.OutcomeFailed) // The retry comes to it later, and runs it again.
	goOn(t, p, store)
	task, err := store.GetTask(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, task.WaitingFor)
	require.Empty(t, p.Verify(t, false))
	a = p.Claim(t)
	require.Equal(t, domain.TaskIDOf(w.ID, "a"), a.ID)
	p.Report(t, a, ports.OutcomeCompleted)
	task, err = store.GetTask(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, domain.TaskStatusPending, task.Status)
	require.Empty(t, task.WaitingFor)
	require.Empty(t, p.Verify(t, false))
}

func TestNoTaskIsRetriedWhileItsWorkflowIsCancelled(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	store := p.Open(t)
	w := large(1500, []domain.WorkflowNode{nodeAfter("b", "a")}, []domain.WorkflowNode{nodeAfter("a")})
	_, err := store.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	begin(t, p, w.ID, cancels)
	_, err = store.PromoteDue(t.Context(), 1)
	require.NoError(t, err)
	status := func(id domain.TaskID) domain.TaskStatus {
		task, err := store.GetTask(t.Context(), id)
		require.NoError(t, err)
		return task.Status
	}
	a, b := domain.TaskIDOf(w.ID, "a"), domain.TaskIDOf(w.ID, "b")
	require.Equal(t, domain.TaskStatusPending, status(a), "the cancellation has not come to it")
	require.Equal(t, domain.TaskStatusCancelled, status(b))
	var refused *domain.TransitionError
	require.ErrorAs(t, store.RetryTask(t.Context(), b), &refused)
	require.True(t, refused.Node)
	goOn(t, p, store)
	require.NoError(t, store.RetryTask(t.Context(), a, b))
	p.Report(t, p.Claim(t), ports.OutcomeCompleted)
	p.Report(t, p.Claim(t), ports.OutcomeCompleted)
	require.Equal(t, domain.TaskStatusCompleted, status(b))
	require.Empty(t, p.Verify(t, false))
}

func TestAWorkflowThatIsCancelledAgainRunsNothingInBetween(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	store := p.Open(t)
	callback := nodeAfter("callback", "a")
	callback.When = domain.WhenFailure
	w := large(3500, []domain.WorkflowNode{nodeAfter("a")}, []domain.WorkflowNode{callback})
	_, err := store.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	for _, what := range []byte{cancels, retries, cancels} {
		begin(t, p, w.ID, what)
	}
	for p.Redis.Exists(t.Context(), p.Key("following")).Val() == 1 {
		tasks, err := store.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
		require.NoError(t, err)
		for _, task := range tasks {
			require.NotEqual(t, "callback", task.Workflow.Ref)
		}
	}
	page, err := store.GetWorkflow(t.Context(), w.ID, ports.PlacePage{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, domain.WorkflowCounts{Cancelled: 3502}, page.Counts)
	require.Empty(t, p.Verify(t, false))
}
