package builtin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Keys of learned state.
const (
	learnedKey   = "builtin/learned"
	baselineKeys = "builtin/baseline/"
)

// maxSaves bounds how often one batch is merged anew because another worker saved
// meanwhile.
const maxSaves = 10

// memory keeps what was learned in a state store. It is safe for concurrent use.
type memory struct {
	states ports.DocumentStore
	// normalAfter is how long something unusual lasts before it is learned as normal.
	normalAfter time.Duration
	// saving is held while a document is saved, so that the workers of one process
	// do not meet each other's conflicts.
	saving chan struct{}

	// mu guards cache: the documents as they were decoded last, by key. Without it
	// each analysis would decode a document that did not change.
	mu    sync.Mutex
	cache map[string]remembered
}

// maxCached bounds the documents that are kept decoded.
const maxCached = 16

// remembered is a document and the revision that it has in the store.
type remembered struct {
	revision int64
	document *document
}

func newMemory(states ports.DocumentStore, normalAfter time.Duration) *memory {
	return &memory{states: states, normalAfter: normalAfter, saving: make(chan struct{}, 1), cache: map[string]remembered{}}
}

// keyOf is where the state of a baseline is kept; "" is what was learned from all
// logs.
func keyOf(baseline string) string {
	if baseline == "" {
		return learnedKey
	}
	return baselineKeys + baseline
}

// load returns the document of a key; revision 0 and an empty document if there is
// none.
func (m *memory) load(ctx context.Context, key string) (remembered, error) {
	states, err := m.states.LoadDocuments(ctx, key)
	if err != nil {
		return remembered{}, fmt.Errorf("load learned state: %w", err)
	}
	if len(states) != 1 {
		return remembered{}, fmt.Errorf("load learned state: %d states for one key", len(states))
	}
	m.mu.Lock()
	r, ok := m.cache[key]
	m.mu.Unlock()
	if ok && r.revision == states[0].Revision {
		return r, nil
	}
	d, err := decodeDocument(states[0].Data)
	if err != nil {
		return remembered{}, err
	}
	r = remembered{states[0].Revision, d}
	m.remember(key, r)
	return r, nil
}

func (m *memory) remember(key string, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.cache) >= maxCached {
		clear(m.cache)
	}
	m.cache[key] = r
}

// save adds a batch to the document that was loaded, or to what others made of it
// since. A task whose batch is in it is not added again, so that a call may be
// repeated.
func (m *memory) save(ctx context.Context, key string, from remembered, task domain.TaskID, batch []addition) error {
	select {
	case m.saving <- struct{}{}:
		defer func() { <-m.saving }()
	case <-ctx.Done():
		return fmt.Errorf("save learned state: %w", ctx.Err())
	}
	m.mu.Lock()
	if r, ok := m.cache[key]; ok && r.revision > from.revision {
		from = r // another worker of this process saved meanwhile
	}
	m.mu.Unlock()
	for range maxSaves {
		if from.document.has(task) {
			return nil
		}
		next := from.document.with(task, batch, m.normalAfter)
		data, err := next.encode()
		if err != nil {
			return err
		}
		revision, err := m.states.SaveDocument(ctx, domain.Document{Key: key, Revision: from.revision, Data: data}, 0)
		if err == nil {
			m.remember(key, remembered{revision, next})
			return nil
		}
		if !errors.Is(err, domain.ErrDocumentConflict) {
			return fmt.Errorf("save learned state: %w", err)
		}
		if from, err = m.load(ctx, key); err != nil {
			return err
		}
	}
	return fmt.Errorf("save learned state: %w %d times", domain.ErrDocumentConflict, maxSaves)
}

// addition is what the lines of the group add to what was learned. What was judged
// unusual is held apart.
func (g *group) addition() addition {
	b := &learnedSource{
		snapshot: g.miner.Snapshot(maxSnapshotBytes), all: g.lines, seconds: g.clock.seconds, until: g.clock.until,
		templates: make(map[templateID]*learnedTemplate, len(g.templates)), suspects: map[templateID]*suspect{},
		services: map[string]learnedService{}, sessions: map[string]*learnedSessions{},
	}
	var all minutes
	for line := range g.lines {
		all.add(g.minute(int32(line)))
	}
	b.minutes, _ = all.sum()
	for minute, n := range all.counts {
		at := time.Unix(minute*secondsAMinute, 0).UTC()
		own := slot{n, secondsAMinute}
		b.hours[at.Hour()], b.days[at.Weekday()] = b.hours[at.Hour()].plus(own), b.days[at.Weekday()].plus(own)
	}
	for _, s := range g.templates {
		k := &learnedTemplate{lines: len(s.lines), level: s.level}
		var own minutes
		for _, line := range s.lines {
			own.add(g.minute(line))
		}
		k.active, k.squares = own.sum()
		if s.held {
			b.suspects[s.id(g)] = &suspect{learnedTemplate: *k, cold: !g.ready()}
			continue
		}
		b.templates[s.id(g)] = k
		b.lines += k.lines
	}
	for _, all := range g.perService() {
		held := func(s *serviceTemplate) bool { return s.held }
		if n := g.notHeld(all.lines, held); n > 0 {
			b.services[g.services[all.service]] = learnedService{n, g.notHeld(all.troubled, held)}
		}
	}
	for _, c := range g.sessionCounts {
		b.sessions[c.set.kind] = c.addition()
	}
	return addition{source: g.source, base: g.base, batch: b}
}

// minute is the minute of a line, in minutes since 1970, or 0.
func (g *group) minute(line int32) int64 {
	if at := g.times[line]; at != noTime {
		return at / time.Minute.Microseconds()
	}
	return 0
}

// minutes counts lines by the minute. Lines that follow each other mostly share it.
type minutes struct {
	last   int64
	n      int
	counts map[int64]int
}

func (m *minutes) add(minute int64) {
	if minute == m.last {
		m.n++
		return
	}
	m.flush()
	m.last, m.n = minute, 1
}

func (m *minutes) flush() {
	if m.n == 0 || m.last == 0 {
		return
	}
	if m.counts == nil {
		m.counts = map[int64]int{}
	}
	m.counts[m.last] += m.n
}

// sum returns how many minutes have lines, and the sum of the squares of their
// numbers.
func (m *minutes) sum() (n int, squares float64) {
	m.flush()
	m.n = 0
	for _, c := range m.counts {
		squares += float64(c) * float64(c)
	}
	return len(m.counts), squares
}
