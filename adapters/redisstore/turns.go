package redisstore

import (
	"context"
	"sync"
	"time"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var turnsScript = layout.LoadScript("limits/turns")

// buildSlice is for how long one call looks for the tasks of a queue that were there before
// its keys took turns.
const buildSlice = time.Second

// turns has queues take turns by key from the first task with a key on. Calls that add such
// tasks, and the maintenance, find those that were there before, each for a while.
type turns struct {
	mu sync.Mutex // held by the call that carries it on
	at map[string]buildPlace
}

// keyed returns the queue of a task with a key whose keys do not take turns yet, "" if there
// is none.
func (t *readyTable) keyed(tasks []*domain.Task, places []int) string {
	for _, i := range places {
		if task := tasks[i]; task.Key != "" && !t.turns[task.Queue] {
			return task.Queue
		}
	}
	return ""
}

// beginTurns has the keys of a queue take turns, and returns a table that says so, or old while
// another call of the process does so.
func (p *partition) beginTurns(ctx context.Context, old *readyTable, queue string) (*readyTable, error) {
	if !p.turns.mu.TryLock() {
		return old, nil
	}
	defer p.turns.mu.Unlock()
	newest := p.readyTable()
	done, begun := newest.turns[queue]
	if done {
		return newest, nil
	}
	if !begun {
		_, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
			return p.client.RunSlice(ctx, turnsScript, p.keys.ForTable(),
				p.client.Offset(), table.epoch, layout.NewEpoch(p.client.Config.Partitions), layout.Version, queue)
		})
		if err != nil {
			return nil, err
		}
	}
	at, ok := p.turns.at[queue]
	if !ok {
		at = firstPlace
	}
	for began := time.Now(); !at.done() && time.Since(began) < buildSlice; {
		if err := p.buildStep(ctx, queue, &at); err != nil {
			return nil, err
		}
	}
	if p.turns.at[queue] = at; at.done() {
		delete(p.turns.at, queue)
	}
	return p.refreshTable(ctx, p.readyTable())
}

// carryTurns carries on what calls have begun whose time was too short.
func (p *partition) carryTurns(ctx context.Context) error {
	table := p.readyTable()
	for queue, done := range table.turns {
		if !done {
			_, err := p.beginTurns(ctx, table, queue)
			return err
		}
	}
	return nil
}
