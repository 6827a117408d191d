package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.WorkflowKeeper = (*TaskQueue)(nil)

// keptWithWorkflow is the retention of a task that goes with its workflow: in microseconds,
// longer than any task is kept.
const keptWithWorkflow = 1 << 62

// whens are the values of node.ends.
var whens = [...]domain.When{domain.WhenSuccess, domain.WhenFailure, domain.WhenDone}

// workflowAction is what is being done to a workflow.
type workflowAction int64

const (
	actionNone workflowAction = iota
	actionCancel
	actionRetry
	actionRemove
)

// workflow is a row of the table workflow.
type workflow struct {
	domain.WorkflowInfo

	seq, nodes, done int64
	action           workflowAction
	changed          bool
}

const selectWorkflow = `SELECT seq, id, name, nodes, waiting, pending, processing, retrying, completed, failed, cancelled,
	finished_us, action, done FROM workflow `

func readWorkflow(r *row) *workflow {
	w := &workflow{seq: r.int(0), nodes: r.int(3), action: workflowAction(r.int(12)), done: r.int(13)}
	w.ID, w.Name, w.CreatedAt, w.FinishedAt = r.uuid(1), r.text(2), timeOf(w.seq), timeOf(r.int(11))
	w.Counts = domain.WorkflowCounts{
		Waiting: int(r.int(4)), Pending: int(r.int(5)), Processing: int(r.int(6)), Retrying: int(r.int(7)),
		Completed: int(r.int(8)), Failed: int(r.int(9)), Cancelled: int(r.int(10)),
	}
	return w
}

// workflow returns a workflow, nil if there is none.
func (tx *transaction) workflow(seq int64) (*workflow, error) {
	if w, known := tx.workflows[seq]; known {
		return w, nil
	}
	if tx.workflows == nil {
		tx.workflows = map[int64]*workflow{}
	}
	var w *workflow
	err := tx.each(func(r *row) error {
		w = readWorkflow(r)
		return r.err
	}, selectWorkflow+"WHERE seq = ?", seq)
	tx.workflows[seq] = w
	return w, err
}

// workflowOf returns a workflow that is not being removed, nil if there is none.
func (tx *transaction) workflowOf(id domain.WorkflowID) (*workflow, error) {
	seq, known, err := tx.number("SELECT seq FROM workflow WHERE id = ?", id[:])
	if err != nil || !known {
		return nil, err
	}
	w, err := tx.workflow(seq)
	if w == nil || w.action == actionRemove {
		return nil, err
	}
	return w, err
}

