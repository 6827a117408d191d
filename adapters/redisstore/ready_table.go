package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
)

// readyTable is the client's copy of the stored table of ready lists. Each pair of queue
// and type has one, so that a claim for some types is not held up by others. Each change
// of the stored table gives it another epoch. A table does not change once it was read.
type readyTable struct {
	epoch string
	// names are "queue|type" by number, "" for a number that no ready list has; ready are
	// the keys by number. lists is how many ready lists there are.
	names []string
	ready []string
	lists int
	// number has the numbers of those that new tasks may come to.
	number map[string]int
	// groups is whether the members of groups are kept.
	groups bool
	// paused are the queues that give out no tasks, and since when in microseconds.
	paused map[string]int64
	// turns are the queues whose keys take turns, with false while their tasks that were there
	// before are being found.
	turns map[string]bool
}

// isPaused reports whether the queue of a ready list is paused.
func (t *readyTable) isPaused(list int) bool {
	if len(t.paused) == 0 {
		return false
	}
	queue, _, _ := strings.Cut(t.names[list], "|")
	_, paused := t.paused[queue]
	return paused
}

// has reports whether all these ready lists are there.
func (t *readyTable) has(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, ok := t.number[name]
		return !ok
	})
}

// ready lists holds the newest table that is known.
type lists struct {
	// gate is held by the one call that reads the stored table: of two at the same
	// time, the older could take the place of the newer.
	gate chan struct{}

	mu    sync.Mutex // guards the fields below; held for moments only
	table *readyTable
	// wanted are the ready lists that calls wait for the gate to add.
	wanted []string
}

func newReadyLists() lists { return lists{gate: make(chan struct{}, 1), table: &readyTable{}} }

// readyTable returns the newest table that is known.
func (p *partition) readyTable() *readyTable {
	p.lists.mu.Lock()
	defer p.lists.mu.Unlock()
	return p.lists.table
}

// refreshTable returns a table that is newer than old and has the ready lists to add, as
// far as there is room for them. Calls that wait for each other read the table once.
func (p *partition) refreshTable(ctx context.Context, old *readyTable, add ...string) (*readyTable, error) {
	ctx, cancel := p.client.Bound(ctx)
	defer cancel()
	l := &p.lists
	l.mu.Lock()
	l.wanted = append(l.wanted, add...)
	l.mu.Unlock()
	select {
	case l.gate <- struct{}{}:
		defer func() { <-l.gate }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read the lanes of the queue: %w", p.client.Translate(ctx, ctx.Err()))
	}
	l.mu.Lock()
	table, add := l.table, slices.Concat(l.wanted, add)
	if table != old && table.has(add) {
		defer l.mu.Unlock()
		return table, nil
	}
	l.wanted = nil
	l.mu.Unlock()
	table, err := p.readTable(ctx, add)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table = table
	return table, nil
}

// readTable reads the stored table, and adds ready lists to it.
func (p *partition) readTable(ctx context.Context, add []string) (*readyTable, error) {
	if len(add) > 0 && p.number > 0 {
		// The first partition has its epoch before any other; see layout.NewEpoch.
		if _, _, err := p.client.CallTable(ctx, &p.first, "begin"); err != nil {
			return nil, err
		}
	}
	epoch, fields, err := p.client.CallTable(ctx, &p.keys, "", add...)
	if err != nil {
		return nil, err
	}
	return newReadyTable(epoch, fields, p.keys.Ready)
}

// withGroups returns a table that is newer than old, since when the members of groups are kept.
func (p *partition) withGroups(ctx context.Context, old *readyTable) (*readyTable, error) {
	if _, _, err := p.client.CallTable(ctx, &p.keys, "groups"); err != nil {
		return nil, err
	}
	return p.refreshTable(ctx, old)
}

// newReadyTable makes a table of the fields that are stored. ready is the key of a ready list.
func newReadyTable(epoch string, fields map[string]string, ready func(list int) string) (*readyTable, error) {
	t := &readyTable{epoch: epoch, number: make(map[string]int, len(fields)), paused: map[string]int64{}, turns: map[string]bool{}}
	for name, text := range fields {
		if name == layout.GroupsFollowed {
			t.groups = true
			continue
		}
		if queue := layout.PausedQueue(name); queue != "" {
			// A time that is damaged does not end the pause.
			t.paused[queue], _ = strconv.ParseInt(text, 10, 64)
			continue
		}
		if queue, ok := strings.CutPrefix(name, layout.TurnsMark); ok && !strings.Contains(queue, "|") {
			t.turns[queue] = text == "1"
			continue
		}
		number, open, ok := layout.ListNumber(text)
		if !ok {
			return nil, fmt.Errorf("%w: lane %q has number %q", server.ErrTableDamaged, name, text)
		}
		if open {
			t.number[name] = number
		}
		t.lists++
		for len(t.names) <= number {
			t.ready = append(t.ready, ready(len(t.names)))
			t.names = append(t.names, "")
		}
		t.names[number] = name
	}
	return t, nil
}

// claimable returns the numbers of the ready lists that a claim may take from: those of
// selected whose queue is not paused.
func (t *readyTable) claimable(queues []string, types []domain.TaskType) []int {
	return slices.DeleteFunc(t.selected(queues, types), t.isPaused)
}

// selected returns the numbers of the ready lists that a list may take from; empty
// filters take all.
func (t *readyTable) selected(queues []string, types []domain.TaskType) []int {
	out := make([]int, 0, len(t.names))
	for i, name := range t.names {
		queue, typ, _ := strings.Cut(name, "|")
		if name != "" && (len(queues) == 0 || slices.Contains(queues, queue)) &&
			(len(types) == 0 || slices.Contains(types, domain.TaskType(typ))) {
			out = append(out, i)
		}
	}
	return out
}

// withTable calls a script with the ready lists that are known, and again with newer ones
// for as long as they turn out to be stale, within the time limit of a call.
func (p *partition) withTable(ctx context.Context, call func(*readyTable) ([]any, error)) ([]any, error) {
	table := p.readyTable()
	if table.number == nil {
		// A process that has not looked yet must not take tasks whose epoch is
		// lost for none.
		var err error
		if table, err = p.refreshTable(ctx, table); err != nil {
			return nil, err
		}
	}
	for began := time.Now(); ; {
		reply, err := call(table)
		if err != nil || !layout.IsStale(reply) {
			return reply, err
		}
		if time.Since(began) > p.client.Config.CallTimeout {
			return nil, server.ErrTableChanges
		}
		if table, err = p.refreshTable(ctx, table); err != nil {
			return nil, err
		}
	}
}
