package sqlitestore

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// maxFollowed is how many nodes a transaction looks at or changes, at most, because of
// steps of others. Later transactions do the rest: other writers wait for each.
const maxFollowed = 500

// neverText is the due time of a task that waits for others.
var neverText = strconv.FormatInt(never, 10)

// nodeStep is a step of the task of a node. told is how many of the nodes behind it know.
type nodeStep struct {
	workflow, seq int64
	from, to      state
	told          int64
}

// gate is a row of the table gate, with what its node asks for.
type gate struct {
	domain.NodeGate

	seq   int64
	when  domain.When
	delay time.Duration
}

// gates reads those of nodes, by their tasks. Nodes without predecessors have none.
func (tx *transaction) gates(seqs []int64) (map[int64]*gate, error) {
	out := make(map[int64]*gate, len(seqs))
	err := tx.each(func(r *row) error {
		g := &gate{seq: r.int(0), delay: time.Duration(r.int(5))}
		g.Unfinished, g.Unmet, g.State = int(r.int(1)), int(r.int(2)), domain.GateState(r.int(3))
		if when := r.int(4); when >= 0 && when < int64(len(whens)) {
			g.when = whens[when]
		}
		out[g.seq] = g
		return r.err
	}, `SELECT g.seq, g.unfinished, g.unmet, g.state, n.ends, ifnull(c.delay_ns, 0) FROM json_each(?) j CROSS JOIN gate g ON g.seq = j.value
		JOIN node n ON n.seq = g.seq LEFT JOIN contents c ON c.seq = g.seq`, seqList(seqs))
	return out, err
}

// changeGate changes the gate of a node and counts whether its task waits. The caller
// stores it.
func (w *workflow) changeGate(g *gate, change func()) {
	before := g.State
	change()
	if before == domain.GateWaiting {
		w.Counts.Waiting--
		w.Counts.Pending++
	}
	if g.State == domain.GateWaiting {
		w.Counts.Waiting++
		w.Counts.Pending--
	}
	w.changed = w.changed || g.State != before
}

// finish notes whether all tasks have finished.
func (w *workflow) finish(now int64) {
	switch {
	case w.Counts.Unfinished() > 0:
		w.FinishedAt = time.Time{}
	case w.FinishedAt.IsZero():
		w.FinishedAt = timeOf(now)
	}
}

func (tx *transaction) storeGate(g *gate) error {
	_, err := tx.exec("UPDATE gate SET unfinished = ?, unmet = ?, state = ? WHERE seq = ?", int64(g.Unfinished), int64(g.Unmet), int64(g.State), g.seq)
	return err
}

