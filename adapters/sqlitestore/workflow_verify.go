package sqlitestore

import (
	"fmt"
	"maps"
	"slices"

	"logsift/domain"
)

// KindNodeWrong: a workflow, or one of its tasks, knows otherwise of its tasks than
// these are.
const KindNodeWrong = "node_wrong"

// countNodes are the columns of table workflow that follow from its tasks.
const countNodes = `ifnull(sum(t.state = 2 AND t.wake_us = 9223372036854775807), 0),
	ifnull(sum(t.state = 1 OR t.state = 2 AND t.wake_us < 9223372036854775807), 0), ifnull(sum(t.state = 3), 0), ifnull(sum(t.state = 4), 0),
	ifnull(sum(t.state = 5), 0), ifnull(sum(t.state = 6), 0), ifnull(sum(t.state = 7), 0)`

// countBefore counts the predecessors p of the node n, whose task is t, as its gate does.
const (
	countBefore = `ifnull(sum(p.state <= 4), 0), ifnull(sum(` + isUnmet + `), 0)`
	isUnmet     = `p.state > 4 AND n.ends <> 2 AND (n.ends = 1) = (p.state = 5)`
	fromBefore  = `json_each(iif(json_valid(CAST(n.before AS TEXT)), CAST(n.before AS TEXT), '[]')) j CROSS JOIN task p ON p.seq = t.workflow + j.value`
)

// settled is that all steps are told in the workflow of the task t, which stays.
const settled = `t.workflow NOT IN (SELECT workflow FROM node_step) AND t.workflow IN (SELECT seq FROM workflow WHERE action <> 3)`

// nodeRules hold at every commit. What they find can be mended.
var nodeRules = []rule{
	{"what it knows of the tasks that it comes after is wrong", "task", `
		SELECT t.seq FROM node n JOIN task t ON t.seq = n.seq LEFT JOIN gate g ON g.seq = n.seq
		WHERE n.before <> CAST('[]' AS BLOB) AND ` + settled + ` AND (g.seq IS NULL OR (g.unfinished, g.unmet) <> (SELECT ` + countBefore + ` FROM ` + fromBefore + `))`},
	{"it waits for others and is not held back, or the other way round", "task", `
		SELECT t.seq FROM task t LEFT JOIN gate g ON g.seq = t.seq
		WHERE t.workflow IS NOT NULL AND ` + settled + ` AND (ifnull(g.state, 0) NOT IN (0, 1, 2)
			OR (ifnull(g.state, 0) = 1) <> (t.state = 2 AND t.wake_us = 9223372036854775807)
			OR g.state = 1 AND (g.unmet > 0 OR g.unfinished = 0) AND t.workflow NOT IN (SELECT seq FROM workflow WHERE action = 1))`},
	{"the counts of a workflow are not those of its tasks", "workflow", `
		SELECT w.seq FROM workflow w WHERE w.action <> 3 AND ((waiting, pending, processing, retrying, completed, failed, cancelled) <>
			(SELECT ` + countNodes + ` FROM task t WHERE t.seq >= w.seq AND t.seq < w.seq + w.nodes)
			OR (finished_us > 0) <> (waiting + pending + processing + retrying = 0))`},
}

// wrongNode is a finding of nodeRules.
type wrongNode struct {
	domain.Finding

	// seq is the task, or the workflow.
	seq      int64
	workflow bool
}

func checkNodes(s *statements) (out []wrongNode, err error) {
	for _, rule := range nodeRules {
		seqs, err := s.numbers(rule.query + fmt.Sprintf(" LIMIT %d", most))
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			f := wrongNode{Finding: domain.Finding{Kind: KindNodeWrong, Place: rule.place, Detail: rule.text}, seq: seq, workflow: rule.place == "workflow"}
			err := s.each(func(r *row) error {
				f.ID = r.uuid(0)
				return r.err
			}, "SELECT id FROM "+rule.place+" WHERE seq = ?", seq)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// mendNodes mends what checkNodes has found.
func (tx *transaction) mendNodes(wrong []wrongNode) error {
	workflows := map[int64]bool{}
	for _, f := range wrong {
		seq := f.seq
		if !f.workflow {
			var err error
			if seq, err = tx.mendNode(f.seq); err != nil {
				return err
			}
		}
		workflows[seq] = true
	}
	if err := tx.follow(); err != nil {
		return err
	}
	for _, seq := range slices.Sorted(maps.Keys(workflows)) {
		if err := tx.recount(seq); err != nil {
			return err
		}
	}
	return nil
}

// mendNode counts the predecessors of a node again and has its task do what that means. It
// returns the workflow.
func (tx *transaction) mendNode(seq int64) (int64, error) {
	rec, err := tx.reload(seq)
	if err != nil || rec == nil {
		return 0, err
	}
	w, err := tx.workflow(rec.workflow)
	if err != nil || w == nil {
		return 0, err
	}
	if _, err := tx.exec("INSERT INTO gate (seq, unfinished, unmet, state) VALUES (?, 0, 0, 0) ON CONFLICT DO NOTHING", seq); err != nil {
		return 0, err
	}
	gates, err := tx.gates([]int64{seq})
	if err != nil {
		return 0, err
	}
	g, step := gates[seq], domain.NodeStays
	if g == nil {
		return 0, fmt.Errorf("%w: task %s has no node", domain.ErrCorruptRecord, rec.task.ID)
	}
	err = tx.each(func(r *row) error {
		g.Unfinished, g.Unmet = int(r.int(0)), int(r.int(1))
		return r.err
	}, "SELECT "+countBefore+" FROM node n JOIN task t ON t.seq = n.seq CROSS JOIN "+fromBefore+" WHERE n.seq = ?", seq)
	if err != nil {
		return 0, err
	}
	switch {
	case rec.waits && w.action == actionCancel:
		g.State = domain.GateWaiting
	case rec.waits:
		// A person's retry asks the same.
		if step = g.Retry(); step == domain.NodeDropped {
			g.Close()
		}
	case g.State != domain.GateClosed || rec.state != stateCancelled:
		g.State = domain.GateOpen
	}
	if err := tx.storeGate(g); err != nil || step == domain.NodeStays || step == domain.NodeWaits {
		return w.seq, err
	}
	m := nodeMove{gate: g, step: step}
	err = tx.each(func(r *row) error {
		m.ref, m.end = r.text(0), statusOf(r.int(1))
		return r.err
	}, "SELECT b.ref, p.state FROM node n JOIN task t ON t.seq = n.seq CROSS JOIN "+fromBefore+
		" JOIN node b ON b.seq = p.seq WHERE n.seq = ? AND "+isUnmet+" ORDER BY j.key LIMIT 1", seq)
	if err != nil {
		return 0, err
	}
	return w.seq, tx.moveNode(rec, m)
}

// recount counts the tasks of a workflow again.
func (tx *transaction) recount(seq int64) error {
	w, err := tx.workflow(seq)
	if err != nil || w == nil || w.action == actionRemove {
		return err
	}
	w.changed = true
	err = tx.each(func(r *row) error {
		w.Counts = domain.WorkflowCounts{
			Waiting: int(r.int(0)), Pending: int(r.int(1)), Processing: int(r.int(2)), Retrying: int(r.int(3)),
			Completed: int(r.int(4)), Failed: int(r.int(5)), Cancelled: int(r.int(6)),
		}
		return r.err
	}, "SELECT "+countNodes+" FROM task t WHERE t.seq >= ? AND t.seq < ?", w.seq, w.seq+w.nodes)
	w.finish(tx.now)
	return err
}
