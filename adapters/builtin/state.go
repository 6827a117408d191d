package builtin

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// Bounds of one document of learned state. What was seen for the longest time is
// forgotten first; what is as old, the rarest first.
const (
	maxSources          = 500
	maxLearnedTemplates = 20_000
	maxSourceTemplates  = 5000
	maxLearnedKinds     = 6
	maxLearnedCounts    = 1000
	maxLearnedGaps      = 1000
	maxSnapshotBytes    = 256 << 10
	maxSnapshots        = 2 << 20
	// maxTasks is how many analysed batches are remembered, so that one which is
	// delivered again is not learned again.
	maxTasks = 256
	// maxSuspects bounds the templates of a source that are held back.
	maxSuspects = 500
	// restGap is the longest pause between two batches of a source, in seconds,
	// that counts as time in which the source was seen.
	restGap = 3600
	// longestWindow is how long lines are counted over several batches at most, in
	// seconds.
	longestWindow = 24 * 3600
	// windowExpected is how many lines are normal in such a count: enough to tell that a
	// third of them is fewerScore deviations too few.
	windowExpected = 100
	// routineShare is the share of the lines up to which trouble is learned at once, so
	// that it is told as new only once: a part of nearly all logs is as rare.
	routineShare = 0.01
)

// document is what was learned: of each source, and from which batches. It is not
// changed once it is made, so that it can be shared.
type document struct {
	batches uint64
	tasks   []domain.TaskID
	sources map[string]*learnedSource
	// held are the templates that batches had and that were not learned, by task.
	held map[domain.TaskID][]uint64
	// outdated is whether an earlier version wrote what is stored: nothing of it is used.
	outdated bool
}

func newDocument() *document { return &document{sources: map[string]*learnedSource{}} }

// compareIDs orders template ids.
func compareIDs(a, b templateID) int {
	return cmp.Or(cmp.Compare(a.template, b.template), cmp.Compare(a.service, b.service))
}

func compareGaps(a, b gapID) int {
	return cmp.Or(compareIDs(a.from, b.from), compareIDs(a.to, b.to))
}

// source returns what was learned of a source. If the document knows it by no name,
// and common is set, that is what all its sources have in common.
func (d *document) source(name string, common bool) *learnedSource {
	if k, ok := d.sources[name]; ok || !common || len(d.sources) == 0 {
		return k
	}
	names := slices.Sorted(maps.Keys(d.sources))
	if len(names) == 1 {
		return d.sources[names[0]]
	}
	out := &learnedSource{several: true}
	for _, name := range names {
		out = out.plus(d.sources[name])
	}
	return out
}

// plus joins what was learned of two sources.
func (k *learnedSource) plus(other *learnedSource) *learnedSource {
	out := k.clone()
	out.snapshot = joinSnapshots(k.snapshot, other.snapshot, maxSnapshots)
	out.lines += other.lines
	out.all += other.all
	out.seconds = max(out.seconds, other.seconds)
	out.minutes = max(out.minutes, other.minutes)
	out.until = max(out.until, other.until)
	out.seen = max(out.seen, other.seen)
	for id, s := range other.templates {
		out.templates[id] = out.templates[id].plus(s)
	}
	for name, s := range other.services {
		own := out.services[name]
		out.services[name] = learnedService{own.lines + s.lines, own.troubled + s.troubled}
	}
	for kind, s := range other.sessions {
		out.sessions[kind] = out.sessions[kind].plus(s)
	}
	return out
}

// clone copies what plus changes.
func (k *learnedSource) clone() *learnedSource {
	out := *k
	out.templates, out.services, out.sessions, out.suspects = maps.Clone(k.templates), maps.Clone(k.services), maps.Clone(k.sessions), maps.Clone(k.suspects)
	if out.suspects == nil {
		out.suspects = map[templateID]*suspect{}
	}
	if out.templates == nil {
		out.templates = map[templateID]*learnedTemplate{}
	}
	if out.services == nil {
		out.services = map[string]learnedService{}
	}
	if out.sessions == nil {
		out.sessions = map[string]*learnedSessions{}
	}
	return &out
}

// plus adds sessions.
func (k *learnedSessions) plus(other *learnedSessions) *learnedSessions {
	if k == nil {
		return other
	}
	out := &learnedSessions{
		total: k.total + other.total, templates: maps.Clone(k.templates), sessionCounts: maps.Clone(k.sessionCounts), gaps: maps.Clone(k.gaps),
	}
	for id, n := range other.templates {
		out.templates[id] += n
	}
	for countsKey, n := range other.sessionCounts {
		out.sessionCounts[countsKey] += n
	}
	for id, gap := range other.gaps {
		out.gaps[id] = out.gaps[id].plus(gap)
	}
	return out
}

// joinSnapshots merges snapshots of miners. One that cannot be read is left out.
func joinSnapshots(a, b []byte, limit int) []byte {
	if len(a) == 0 {
		return b
	}
	m := mining.New(mining.Config{})
	for _, snapshot := range [][]byte{a, b} {
		if err := m.Merge(snapshot); err != nil {
			continue
		}
	}
	return m.Snapshot(limit)
}