// follow does what the steps of nodes mean for those behind them, and goes on with what
// earlier transactions left, as far as maxFollowed allows.
func (tx *transaction) follow() error {
	for len(tx.nodeSteps) > 0 || (tx.stepsLeft || tx.acting) && tx.followed < tx.maxFollowed {
		if err := tx.tell(); err != nil {
			return err
		}
		if tx.stepsLeft || !tx.acting || tx.followed >= tx.maxFollowed {
			continue
		}
		// All steps are told: what is being done to workflows goes on.
		if err := tx.storeWorkflows(); err != nil {
			return err
		}
		seq, some, err := tx.number("SELECT seq FROM workflow INDEXED BY workflow_action WHERE action IN (1, 2) ORDER BY seq LIMIT 1")
		if err != nil {
			return err
		}
		if tx.acting = some; some {
			if err := tx.act(seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// countSteps counts the steps since the last call for their workflows, and returns those
// that mean something for the nodes behind.
func (tx *transaction) countSteps() (ends []nodeStep, err error) {
	var left []int64
	for _, s := range tx.nodeSteps {
		w, err := tx.workflow(s.workflow)
		if err != nil {
			return nil, err
		}
		if w == nil {
			continue
		}
		w.Counts.Add(statuses[s.from], false, -1)
		w.Counts.Add(statuses[s.to], false, 1)
		w.changed = true
		if s.from == stateScheduled && s.to.finished() {
			left = append(left, s.seq)
		}
		if s.from.finished() != s.to.finished() {
			ends = append(ends, s)
		}
	}
	if len(left) > 0 {
		gates, err := tx.gates(left)
		if err != nil {
			return nil, err
		}
		for _, s := range tx.nodeSteps {
			g := gates[s.seq]
			if g == nil || g.State != domain.GateWaiting {
				continue
			}
			w := tx.workflows[s.workflow]
			w.changeGate(g, g.Leave)
			if err := tx.storeGate(g); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range tx.nodeSteps {
		if w := tx.workflows[s.workflow]; w != nil {
			w.finish(tx.now)
		}
	}
	tx.nodeSteps = tx.nodeSteps[:0]
	return ends, nil
}

// tell has the nodes behind know of steps, in the order of these: first of those that
// earlier transactions left. What maxFollowed leaves is stored, and stepsLeft is set.
func (tx *transaction) tell() error {
	var queue, rest []nodeStep
	var last int64 // the number of the last of queue that is stored
	stored := 0    // how many of queue are stored
	all := true    // whether no other one is
	if tx.stepsLeft {
		err := tx.each(func(r *row) error {
			queue = append(queue, nodeStep{r.int(1), r.int(2), state(r.int(3)), state(r.int(4)), r.int(5)})
			last = r.int(0)
			return r.err
		}, "SELECT no, workflow, seq, was, became, told FROM node_step ORDER BY no LIMIT ?", tx.maxFollowed)
		if err != nil {
			return err
		}
		if _, err := tx.exec("DELETE FROM node_step WHERE no <= ?", last); err != nil {
			return err
		}
		stored, all = len(queue), len(queue) < tx.maxFollowed
	}
	for {
		ends, err := tx.countSteps()
		if err != nil {
			return err
		}
		if all {
			queue = append(queue, ends...)
		} else {
			rest = append(rest, ends...)
		}
		if len(queue) == 0 || tx.followed >= tx.maxFollowed {
			break
		}
		n, err := tx.visit(queue)
		if err != nil {
			return err
		}
		queue, stored = queue[n:], max(stored-n, 0)
	}
	tx.stepsLeft = !all || len(queue) > 0
	rows := make([]any, 0, 6*(len(queue)+len(rest)))
	for i, s := range slices.Concat(queue, rest) {
		var no any
		if i < stored {
			// Before those that are stored still.
			no = last - int64(stored-1-i)
		}
		rows = append(rows, no, s.workflow, s.seq, int64(s.from), int64(s.to), s.told)
	}
	_, err := tx.insert("INSERT INTO node_step (no, workflow, seq, was, became, told) VALUES ", 6, rows, "")
	return err
}

// predecessor is a node whose step is told.
type predecessor struct {
	ref    string
	behind []int
}

func (tx *transaction) predecessors(queue []nodeStep) (map[int64]predecessor, error) {
	out := make(map[int64]predecessor, len(queue))
	var seqs []int64
	for _, s := range queue {
		if _, known := out[s.seq]; !known {
			out[s.seq] = predecessor{}
			seqs = append(seqs, s.seq)
		}
	}
	return out, tx.each(func(r *row) error {
		behind, err := readPlaces(r.blob(2))
		out[r.int(0)] = predecessor{r.text(1), behind}
		if r.err == nil {
			r.err = err
		}
		return r.err
	}, "SELECT n.seq, n.ref, n.behind FROM json_each(?) j CROSS JOIN node n ON n.seq = j.value", seqList(seqs))
}

// nodeMove is a step that a node takes because of the end of another.
type nodeMove struct {
	*gate
	step domain.NodeStep
	ref  string
	end  domain.TaskStatus
}

// visit tells the nodes behind of steps, of which the first n are done with then. It ends where
// maxFollowed does, or where a node would take its second step.
func (tx *transaction) visit(queue []nodeStep) (n int, err error) {
	before, err := tx.predecessors(queue)
	if err != nil {
		return 0, err
	}
	var seqs []int64
	near := map[int64]bool{}
collect:
	for _, s := range queue {
		behind := before[s.seq].behind
		for _, place := range behind[min(int(s.told), len(behind)):] {
			seq := s.workflow + int64(place)
			if near[seq] {
				continue
			}
			if tx.followed+len(seqs) >= tx.maxFollowed {
				break collect
			}
			near[seq] = true
			seqs = append(seqs, seq)
		}
	}
	tx.followed += len(seqs)
	gates, err := tx.gates(seqs)
	if err != nil {
		return 0, err
	}
	changed, moved := map[*gate]bool{}, map[int64]bool{}
	var moves []nodeMove
tell:
	for n < len(queue) {
		s := &queue[n]
		w, err := tx.workflow(s.workflow)
		if err != nil {
			return 0, err
		}
		from := before[s.seq]
		for ; w != nil && int(s.told) < len(from.behind); s.told++ {
			seq := s.workflow + int64(from.behind[s.told])
			if !near[seq] || moved[seq] {
				break tell
			}
			g := gates[seq]
			if g == nil {
				continue
			}
			changed[g] = true
			step := domain.NodeStays
			w.changeGate(g, func() { step = g.Follow(g.when, statuses[s.from], statuses[s.to], w.action == actionCancel) })
			if step != domain.NodeStays {
				moved[seq] = true
				moves = append(moves, nodeMove{g, step, from.ref, statuses[s.to]})
			}
		}
		n++
	}
	for g := range changed {
		if err := tx.storeGate(g); err != nil {
			return 0, err
		}
	}
	return n, tx.moveNodes(moves)
}

// moveNodes has nodes take their steps. Their gates are stored.
func (tx *transaction) moveNodes(moves []nodeMove) error {
	if len(moves) == 0 {
		return nil
	}
	seqs, bySeqs := make([]int64, len(moves)), make(map[int64]*record, len(moves))
	for i, m := range moves {
		seqs[i] = m.seq
	}
	recs, err := tx.records(shapeChange, bySeq, seqList(seqs))
	if err != nil {
		return err
	}
	for _, rec := range recs {
		bySeqs[rec.seq] = rec
	}
	for _, m := range moves {
		if rec := bySeqs[m.seq]; rec != nil {
			if err := tx.moveNode(rec, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (tx *transaction) moveNode(rec *record, m nodeMove) error {
	t := rec.task
	var err error
	switch {
	case m.step == domain.NodeStays || rec.waits == (m.step == domain.NodeWaits):
		return nil
	case rec.corrupt != nil:
		return tx.quarantine(rec)
	case m.step == domain.NodeReady:
		t.Delay, rec.waits = m.delay, false
		t.MarkAsReleased(timeOf(tx.now))
	case m.step == domain.NodeDropped:
		err = t.MarkAsDropped(domain.DroppedMessage(m.when, m.ref, m.end), rec.stepTime(tx.now))
	case m.step == domain.NodeWaits:
		rec.waits, err = true, t.RunAgain()
	}
	if err != nil {
		return err
	}
	return tx.save(rec, 0)
}

// act goes on with what is being done to a workflow, by one node or more.
func (tx *transaction) act(seq int64) error {
	w, err := tx.workflow(seq)
	if err != nil || w == nil {
		return err
	}
	w.changed = true
	if w.action == actionCancel {
		return tx.cancelNodes(w)
	}
	return tx.rerunNodes(w)
}

func (tx *transaction) cancelNodes(w *workflow) error {
	seqs, err := tx.numbers("SELECT seq FROM task NOT INDEXED WHERE seq >= ? AND seq < ? AND state <= 4 ORDER BY seq LIMIT ?",
		w.seq+w.done, w.seq+w.nodes, tx.maxFollowed-tx.followed)
	if err != nil {
		return err
	}
	if len(seqs) == 0 {
		w.action, w.done = actionNone, 0
		return nil
	}
	recs, err := tx.records(shapeChange, bySeq, seqList(seqs))
	if err != nil {
		return err
	}
	for _, rec := range recs {
		if err := tx.cancelNode(rec); err != nil {
			return err
		}
	}
	w.done = seqs[len(seqs)-1] - w.seq + 1
	tx.followed += len(seqs)
	return nil
}

func (tx *transaction) cancelNode(rec *record) error {
	if rec.corrupt != nil {
		return tx.quarantine(rec)
	}
	if err := cmp.Or(tx.cancel(rec)); err != nil {
		return err
	}
	return tx.save(rec, rec.stops)
}

func (tx *transaction) rerunNodes(w *workflow) error {
	type candidate struct{ n, seq int64 }
	var candidates []candidate
	err := tx.each(func(r *row) error {
		candidates = append(candidates, candidate{r.int(0), r.int(1)})
		return r.err
	}, `SELECT j.key, t.seq FROM workflow_plan p CROSS JOIN json_each(CAST(p.places AS TEXT)) j CROSS JOIN task t ON t.seq = p.seq + j.value
		WHERE p.seq = ? AND j.key >= ? AND t.state IN (6, 7) ORDER BY j.key LIMIT ?`, w.seq, w.done, tx.maxFollowed-tx.followed)
	if err != nil {
		return err
	}
	if len(candidates) == 0 {
		w.action, w.done = actionNone, 0
		return nil
	}
	for _, c := range candidates {
		// What is behind those that run again must know of that before its turn.
		if w.done = c.n; len(tx.nodeSteps) > 0 {
			if err := tx.tell(); err != nil || tx.stepsLeft || tx.followed >= tx.maxFollowed {
				return err
			}
		}
		if err := tx.rerunForWorkflow(c.seq); err != nil {
			return err
		}
		w.done++
		tx.followed++
	}
	return nil
}

// rerunForWorkflow has a node run again if it can, or else when its predecessors do.
func (tx *transaction) rerunForWorkflow(seq int64) error {
	rec, err := tx.reload(seq)
	if err != nil || rec == nil || rec.corrupt != nil || rec.state != stateFailed && rec.state != stateCancelled {
		return err
	}
	refused, err := tx.rerunNode(rec)
	if err != nil {
		return err
	}
	if refused == nil {
		return tx.save(rec, 0)
	}
	gates, err := tx.gates([]int64{seq})
	if g := gates[seq]; err == nil && g != nil {
		g.Close()
		err = tx.storeGate(g)
	}
	return err
}

// reload reads a record again, nil if it is gone.
func (tx *transaction) reload(seq int64) (*record, error) {
	recs, err := tx.records(shapeChange, bySeq, seqList([]int64{seq}))
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	return recs[0], nil
}

// rerunNode has a FAILED or CANCELLED task run again, which the caller saves, if its workflow
// lets it.
func (tx *transaction) rerunNode(rec *record) (refused, err error) {
	status := rec.task.Status
	if err := rec.task.RunAgain(); err != nil {
		return err, nil
	}
	w, err := tx.workflow(rec.workflow)
	if err != nil {
		return nil, err
	}
	byWorkflow := &domain.TransitionError{TaskID: rec.task.ID, From: status, To: domain.TaskStatusPending, Node: true}
	if w == nil || w.action == actionRemove || w.action == actionCancel {
		return byWorkflow, nil
	}
	gates, err := tx.gates([]int64{rec.seq})
	if err != nil {
		return nil, err
	}
	g := gates[rec.seq]
	step := domain.NodeReady
	if g != nil {
		w.changeGate(g, func() { step = g.Retry() })
	}
	if step == domain.NodeDropped {
		return byWorkflow, nil
	}
	if g != nil {
		rec.waits = step == domain.NodeWaits
		err = tx.storeGate(g)
	}
	return nil, err
}

// endedNodes returns at most n tasks of workflows that are to be removed. Workflows without
// tasks are gone.
func (tx *transaction) endedNodes(req ports.PurgeRequest, n int) (out []int64, err error) {
	if !tx.hasWorkflows {
		return nil, nil
	}
	for _, of := range []struct {
		failed    bool
		retention time.Duration
	}{{false, req.Retention}, {true, req.Failed()}} {
		for len(out) < n {
			if err := tx.storeWorkflows(); err != nil {
				return nil, err
			}
			seq, some, err := tx.number(`SELECT seq FROM workflow INDEXED BY workflow_finished
				WHERE finished_us > 0 AND action IN (0, 3) AND (failed > 0) = ? AND finished_us <= ? ORDER BY finished_us LIMIT 1`,
				of.failed, tx.now-of.retention.Microseconds())
			if err != nil {
				return nil, err
			}
			if !some {
				break
			}
			seqs, err := tx.removeNodes(seq, n-len(out))
			if err != nil {
				return nil, err
			}
			out = append(out, seqs...)
		}
	}
	return out, nil
}

// removeNodes returns the last n nodes of a workflow, which are to be removed. It removes
// the workflow with the last of them.
func (tx *transaction) removeNodes(seq int64, n int) ([]int64, error) {
	w, err := tx.workflow(seq)
	if err != nil {
		return nil, err
	}
	if w.action != actionRemove {
		w.action, w.done = actionRemove, 0
	}
	end := w.seq + w.nodes - w.done
	seqs, err := tx.numbers("SELECT seq FROM task NOT INDEXED WHERE seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?", w.seq, end, n)
	if err != nil {
		return nil, err
	}
	if w.changed = true; len(seqs) > 0 {
		w.done += end - seqs[len(seqs)-1]
	}
	if len(seqs) < n || w.done == w.nodes {
		tx.workflows[seq] = nil
		for _, query := range []string{"DELETE FROM workflow WHERE seq = ?", "DELETE FROM workflow_plan WHERE seq = ?"} {
			if _, err := tx.exec(query, seq); err != nil {
				return nil, err
			}
		}
	}
	list := seqList(seqs)
	for _, query := range []string{"DELETE FROM node WHERE seq IN (SELECT value FROM json_each(?))", "DELETE FROM gate WHERE seq IN (SELECT value FROM json_each(?))"} {
		if _, err := tx.exec(query, list); err != nil {
			return nil, err
		}
	}
	return seqs, nil
}
