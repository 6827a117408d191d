package layout

import (
	"encoding/binary"
	"fmt"
	"strings"

	"logsift/domain"
)

// What workflows/change.lua is asked for.
const (
	CancelWorkflow = 1
	RetryWorkflow  = 2
)

// How workflows are stored is described in queue/workflows.lua.
const (
	// orderPart is how many places a part of the order has.
	orderPart = 500
	nodeHead  = 21
	nodeRef   = nodeHead + 16
	flowHead  = 32 + 4 + 7
	gateWaits = 1
)

// whenCodes are part of the data layout.
var (
	whenCodes = map[domain.When]byte{domain.WhenSuccess: 0, domain.WhenFailure: 1, domain.WhenDone: 2}
	whenOf    = map[byte]domain.When{0: domain.WhenSuccess, 1: domain.WhenFailure, 2: domain.WhenDone}
)

// EncodeWorkflow returns what workflows/create.lua takes for the nodes of a workflow, whose
// tasks and ready lists are given: their gates, id and record of each; and the fields and values
// of the hash of the workflow.
func EncodeWorkflow(w *domain.Workflow, tasks []*domain.Task, lists []int) (gates []byte, records, fields []any) {
	before, behind, order := w.Edges()
	gates, records = make([]byte, len(w.Nodes)), make([]any, 0, 2*len(w.Nodes))
	for i := range w.Nodes {
		n, t := &w.Nodes[i], tasks[i]
		record := EncodeRecord(t, lists[i])
		if len(n.After) > 0 {
			gates[i] = gateWaits
		}
		node := []byte{gates[i], whenCodes[n.When]}
		node = binary.BigEndian.AppendUint32(node, uint32(len(n.After)))
		node = binary.BigEndian.AppendUint32(node, 0)
		// Ready list, priority and time are the head of the record behind its version.
		node = append(node, record[1:recordHead]...)
		node = append(append(node, t.ID[:]...), n.Ref...)
		id := t.ID
		records, fields = append(records, id[:], record), append(fields, NodeField(i), node)
		for name, places := range map[string][]int{"p": before[i], "s": behind[i]} {
			if len(places) > 0 {
				fields = append(fields, field(name, i), encodePlaces(places))
			}
		}
	}
	for i := 0; len(order) > 0; i++ {
		n := min(len(order), orderPart)
		fields, order = append(fields, field("o", i), encodePlaces(order[:n])), order[n:]
	}
	return gates, records, fields
}

func encodePlaces(places []int) []byte {
	b := make([]byte, 0, 4*len(places))
	for _, p := range places {
		b = binary.BigEndian.AppendUint32(b, uint32(p))
	}
	return b
}

// DecodePlaces reads the places of nodes.
func DecodePlaces(s string) []int {
	var out []int
	for ; len(s) >= 4; s = s[4:] {
		out = append(out, int(binary.BigEndian.Uint32([]byte(s[:4]))))
	}
	return out
}

// NodeField is the field of a node in the hash of its workflow.
func NodeField(place int) string { return field("n", place) }

func field(name string, place int) string { return name + string(encodePlaces([]int{place})) }

// DecodeWorkflow reads a workflow, as workflows/common.lua replies it, and how many nodes it
// was created with. The error wraps domain.ErrCorruptRecord.
func DecodeWorkflow(reply []any) (domain.WorkflowInfo, int, error) {
	var w domain.WorkflowInfo
	id, head, counts, end := TextAt(reply, 0), TextAt(reply, 1), TextAt(reply, 2), TextAt(reply, 3)
	if len(id) != len(w.ID) || len(head) < flowHead || len(counts) != 28 {
		return w, 0, fmt.Errorf("workflow %x: %w", id, domain.ErrCorruptRecord)
	}
	copy(w.ID[:], id)
	w.Name = head[flowHead:]
	w.CreatedAt = MicroTime(Int56(head[36:]))
	n := DecodePlaces(counts)
	w.Counts = domain.WorkflowCounts{Waiting: n[0], Pending: n[1], Processing: n[2], Retrying: n[3], Completed: n[4], Failed: n[5], Cancelled: n[6]}
	if end != "" {
		var at int64
		if _, err := fmt.Sscan(end, &at); err != nil {
			return w, 0, fmt.Errorf("workflow %s: %w: its end is damaged", w.ID, domain.ErrCorruptRecord)
		}
		w.FinishedAt = MicroTime(at)
	}
	return w, DecodePlaces(head[32:36])[0], nil
}

// DecodeNode reads a node; names are those of the ready lists. The error wraps
// domain.ErrCorruptRecord.
func DecodeNode(id domain.WorkflowID, s string, names []string) (domain.WorkflowNodeInfo, error) {
	var n domain.WorkflowNodeInfo
	if len(s) <= nodeRef {
		return n, fmt.Errorf("workflow %s: %w: a node is too short", id, domain.ErrCorruptRecord)
	}
	n.Waiting, n.When, n.Ref = s[0] == gateWaits, whenOf[s[1]], s[nodeRef:]
	copy(n.TaskID[:], s[nodeHead:])
	if list := int(s[10])<<8 | int(s[11]); list < len(names) {
		queue, typ, _ := strings.Cut(names[list], "|")
		n.Queue, n.Type = queue, domain.TaskType(typ)
	}
	return n, nil
}

// DecodePredecessor reads what workflows/predecessors.lua says of one.
func DecodePredecessor(ref, id string, status byte, result, failures string) (domain.Predecessor, error) {
	p := domain.Predecessor{Ref: ref, Status: StatusOf[status]}
	if len(id) != len(p.TaskID) {
		return p, fmt.Errorf("predecessor %q: %w", ref, domain.ErrCorruptRecord)
	}
	copy(p.TaskID[:], id)
	if p.Status == domain.TaskStatusCompleted {
		if result != "" {
			p.Result = []byte(result)
		}
	} else if errs := decodeErrors(failures); len(errs) > 0 {
		p.Error = errs[len(errs)-1].Message
	}
	return p, nil
}
