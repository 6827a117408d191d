package builtin

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// Bounds of one document of learned state. What was seen for the longest time is
// forgotten first; what is as old, the rarest first.
const (
	maxSources       = 500
	maxKnownShapes   = 20_000
	maxSourceShapes  = 5000
	maxKnownKinds    = 6
	maxKnownCourses  = 1000
	maxSnapshotBytes = 256 << 10
	maxSnapshots     = 2 << 20
	// maxTasks is how many analysed batches are remembered, so that one which is
	// delivered again is not learned again.
	maxTasks = 256
	// maxDocument bounds the text of a document, unpacked.
	maxDocument = 16 << 20
	// restGap is the longest pause between two batches of a source, in seconds,
	// that counts as time in which the source was seen.
	restGap = 3600
)

// stateVersion is the first byte of a document: compressed JSON follows.
const stateVersion = 1

// errStateVersion tells of a document that a newer logsift wrote.
var errStateVersion = errors.New("the learned state was written by another version of logsift")

// document is what was learned: of each source, and from which batches. It is not
// changed once it is made, so that it can be shared.
type document struct {
	batches uint64
	tasks   []domain.TaskID
	sources map[string]*knownSource
}

func newDocument() *document { return &document{sources: map[string]*knownSource{}} }

// compareIDs orders shape ids.
func compareIDs(a, b shapeID) int {
	return cmp.Or(cmp.Compare(a.template, b.template), cmp.Compare(a.service, b.service))
}

// source returns what is known of a source. If the document knows it by no name,
// and common is set, that is what all its sources have in common.
func (d *document) source(name string, common bool) *knownSource {
	if k, ok := d.sources[name]; ok || !common || len(d.sources) == 0 {
		return k
	}
	names := slices.Sorted(maps.Keys(d.sources))
	if len(names) == 1 {
		return d.sources[names[0]]
	}
	out := &knownSource{several: true}
	for _, name := range names {
		out = out.plus(d.sources[name])
	}
	return out
}

// plus joins what was learned of two sources.
func (k *knownSource) plus(other *knownSource) *knownSource {
	out := k.clone()
	out.templates = joinTemplates(k.templates, other.templates, maxSnapshots)
	out.lines += other.lines
	out.seconds = max(out.seconds, other.seconds)
	out.minutes = max(out.minutes, other.minutes)
	out.until = max(out.until, other.until)
	out.seen = max(out.seen, other.seen)
	for id, s := range other.shapes {
		out.shapes[id] = out.shapes[id].plus(s)
	}
	for name, s := range other.services {
		own := out.services[name]
		out.services[name] = knownService{own.lines + s.lines, own.troubled + s.troubled}
	}
	for kind, s := range other.sessions {
		out.sessions[kind] = out.sessions[kind].plus(s)
	}
	return out
}

// clone copies what plus changes.
func (k *knownSource) clone() *knownSource {
	out := *k
	out.shapes, out.services, out.sessions = maps.Clone(k.shapes), maps.Clone(k.services), maps.Clone(k.sessions)
	if out.shapes == nil {
		out.shapes = map[shapeID]*knownShape{}
	}
	if out.services == nil {
		out.services = map[string]knownService{}
	}
	if out.sessions == nil {
		out.sessions = map[string]*knownSessions{}
	}
	return &out
}

// plus adds sessions.
func (k *knownSessions) plus(other *knownSessions) *knownSessions {
	if k == nil {
		return other
	}
	out := &knownSessions{total: k.total + other.total, shapes: maps.Clone(k.shapes), courses: maps.Clone(k.courses)}
	for id, n := range other.shapes {
		out.shapes[id] += n
	}
	for course, n := range other.courses {
		out.courses[course] += n
	}
	return out
}