// addition is what one batch adds to a source.
type addition struct {
	source string
	// base is what was learned when the batch was analysed; batch what it adds to it,
	// with the templates of both. Without a batch, the source is silent, and that was
	// told.
	base, batch *learnedSource
	// received is when the batch came, in Unix seconds.
	received int64
}

// with returns the document with a batch added. What was held back is learned once it
// has lasted for normalAfter.
func (d *document) with(task domain.TaskID, all []addition, normalAfter time.Duration) *document {
	out := &document{batches: d.batches + 1, sources: maps.Clone(d.sources), tasks: slices.Clone(d.tasks), held: maps.Clone(d.held)}
	if out.tasks = append(out.tasks, task); len(out.tasks) > maxTasks {
		for _, old := range out.tasks[:len(out.tasks)-maxTasks] {
			delete(out.held, old)
		}
		out.tasks = slices.Delete(out.tasks, 0, len(out.tasks)-maxTasks)
	}
	var held []uint64
	for _, l := range all {
		old, ok := out.sources[l.source]
		if !ok {
			old = &learnedSource{}
		}
		if l.batch == nil {
			if !ok { // forgotten meanwhile
				continue
			}
			k := *old
			k.arrivals.told = true
			out.sources[l.source] = &k
			continue
		}
		k := old.learn(l, out.batches, normalAfter)
		out.sources[l.source] = k
		for id := range l.batch.suspects {
			if k.suspects[id] != nil && len(held) < maxSuspects {
				held = append(held, heldKey(l.source, id))
			}
		}
	}
	if len(held) > 0 {
		if out.held == nil {
			out.held = map[domain.TaskID][]uint64{}
		}
		slices.Sort(held)
		out.held[task] = held
	}
	out.bound()
	return out
}

// heldKey names a template of a source that was held back.
func heldKey(source string, id templateID) uint64 {
	return templateID{service: source}.hash() ^ id.hash()
}

// heldBy are the templates that the batch of a task had and that were not learned.
func (d *document) heldBy(task domain.TaskID) map[uint64]bool {
	out := map[uint64]bool{}
	for _, key := range d.held[task] {
		out[key] = true
	}
	return out
}

// learn adds a batch to a source.
func (k *learnedSource) learn(l addition, batch uint64, normalAfter time.Duration) *learnedSource {
	out := k.clone()
	if k == l.base || len(k.snapshot) == 0 {
		out.snapshot = l.batch.snapshot
	} else {
		// Another batch was learned meanwhile.
		out.snapshot = joinSnapshots(k.snapshot, l.batch.snapshot, maxSnapshotBytes)
	}
	b := l.batch
	out.lines += b.lines
	out.all += b.all
	out.minutes += b.minutes
	out.seen = batch
	if pause := float64(b.until) - b.seconds - float64(k.until); k.until == 0 || pause > restGap {
		out.seconds += b.seconds
		out.until = b.until
	} else if b.until > k.until {
		out.seconds += float64(b.until - k.until)
		out.until = b.until
	}
	out.addSeason(b, out.seconds-k.seconds)
	out.arrivals = k.arrivals.plus(l.received)
	for id, s := range b.templates {
		out.add(id, s, batch)
	}
	for id, s := range b.suspects {
		out.suspect(id, s, b, batch, normalAfter)
	}
	for id := range out.templates {
		out.closeWindow(id, normalAfter)
	}
	for name, s := range b.services {
		own := out.services[name]
		out.services[name] = learnedService{own.lines + s.lines, own.troubled + s.troubled}
	}
	for kind, s := range b.sessions {
		out.sessions[kind] = out.sessions[kind].plus(s)
	}
	out.bound()
	return out
}

// add learns lines of a template.
func (k *learnedSource) add(id templateID, s *learnedTemplate, batch uint64) {
	sum := *s
	if own, ok := k.templates[id]; ok {
		sum = *own
		sum.lines, sum.active, sum.squares, sum.level = own.lines+s.lines, own.active+s.active, own.squares+s.squares, s.level
		sum.window.lines += s.lines
	}
	sum.seen = batch
	k.templates[id] = &sum
}

// suspect notes lines that were judged unusual. Those are learned that make up hardly
// any of the lines, and those that have lasted.
func (k *learnedSource) suspect(id templateID, s *suspect, b *learnedSource, batch uint64, normalAfter time.Duration) {
	own, ok := k.suspects[id]
	sum := *s
	if ok && b.until-own.until < int64(normalAfter.Seconds()) {
		sum = *own
		sum.lines, sum.active, sum.squares, sum.level = own.lines+s.lines, own.active+s.active, own.squares+s.squares, s.level
	} else {
		sum.since, sum.start = b.until-int64(b.seconds), k.all-b.all
	}
	sum.until = max(sum.until, b.until)
	part := share(sum.lines, k.all-sum.start)
	routine := k.all-sum.start >= minLines && part <= routineShare
	if lasted := sum.until-sum.since >= int64(normalAfter.Seconds()); !routine && !lasted {
		k.suspects[id] = &sum
		return
	}
	delete(k.suspects, id)
	learned := sum.learnedTemplate
	if own := k.templates[id]; own != nil && !routine {
		// What lasted is the normal share from now on, however long it was another.
		others := float64(k.lines - own.lines)
		learned.lines = max(learned.lines, int(others*part/max(1-part, 0.001))-own.lines)
	}
	k.lines += learned.lines
	service := k.services[id.service]
	service.lines += learned.lines
	if learned.level >= domain.LogLevelWarn {
		service.troubled += learned.lines
	}
	k.services[id.service] = service
	k.add(id, &learned, batch)
}

