package redisstore

import (
	"context"
	"fmt"
	"maps"
	"time"

	"logsift/adapters/redisstore/internal/layout"
)

var (
	listsUsedScript  = layout.LoadScript("queue/lists_used")
	listsSweepScript = layout.LoadScript("queue/lists_sweep")
)

const (
	// sweepSlice is for how long one call goes on with a sweep.
	sweepSlice = time.Second
	// sweepRest is how many times what a sweep took must pass before the next, and
	// sweepPause how long at least.
	sweepRest  = 10
	sweepPause = time.Second
)

// listSweep frees the ready lists that no task has. It reads all records twice: to find ready lists
// that none names, and again once those are closed, since a task may have come meanwhile.
// Calls that find no room carry it out, each for a while, so that it needs no goroutine
// and no task waits for it but theirs.
type listSweep struct {
	// turn is held by the call that carries it on; it guards the fields below.
	turn chan struct{}
	// unused are the ready lists that no record named so far, by name; nil if no sweep is
	// under way. name is that of the sweep once they are closed.
	unused map[string]int
	name   string
	cursor string
	size   int
	spent  time.Duration
	// rests is when the next sweep may begin.
	rests time.Time
}

func newListSweep() listSweep { return listSweep{turn: make(chan struct{}, 1)} }

// addLists returns a table with the ready lists to add, as far as there is room for them,
// which it makes if need be.
func (p *partition) addLists(ctx context.Context, table *readyTable, add []string) (*readyTable, error) {
	table, err := p.refreshTable(ctx, table, add...)
	if err != nil || table.has(add) {
		return table, err
	}
	if err := p.sweepLists(ctx, table); err != nil {
		return nil, err
	}
	return p.refreshTable(ctx, table, add...)
}

// sweepLists carries the sweep of the ready lists on, for sweepSlice at most; it begins one if
// the last is long enough ago. table is the newest that the caller knows.
func (p *partition) sweepLists(ctx context.Context, table *readyTable) error {
	s := &p.sweep
	waiting := time.NewTimer(sweepSlice)
	defer waiting.Stop()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-waiting.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("make room for a queue: %w", ctx.Err())
	}
	began := time.Now()
	if s.unused == nil {
		if began.Before(s.rests) {
			return nil
		}
		s.begin(table)
	}
	var err error
	for err == nil && s.unused != nil && time.Since(began) < sweepSlice {
		err = p.sweepPage(ctx)
	}
	s.spent += time.Since(began)
	if s.unused == nil {
		s.rests = time.Now().Add(max(sweepPause, sweepRest*s.spent))
	}
	return err
}

func (s *listSweep) begin(table *readyTable) {
	s.unused = make(map[string]int, table.lists)
	for n, name := range table.names {
		if name != "" {
			s.unused[name] = n
		}
	}
	s.name, s.cursor, s.size, s.spent = "", "0", layout.MinPage, 0
}

// sweepPage looks at some records, and does what is to do after the last.
func (p *partition) sweepPage(ctx context.Context) error {
	s := &p.sweep
	reply, err := p.client.RunSlice(ctx, listsUsedScript, []string{p.keys.Tasks}, s.cursor, s.size)
	if err != nil {
		return err
	}
	bytes, _ := layout.IntAt(reply, 1)
	s.cursor, s.size = layout.TextAt(reply, 0), layout.NextPage(s.size, bytes)
	used := map[int]bool{}
	for i := 2; i < len(reply); i++ {
		list, _ := layout.IntAt(reply, i)
		used[int(list)] = true
	}
	maps.DeleteFunc(s.unused, func(_ string, list int) bool { return used[list] })
	switch {
	case len(s.unused) == 0:
		s.unused = nil
		return nil
	case s.cursor != "0":
		return nil
	case s.name == "":
		s.name = layout.NewEpoch(1)
		return p.sweepStep(ctx, "close")
	default:
		err := p.sweepStep(ctx, "free")
		s.unused = nil
		return err
	}
}

// sweepStep closes or frees the ready lists that no record names.
func (p *partition) sweepStep(ctx context.Context, step string) error {
	args := []any{step, p.sweep.name, layout.NewEpoch(p.client.Config.Partitions)}
	for name, n := range p.sweep.unused {
		args = append(args, name, n)
	}
	_, err := p.client.Run(ctx, listsSweepScript, append(p.keys.ForTable(), p.keys.Events), args...)
	return err
}