// joinTemplates merges snapshots of miners. One that cannot be read is left out.
func joinTemplates(a, b []byte, limit int) []byte {
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

// learned is what one batch adds to a source.
type learned struct {
	source string
	// base is what was known when the batch was analysed; batch what it adds to it,
	// with the templates of both.
	base, batch *knownSource
}

// with returns the document with a batch added.
func (d *document) with(task domain.TaskID, all []learned) *document {
	out := &document{batches: d.batches + 1, sources: maps.Clone(d.sources), tasks: slices.Clone(d.tasks)}
	if out.tasks = append(out.tasks, task); len(out.tasks) > maxTasks {
		out.tasks = slices.Delete(out.tasks, 0, len(out.tasks)-maxTasks)
	}
	for _, l := range all {
		old, ok := out.sources[l.source]
		if !ok {
			old = &knownSource{}
		}
		out.sources[l.source] = old.learn(l, out.batches)
	}
	out.bound()
	return out
}

// learn adds a batch to a source.
func (k *knownSource) learn(l learned, batch uint64) *knownSource {
	out := k.clone()
	if k == l.base || len(k.templates) == 0 {
		out.templates = l.batch.templates
	} else {
		// Another batch was learned meanwhile.
		out.templates = joinTemplates(k.templates, l.batch.templates, maxSnapshotBytes)
	}
	b := l.batch
	out.lines += b.lines
	out.minutes += b.minutes
	out.seen = batch
	if pause := float64(b.until) - b.seconds - float64(k.until); k.until == 0 || pause > restGap {
		out.seconds += b.seconds
		out.until = b.until
	} else if b.until > k.until {
		out.seconds += float64(b.until - k.until)
		out.until = b.until
	}
	for id, s := range b.shapes {
		sum := s
		if own, ok := out.shapes[id]; ok {
			sum = &knownShape{lines: own.lines + s.lines, level: s.level, active: own.active + s.active, squares: own.squares + s.squares}
		}
		sum.seen = batch
		out.shapes[id] = sum
	}
	for name, s := range b.services {
		own := out.services[name]
		out.services[name] = knownService{own.lines + s.lines, own.troubled + s.troubled}
	}
	for kind, s := range b.sessions {
		out.sessions[kind] = out.sessions[kind].plus(s)
	}
	out.bound()
	return out
}

// bound forgets what is beyond the limits of one source.
func (k *knownSource) bound() {
	if len(k.shapes) > maxSourceShapes {
		ids := slices.SortedFunc(maps.Keys(k.shapes), func(a, b shapeID) int {
			x, y := k.shapes[a], k.shapes[b]
			return cmp.Or(cmp.Compare(y.seen, x.seen), cmp.Compare(y.lines, x.lines), compareIDs(a, b))
		})
		// Room for the next ones, so that not every batch has to sort.
		for _, id := range ids[maxSourceShapes*9/10:] {
			delete(k.shapes, id)
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
	if len(k.sessions) > maxKnownKinds {
		kinds := slices.SortedFunc(maps.Keys(k.sessions), func(a, b string) int {
			return cmp.Or(cmp.Compare(k.sessions[b].total, k.sessions[a].total), strings.Compare(a, b))
		})
		for _, kind := range kinds[maxKnownKinds:] {
			delete(k.sessions, kind)
		}
	}
	for _, s := range k.sessions {
		keepMost(s.courses, maxKnownCourses, cmp.Compare[uint64])
		keepMost(s.shapes, maxSourceShapes, compareIDs)
	}
}

// keepMost deletes the entries with the smallest counts when there are more than
// limit.
func keepMost[K comparable](counts map[K]int, limit int, compare func(a, b K) int) {
	if len(counts) <= limit {
		return
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), compare(a, b))
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
	shapes, bytes := 0, 0
	for i, name := range names {
		s := d.sources[name]
		shapes += len(s.shapes)
		bytes += len(s.templates)
		if i >= maxSources || i > 0 && (shapes > maxKnownShapes || bytes > maxSnapshots) {
			delete(d.sources, name)
		}
	}
}

// has reports whether the batch of the task was learned.
func (d *document) has(task domain.TaskID) bool { return slices.Contains(d.tasks, task) }

// The JSON of a document.
type (
	documentJSON struct {
		Batches uint64                `json:"b"`
		Tasks   []domain.TaskID       `json:"t"`
		Sources map[string]sourceJSON `json:"s"`
	}
	sourceJSON struct {
		Templates []byte                 `json:"t,omitempty"`
		Lines     int                    `json:"n"`
		Seconds   float64                `json:"s"`
		Minutes   int                    `json:"m"`
		Until     int64                  `json:"u"`
		Seen      uint64                 `json:"b"`
		Shapes    []shapeJSON            `json:"f"`
		Services  map[string][2]int      `json:"v"`
		Sessions  map[string]sessionJSON `json:"k,omitempty"`
	}
	shapeJSON struct {
		Template uint64  `json:"t"`
		Service  string  `json:"v,omitempty"`
		Lines    int     `json:"n"`
		Level    uint8   `json:"l,omitempty"`
		Active   int     `json:"a,omitempty"`
		Squares  float64 `json:"q,omitempty"`
		Seen     uint64  `json:"b,omitempty"`
	}
	sessionJSON struct {
		Total   int            `json:"n"`
		Shapes  []shapeJSON    `json:"f"`
		Courses map[uint64]int `json:"c"`
	}
)

// encode writes the document. If it is larger than a state may be, sources are
// forgotten until it is not.
func (d *document) encode() ([]byte, error) {
	for {
		data, err := d.pack()
		if err != nil || len(data) <= domain.MaxStateData || len(d.sources) < 2 {
			return data, err
		}
		names := slices.SortedFunc(maps.Keys(d.sources), func(a, b string) int {
			return cmp.Or(cmp.Compare(d.sources[b].seen, d.sources[a].seen), strings.Compare(a, b))
		})
		for _, name := range names[len(names)/2:] {
			delete(d.sources, name)
		}
	}
}

func (d *document) pack() ([]byte, error) {
	doc := documentJSON{Batches: d.batches, Tasks: d.tasks, Sources: map[string]sourceJSON{}}
	for name, k := range d.sources {
		s := sourceJSON{
			Templates: k.templates, Lines: k.lines, Seconds: k.seconds, Minutes: k.minutes, Until: k.until, Seen: k.seen,
			Services: map[string][2]int{}, Sessions: map[string]sessionJSON{},
		}
		for _, id := range slices.SortedFunc(maps.Keys(k.shapes), compareIDs) {
			x := k.shapes[id]
			s.Shapes = append(s.Shapes, shapeJSON{uint64(id.template), id.service, x.lines, uint8(x.level), x.active, x.squares, x.seen})
		}
		for service, x := range k.services {
			s.Services[service] = [2]int{x.lines, x.troubled}
		}
		for kind, x := range k.sessions {
			j := sessionJSON{Total: x.total, Courses: x.courses}
			for _, id := range slices.SortedFunc(maps.Keys(x.shapes), compareIDs) {
				j.Shapes = append(j.Shapes, shapeJSON{Template: uint64(id.template), Service: id.service, Lines: x.shapes[id]})
			}
			s.Sessions[kind] = j
		}
		doc.Sources[name] = s
	}
	out := bytes.NewBuffer([]byte{stateVersion})
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("write learned state: %w", err)
	}
	if err := errors.Join(json.NewEncoder(w).Encode(doc), w.Close()); err != nil {
		return nil, fmt.Errorf("write learned state: %w", err)
	}
	return out.Bytes(), nil
}

// decodeDocument reads what encode wrote. No data is an empty document.
func decodeDocument(data []byte) (*document, error) {
	d := newDocument()
	if len(data) == 0 {
		return d, nil
	}
	if data[0] != stateVersion {
		return nil, errStateVersion
	}
	var doc documentJSON
	if err := json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(data[1:])), maxDocument)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("read learned state: %w", err)
	}
	d.batches, d.tasks = doc.Batches, doc.Tasks
	for name, s := range doc.Sources {
		k := &knownSource{
			templates: s.Templates, lines: s.Lines, seconds: s.Seconds, minutes: s.Minutes, until: s.Until, seen: s.Seen,
			shapes: map[shapeID]*knownShape{}, services: map[string]knownService{}, sessions: map[string]*knownSessions{},
		}
		for _, x := range s.Shapes {
			k.shapes[shapeID{mining.ID(x.Template), x.Service}] = &knownShape{x.Lines, domain.LogLevel(x.Level), x.Active, x.Squares, x.Seen}
		}
		for service, x := range s.Services {
			k.services[service] = knownService{x[0], x[1]}
		}
		for kind, x := range s.Sessions {
			j := &knownSessions{total: x.Total, shapes: map[shapeID]int{}, courses: x.Courses}
			if j.courses == nil {
				j.courses = map[uint64]int{}
			}
			for _, shape := range x.Shapes {
				j.shapes[shapeID{mining.ID(shape.Template), shape.Service}] = shape.Lines
			}
			k.sessions[kind] = j
		}
		d.sources[name] = k
	}
	return d, nil
}