// storeWorkflows writes the workflows that changed.
func (tx *transaction) storeWorkflows() error {
	for _, w := range tx.workflows {
		if w == nil || !w.changed {
			continue
		}
		w.changed = false
		c := &w.Counts
		_, err := tx.exec(`UPDATE workflow SET waiting = ?, pending = ?, processing = ?, retrying = ?, completed = ?, failed = ?, cancelled = ?,
			finished_us = ?, action = ?, done = ? WHERE seq = ?`,
			c.Waiting, c.Pending, c.Processing, c.Retrying, c.Completed, c.Failed, c.Cancelled, microsOf(w.FinishedAt), int64(w.action), w.done, w.seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// CreateWorkflow stores the workflow in one transaction.
func (q *TaskQueue) CreateWorkflow(ctx context.Context, in *domain.Workflow) (domain.WorkflowInfo, error) {
	if err := ports.ValidateWorkflow(in); err != nil {
		return domain.WorkflowInfo{}, err
	}
	made := newWorkflow(in)
	var info domain.WorkflowInfo
	var refused error
	err := q.db.writer.do(ctx, "create workflow", func(tx *transaction) (err error) {
		info, refused, err = tx.createWorkflow(made)
		return err
	})
	if err == nil {
		err = refused
	}
	return info, err
}

// madeWorkflow is a workflow that is about to be stored.
type madeWorkflow struct {
	id             domain.WorkflowID
	name           string
	digest, places []byte
	tasks          []*domain.Task
	nodes          []madeNode
}

type madeNode struct {
	ref            string
	when           domain.When
	after          int
	before, behind []byte
}

func newWorkflow(in *domain.Workflow) *madeWorkflow {
	digest := in.Digest()
	before, behind, order := in.Edges()
	w := &madeWorkflow{id: in.ID, name: in.Name, digest: digest[:], places: placeList(order)}
	for i := range in.Nodes {
		n := &in.Nodes[i]
		t := in.Task(i)
		t.ScheduledAt, t.WaitingFor = timeOf(microsOf(t.ScheduledAt)), n.After
		w.tasks = append(w.tasks, t)
		w.nodes = append(w.nodes, madeNode{n.Ref, n.When, len(n.After), placeList(before[i]), placeList(behind[i])})
	}
	return w
}

// placeList returns a JSON array of places.
func placeList(places []int) []byte {
	if places == nil {
		places = []int{}
	}
	// Numbers always marshal.
	list, _ := json.Marshal(places)
	return list
}

func (tx *transaction) createWorkflow(made *madeWorkflow) (info domain.WorkflowInfo, refused, err error) {
	seq, known, err := tx.number("SELECT seq FROM workflow WHERE id = ?", made.id[:])
	if err != nil {
		return info, nil, err
	}
	if known {
		return tx.recreateWorkflow(seq, made)
	}
	ids := make([]uuid.UUID, len(made.tasks))
	for i, t := range made.tasks {
		ids[i] = t.ID
	}
	taken, some, err := tx.number("SELECT j.key"+byID+" LIMIT 1", idList(ids))
	if err != nil {
		return info, nil, err
	}
	if some {
		return info, fmt.Errorf("task %s: %w", ids[taken], domain.ErrTaskExists), nil
	}
	stored := make([]*domain.Task, len(made.tasks))
	if err := tx.enqueueMany(made.tasks, stored, make([]error, len(made.tasks))); err != nil {
		return info, nil, err
	}
	w := &workflow{seq: microsOf(stored[0].CreatedAt), nodes: int64(len(made.nodes)), changed: true}
	w.ID, w.Name, w.CreatedAt = made.id, made.name, stored[0].CreatedAt
	var nodes, gates []any
	for i := range made.nodes {
		n, at := &made.nodes[i], w.seq+int64(i)
		nodes = append(nodes, at, n.ref, int64(max(slices.Index(whens[:], n.when), 0)), n.before, n.behind)
		w.Counts.Add(domain.TaskStatusPending, n.after > 0, 1)
		if n.after > 0 {
			g := domain.NewGate(n.after)
			gates = append(gates, at, int64(g.Unfinished), int64(g.Unmet), int64(g.State))
		}
	}
	if _, err := tx.insert("INSERT INTO node (seq, ref, ends, before, behind) VALUES ", 5, nodes, ""); err != nil {
		return info, nil, err
	}
	if _, err := tx.insert("INSERT INTO gate (seq, unfinished, unmet, state) VALUES ", 4, gates, ""); err != nil {
		return info, nil, err
	}
	if _, err := tx.exec("INSERT INTO workflow_plan (seq, digest, places) VALUES (?, ?, ?)", w.seq, made.digest, made.places); err != nil {
		return info, nil, err
	}
	_, err = tx.exec("INSERT INTO workflow (seq, id, name, nodes, waiting, pending) VALUES (?, ?, ?, ?, ?, ?)",
		w.seq, made.id[:], made.name, w.nodes, w.Counts.Waiting, w.Counts.Pending)
	tx.hasWorkflows = true
	return w.WorkflowInfo, nil, err
}

// recreateWorkflow returns the workflow that has the id of another, if they are the same.
func (tx *transaction) recreateWorkflow(seq int64, made *madeWorkflow) (info domain.WorkflowInfo, refused, err error) {
	_, same, err := tx.number("SELECT 1 FROM workflow_plan WHERE seq = ? AND digest = ?", seq, made.digest)
	if err != nil {
		return info, nil, err
	}
	w, err := tx.workflow(seq)
	if err == nil && (w == nil || !same || w.action == actionRemove) {
		return info, fmt.Errorf("workflow %s: %w", made.id, domain.ErrWorkflowExists), nil
	}
	if err != nil {
		return info, nil, err
	}
	return w.WorkflowInfo, nil, nil
}

func workflowNotFound(id domain.WorkflowID) error {
	return fmt.Errorf("workflow %s: %w", id, domain.ErrWorkflowNotFound)
}

func (q *TaskQueue) GetWorkflow(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error) {
	if err := page.Validate(); err != nil {
		return domain.WorkflowPage{}, err
	}
	var out domain.WorkflowPage
	found := false
	err := q.db.read(ctx, "get workflow", func(s *statements) error {
		var w *workflow
		err := s.each(func(r *row) error {
			w = readWorkflow(r)
			return r.err
		}, selectWorkflow+"WHERE id = ?", id[:])
		if found = w != nil && w.action != actionRemove; err != nil || !found {
			return err
		}
		from, to, next := page.Cut(int(w.nodes))
		out = domain.WorkflowPage{WorkflowInfo: w.WorkflowInfo, Next: next}
		out.Nodes, err = loadNodes(s, w.seq, from, to)
		return err
	})
	if err == nil && !found {
		err = workflowNotFound(id)
	}
	return out, err
}

// loadNodes reads the nodes of a workflow from a place up to another.
func loadNodes(s *statements, seq int64, from, to int) (out []domain.WorkflowNodeInfo, err error) {
	refs := map[int]string{}
	var befores [][]int
	var places []int64
	err = s.each(func(r *row) error {
		n := domain.WorkflowNodeInfo{
			Ref: r.text(0), TaskID: r.uuid(1), Type: domain.TaskType(r.text(2)), Queue: r.text(3), Status: statusOf(r.int(5)), Waiting: r.int(6) != 0,
		}
		if when := r.int(4); when >= 0 && when < int64(len(whens)) {
			n.When = whens[when]
		}
		before, err := readPlaces(r.blob(7))
		for _, place := range before {
			if _, known := refs[place]; !known {
				refs[place] = ""
				places = append(places, seq+int64(place))
			}
		}
		out, befores = append(out, n), append(befores, before)
		if r.err == nil {
			r.err = err
		}
		return r.err
	}, `SELECT n.ref, t.id, l.type, l.queue, n.ends, t.state, t.state = 2 AND t.wake_us = `+neverText+`, n.before
		FROM node n JOIN task t ON t.seq = n.seq JOIN lane l ON l.id = t.lane WHERE n.seq >= ? AND n.seq < ? ORDER BY n.seq`,
		seq+int64(from), seq+int64(to))
	if err != nil {
		return nil, err
	}
	err = s.each(func(r *row) error {
		refs[int(r.int(0)-seq)] = r.text(1)
		return r.err
	}, "SELECT n.seq, n.ref FROM json_each(?) j CROSS JOIN node n ON n.seq = j.value", seqList(places))
	for i, before := range befores {
		for _, place := range before {
			out[i].After = append(out[i].After, refs[place])
		}
	}
	return out, err
}

// readPlaces reads a JSON array of places.
func readPlaces(list []byte) (places []int, err error) {
	if err := json.Unmarshal(list, &places); err != nil {
		return nil, fmt.Errorf("%w: the places of nodes: %w", domain.ErrCorruptRecord, err)
	}
	return places, nil
}

func (q *TaskQueue) ListWorkflows(ctx context.Context, req ports.WorkflowRequest) (domain.WorkflowList, error) {
	if err := req.Validate(); err != nil {
		return domain.WorkflowList{}, err
	}
	below := int64(never)
	created, _, behind, err := ports.DecodeWorkflowCursor(req.Cursor)
	if err != nil {
		return domain.WorkflowList{}, err
	}
	if behind {
		// No two are created at the same time.
		below = created.UnixMicro()
	}
	var out domain.WorkflowList
	err = q.db.read(ctx, "list workflows", func(s *statements) error {
		out = domain.WorkflowList{}
		return s.each(func(r *row) error {
			if len(out.Workflows) == req.Limit {
				out.NextCursor = ports.EncodeWorkflowCursor(out.Workflows[req.Limit-1])
			} else {
				out.Workflows = append(out.Workflows, readWorkflow(r).WorkflowInfo)
			}
			return r.err
		}, selectWorkflow+"WHERE seq < ? AND action <> 3 ORDER BY seq DESC LIMIT ?", below, req.Limit+1)
	})
	return out, err
}

// CancelWorkflow cancels some tasks in each transaction.
func (q *TaskQueue) CancelWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.changeWorkflow(ctx, "cancel workflow", id, actionCancel)
}

// RetryWorkflow has some tasks run again in each transaction.
func (q *TaskQueue) RetryWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.changeWorkflow(ctx, "retry workflow", id, actionRetry)
}

// changeWorkflow does an action to a workflow. It finishes what others have begun first.
func (q *TaskQueue) changeWorkflow(ctx context.Context, what string, id domain.WorkflowID, action workflowAction) (info domain.WorkflowInfo, err error) {
	var begun, done bool
	for !done && err == nil {
		found, begins := false, false
		err = q.db.writer.do(ctx, what, func(tx *transaction) error {
			found, begins, done, info = false, begun, false, domain.WorkflowInfo{}
			w, err := tx.workflowOf(id)
			if err != nil || w == nil {
				return err
			}
			found = true
			if !begins {
				if w.action != actionNone && w.action != action {
					return nil // Each transaction goes on with that.
				}
				begins = true
				if w.action == actionNone {
					w.action, w.done, w.changed, tx.acting = action, 0, true, true
				}
			}
			if err := tx.follow(); err != nil {
				return err
			}
			done, info = w.action != action, w.WorkflowInfo
			return nil
		})
		if err == nil && !found {
			err = workflowNotFound(id)
		}
		begun = begins
	}
	return info, err
}

func (q *TaskQueue) GetPredecessors(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error) {
	if err := page.Validate(); err != nil {
		return domain.Predecessors{}, err
	}
	var out domain.Predecessors
	found := false
	err := q.db.read(ctx, "get predecessors", func(s *statements) error {
		out, found = domain.Predecessors{}, false
		var seq, workflow int64
		var before []byte
		err := s.each(func(r *row) error {
			if found = true; r.values[1] != nil && r.values[2] != nil {
				seq, workflow, before = r.int(0), r.int(1), r.blob(2)
			}
			return r.err
		}, "SELECT t.seq, t.workflow, n.before FROM task t LEFT JOIN node n ON n.seq = t.seq WHERE t.id = ?", id[:])
		if err != nil || seq == 0 {
			return err
		}
		places, err := readPlaces(before)
		if err != nil {
			return err
		}
		from, to, next := page.Cut(len(places))
		seqs := make([]int64, 0, to-from)
		for _, place := range places[from:to] {
			seqs = append(seqs, workflow+int64(place))
		}
		room := ports.MaxCallBytes
		err = s.each(func(r *row) error {
			p := domain.Predecessor{Ref: r.text(0), TaskID: r.uuid(1), Status: statusOf(r.int(2)), Result: r.blob(3), Error: string(r.blob(4))}
			if room -= len(p.Result); room < 0 && len(out.Predecessors) > 0 {
				next = from + len(out.Predecessors)
				return errEnough
			}
			out.Predecessors = append(out.Predecessors, p)
			return r.err
		}, `SELECT n.ref, t.id, t.state, CASE WHEN t.state = 5 THEN (SELECT data FROM result r WHERE r.seq = t.seq) END,
			CASE WHEN t.state <> 5 AND t.failures > 0 THEN (SELECT message FROM failure f WHERE f.seq = t.seq ORDER BY f.n DESC LIMIT 1) END
			FROM json_each(?) j CROSS JOIN node n ON n.seq = j.value CROSS JOIN task t ON t.seq = n.seq`, seqList(seqs))
		out.Next = next
		return enough(err)
	})
	if err == nil && !found {
		err = taskNotFound(id)
	}
	return out, err
}

// loadWaitingFor fills in for whom a task waits.
func loadWaitingFor(s *statements, rec *record) error {
	if !rec.waits {
		return nil
	}
	return s.each(func(r *row) error {
		rec.task.WaitingFor = append(rec.task.WaitingFor, r.text(0))
		return r.err
	}, `SELECT p.ref FROM node n CROSS JOIN json_each(CAST(n.before AS TEXT)) j CROSS JOIN task t ON t.seq = ?2 + j.value
		CROSS JOIN node p ON p.seq = t.seq WHERE n.seq = ?1 AND t.state <= 4 ORDER BY j.key LIMIT ?3`,
		rec.seq, rec.workflow, domain.MaxWaitingFor)
}