// closeWindow begins a new window of a template once the current one could tell
// whether there are too few lines. What is missed unusually is learned as if it
// were there, until it has lasted.
func (k *learnedSource) closeWindow(id templateID, normalAfter time.Duration) {
	t := k.templates[id]
	w := t.window
	if w.since > 0 {
		lasted := k.until - w.since
		expected := float64(t.lines) / float64(max(k.lines, 1)) * float64(k.lines-w.start)
		if lasted < learnedSeconds || expected < windowExpected*k.variation(t) && lasted < longestWindow {
			return
		}
		next := *t
		switch few := float64(w.lines) <= fewerShare*expected && expected >= fewerExpected; {
		case !few:
			w.low = 0
		case w.low == 0:
			w.low = w.since
			fallthrough
		case k.until-w.low < int64(normalAfter.Seconds()):
			missed := int(expected) - w.lines
			next.lines += missed
			k.lines += missed
		}
		next.window = window{since: k.until, start: k.lines, low: w.low}
		k.templates[id] = &next
		return
	}
	next := *t
	next.window = window{since: k.until, start: k.lines}
	k.templates[id] = &next
}

// bound forgets what is beyond the limits of one source.
func (k *learnedSource) bound() {
	if len(k.templates) > maxSourceTemplates {
		ids := slices.SortedFunc(maps.Keys(k.templates), func(a, b templateID) int {
			x, y := k.templates[a], k.templates[b]
			return cmp.Or(cmp.Compare(y.seen, x.seen), cmp.Compare(y.lines, x.lines), compareIDs(a, b))
		})
		// Room for the next ones, so that not every batch has to sort.
		for _, id := range ids[maxSourceTemplates*9/10:] {
			delete(k.templates, id)
		}
	}
	if len(k.suspects) > maxSuspects {
		ids := slices.SortedFunc(maps.Keys(k.suspects), func(a, b templateID) int {
			x, y := k.suspects[a], k.suspects[b]
			return cmp.Or(cmp.Compare(y.until, x.until), cmp.Compare(y.lines, x.lines), compareIDs(a, b))
		})
		for _, id := range ids[maxSuspects*9/10:] {
			delete(k.suspects, id)
		}
	}
	if len(k.services) > maxServices {
		names := slices.SortedFunc(maps.Keys(k.services), func(a, b string) int {
			return cmp.Or(cmp.Compare(k.services[b].lines, k.services[a].lines), strings.Compare(a, b))
		})
		for _, name := range names[maxServices:] {
			delete(k.services, name)
		}
	}
	if len(k.sessions) > maxLearnedKinds {
		kinds := slices.SortedFunc(maps.Keys(k.sessions), func(a, b string) int {
			return cmp.Or(cmp.Compare(k.sessions[b].total, k.sessions[a].total), strings.Compare(a, b))
		})
		for _, kind := range kinds[maxLearnedKinds:] {
			delete(k.sessions, kind)
		}
	}
	for _, s := range k.sessions {
		keepMost(s.sessionCounts, maxLearnedCounts, cmp.Compare[uint64], cmp.Compare[int])
		keepMost(s.templates, maxSourceTemplates, compareIDs, cmp.Compare[int])
		keepMost(s.gaps, maxLearnedGaps, compareGaps, func(a, b learnedGap) int { return cmp.Compare(a.n, b.n) })
	}
}

// keepMost deletes the entries with the smallest counts when there are more than
// limit.
func keepMost[K comparable, V any](counts map[K]V, limit int, compare func(a, b K) int, compareCounts func(a, b V) int) {
	if len(counts) <= limit {
		return
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(compareCounts(counts[b], counts[a]), compare(a, b))
	})
	for _, key := range keys[limit*9/10:] {
		delete(counts, key)
	}
}

// bound forgets the sources that were not seen for the longest time.
func (d *document) bound() {
	names := slices.SortedFunc(maps.Keys(d.sources), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.sources[b].seen, d.sources[a].seen), strings.Compare(a, b))
	})
	templates, bytes := 0, 0
	for i, name := range names {
		s := d.sources[name]
		templates += len(s.templates)
		bytes += len(s.snapshot)
		if i >= maxSources || i > 0 && (templates > maxLearnedTemplates || bytes > maxSnapshots) {
			delete(d.sources, name)
		}
	}
}

// has reports whether the batch of the task was learned.
func (d *document) has(task domain.TaskID) bool { return slices.Contains(d.tasks, task) }
