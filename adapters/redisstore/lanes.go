package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"logsift/domain"
)

// maxLanes bounds the pairs of queue and type that one store may hold, since a
// claim that takes any of them looks at each.
const maxLanes = 1024

// laneTable is the client's copy of the stored lanes. A lane is a pair of queue
// and type, and has its own index of ready tasks, so that a claim for some types
// is not held up by others. Lanes are only ever added; the generation changes
// when the database was emptied, and when a queue is paused or resumed.
type laneTable struct {
	generation string
	// names are "queue|type" by number, ready their keys.
	names  []string
	ready  []string
	number map[string]int
	// paused are the queues that give out no tasks, and since when in microseconds.
	paused map[string]int64
}

// pauseMark is what the fields of paused queues begin with in the stored lanes: no
// queue does, so that they are told from lanes.
const pauseMark = "!"

// pausedQueue returns the queue that a field of the stored lanes says to be paused,
// "" for another field.
func pausedQueue(field string) string {
	if name, ok := strings.CutPrefix(field, pauseMark); ok && !strings.Contains(name, "|") {
		return name
	}
	return ""
}

// asleep reports whether the queue of a lane is paused.
func (t *laneTable) asleep(lane int) bool {
	if len(t.paused) == 0 {
		return false
	}
	queue, _, _ := strings.Cut(t.names[lane], "|")
	_, paused := t.paused[queue]
	return paused
}

// lanes guards the newest table. Without the lock, two refreshes could put an
// older table over a newer one.
type lanes struct {
	mu    sync.Mutex
	table *laneTable
}

var lanesScript = loadScript("lanes")

func laneName(queue string, typ domain.TaskType) string { return queue + "|" + string(typ) }

// laneTable returns the newest table that is known.
func (p *partition) laneTable() *laneTable {
	p.lanes.mu.Lock()
	defer p.lanes.mu.Unlock()
	return p.lanes.table
}

// refreshLanes reads the lanes, adding those that are missing.
func (p *partition) refreshLanes(ctx context.Context, add ...string) (*laneTable, error) {
	if len(add) > 0 && p.number > 0 {
		// The first partition has its generation before any other; see newGeneration.
		if _, _, err := p.callLanes(ctx, p.first.forLanes(), "begin"); err != nil {
			return nil, err
		}
	}
	generation, reply, err := p.callLanes(ctx, p.keys.forLanes(), "", add...)
	if err != nil {
		return nil, err
	}
	t, err := p.readLanes(generation, reply)
	if err != nil {
		return nil, err
	}
	p.lanes.mu.Lock()
	defer p.lanes.mu.Unlock()
	if old := p.lanes.table; old.generation == t.generation && len(old.names) > len(t.names) {
		return old, nil
	}
	p.lanes.table = t
	return t, nil
}

// readLanes makes a table of the reply of the script.
func (p *partition) readLanes(generation string, reply []any) (*laneTable, error) {
	t := &laneTable{generation: generation, paused: map[string]int64{}}
	lanes := make([]string, 0, len(reply))
	for i := 0; i+1 < len(reply); i += 2 {
		name, text := textAt(reply, i), textAt(reply, i+1)
		queue := pausedQueue(name)
		if queue == "" {
			lanes = append(lanes, name, text)
			continue
		}
		// A time that is damaged does not end the pause.
		at, _ := strconv.ParseInt(text, 10, 64)
		t.paused[queue] = at
	}
	n := len(lanes) / 2
	t.names, t.ready, t.number = make([]string, n), make([]string, n), make(map[string]int, n)
	for i := 0; i < len(lanes); i += 2 {
		name, text := lanes[i], lanes[i+1]
		number, err := strconv.Atoi(text)
		if err != nil || number < 0 || number >= n {
			return nil, fmt.Errorf("%w: the lanes of the queue are damaged: lane %q has number %q of %d", domain.ErrCorruptRecord, name, text, n)
		}
		t.names[number], t.ready[number], t.number[name] = name, p.keys.ready(number), number
	}
	return t, nil
}

// callLanes runs the script of the lanes, and returns their generation, and name
// and number of each.
func (p *partition) callLanes(ctx context.Context, keys []string, begin string, add ...string) (string, []any, error) {
	args := []any{newGeneration(p.client.cfg.Partitions), maxLanes, begin}
	for _, name := range add {
		args = append(args, name)
	}
	reply, err := p.client.runSlice(ctx, lanesScript, keys, args...)
	if err != nil {
		return "", nil, err
	}
	generation, ok := reply[0].(string)
	if !ok {
		return "", nil, &domain.ValidationError{Field: "queue", Rule: fmt.Sprintf("would make more than %d pairs of queue and type", maxLanes)}
	}
	return generation, reply[1:], p.client.checkGeneration(generation)
}

// claimable returns the numbers of the lanes that a claim may take from: those of
// selected whose queue is not paused.
func (t *laneTable) claimable(queues []string, types []domain.TaskType) []int {
	return slices.DeleteFunc(t.selected(queues, types), t.asleep)
}

// selected returns the numbers of the lanes that a list may take from; empty
// filters take all.
func (t *laneTable) selected(queues []string, types []domain.TaskType) []int {
	out := make([]int, 0, len(t.names))
	for i, name := range t.names {
		queue, typ, _ := strings.Cut(name, "|")
		if (len(queues) == 0 || slices.Contains(queues, queue)) &&
			(len(types) == 0 || slices.Contains(types, domain.TaskType(typ))) {
			out = append(out, i)
		}
	}
	return out
}

// withLanes calls a script with the current lanes, and again with fresh ones if
// they turn out to be stale.
func (p *partition) withLanes(ctx context.Context, call func(*laneTable) ([]any, error)) ([]any, error) {
	table := p.laneTable()
	if table.number == nil {
		// A process that has not looked yet must not take tasks whose generation is
		// lost for none.
		var err error
		if table, err = p.refreshLanes(ctx); err != nil {
			return nil, err
		}
	}
	for range 5 {
		reply, err := call(table)
		if err != nil {
			return nil, err
		}
		if !isStale(reply) {
			return reply, nil
		}
		if table, err = p.refreshLanes(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the lanes of the queue keep changing", domain.ErrStoreUnavailable)
}

// stale is the reply of a script whose lanes are stale, {-1}, and isStale recognises
// it.
func stale() []any { return []any{int64(-1)} }

func isStale(reply []any) bool {
	n, ok := intAt(reply, 0)
	return len(reply) == 1 && ok && n == -1
}

func intAt(reply []any, i int) (int64, bool) {
	if i >= len(reply) {
		return 0, false
	}
	n, ok := reply[i].(int64)
	return n, ok
}

func textAt(reply []any, i int) string {
	if i >= len(reply) {
		return ""
	}
	s, _ := reply[i].(string)
	return s
}
