package builtin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// group are the entries of one source.
type group struct {
	cfg    *Config
	source string
	logs   []*domain.LogEntry
	// times are those of the entries; an entry that claims none has that of the
	// entry before it. begin and end are the first and the last.
	times      []time.Time
	begin, end time.Time
	clock      clock

	// services are those found in the lines; the first is "".
	services []string
	// serviceOf is the service of each line, shapeOf its shape.
	serviceOf []int32
	shapeOf   []int32
	shapes    []*shape
	numbers   []number
	sessions  *sessionFinder
	// courses compare the sessions of each kind.
	courses []*courses
	// known is what was learned before of this source, or nil; base is the same as
	// it is in the document. relearned is whether it has these lines already.
	known, base *knownSource
	relearned   bool
	// absent are the known shapes that no line has.
	absent []absence
	// miner has the templates of the lines and those that were known.
	miner *mining.Miner
}

// shape is a template within one service: what detectors look at.
type shape struct {
	template *mining.Template
	service  int32
	text     string
	// lower is the text in lower case, without its wildcards.
	lower string
	lines []int32
	// level is that of most lines, or what the words suggest.
	level domain.LogLevel
	// dump is whether the lines, fatal ones, only give the value of something.
	dump bool
	// known is what was learned of it; before are the ids that it had by then.
	known  *knownShape
	before []shapeID
}

// name is how a person names the source.
func (g *group) name() string {
	if g.source == "" {
		return "the source without a name"
	}
	return g.source
}

// serviceName is the service that a shape belongs to, or the source.
func (g *group) serviceName(s int32) string {
	if g.services[s] != "" {
		return g.services[s]
	}
	return g.source
}

// bySource sets the entries apart, in the order in which the sources appear.
func bySource(cfg *Config, logs []domain.LogEntry) []*group {
	var out []*group
	groups := map[string]*group{}
	for i := range logs {
		e := &logs[i]
		g, ok := groups[e.Source]
		if !ok {
			g = &group{cfg: cfg, source: e.Source}
			groups[e.Source] = g
			out = append(out, g)
		}
		g.logs = append(g.logs, e)
	}
	return out
}

// mine finds the shapes, the times, the ids and the numbers of the lines.
func (g *group) mine(ctx context.Context) error {
	g.miner = mining.New(mining.Config{MaxTemplates: g.cfg.MaxTemplates})
	var before []*mining.Template
	if g.known != nil {
		if err := g.miner.Merge(g.known.templates); err != nil {
			return fmt.Errorf("read the learned templates of %q: %w", g.source, err)
		}
		before = slices.Clone(g.miner.Templates())
	}
	g.sessions = newSessionFinder(len(g.logs))
	g.services = []string{""}
	g.serviceOf = make([]int32, len(g.logs))
	services := map[string]int32{"": 0}
	templates := make([]*mining.Template, len(g.logs))
	var scan scanner
	now := g.logs[len(g.logs)-1].ReceivedAt
	for i, e := range g.logs {
		if i%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("analyse logs: %w", err)
			}
		}
		text := lineText(e.Message, now)
		templates[i] = g.miner.Learn(text)
		scan.scan(text, int32(i))
		g.sessions.add(scan.ids)
		g.numbers = append(g.numbers, scan.numbers...)
		name := serviceOf(e.Attributes, text)
		service, ok := services[name]
		if !ok && len(services) < maxServices {
			service = int32(len(g.services))
			name = strings.Clone(name)
			services[name] = service
			g.services = append(g.services, name)
		}
		g.serviceOf[i] = service
	}
	g.shape(templates)
	g.readTimes()
	if g.known != nil {
		g.recognise(before)
	}
	for _, set := range g.sessions.sets() {
		if g.haveCourses(set) {
			g.courses = append(g.courses, newCourses(g, set))
		}
	}
	return nil
}

// maxServices bounds the services that are told apart within one source.
const maxServices = 1000

// lineText is a line without the time at its beginning.
func lineText(message string, now time.Time) string {
	if t, begin, end := domain.ScanLogTime(message, now); !t.IsZero() && begin <= 1 {
		return message[end:]
	}
	return message
}

// shapeKey names a shape within a group.
type shapeKey struct {
	template *mining.Template
	service  int32
}

// shape puts the lines of each template and service together.
func (g *group) shape(templates []*mining.Template) {
	numbers := map[shapeKey]int32{}
	g.shapeOf = make([]int32, len(g.logs))
	levels := [][7]int32{}
	for i, t := range templates {
		k := shapeKey{t.Root(), g.serviceOf[i]}
		n, ok := numbers[k]
		if !ok {
			n = int32(len(g.shapes))
			numbers[k] = n
			text := k.template.String()
			g.shapes = append(g.shapes, &shape{template: k.template, service: k.service, text: text, lower: plainWords(text)})
			levels = append(levels, [7]int32{})
		}
		g.shapeOf[i] = n
		s := g.shapes[n]
		s.lines = append(s.lines, int32(i))
		levels[n][g.logs[i].Level%7]++
	}
	for n, s := range g.shapes {
		s.level = levelOf(&levels[n], s.lower)
		s.dump = s.level == domain.LogLevelFatal && isDump(s.text)
	}
}

// plainWords is a template in lower case without its wildcards.
func plainWords(template string) string {
	return strings.ToLower(strings.ReplaceAll(template, mining.Wildcard, " "))
}

// haveCourses reports whether at least half of the sessions go from one shape to
// another. Where they do not, their ids name parts of a system, not courses.
func (g *group) haveCourses(set *sessionSet) bool {
	n := 0
	for _, lines := range set.lines {
		first := g.shapeOf[lines[0]]
		if slices.ContainsFunc(lines, func(line int32) bool { return g.shapeOf[line] != first }) {
			n++
		}
	}
	return 2*n >= len(set.lines)
}

// sessionsOf returns the names of the sessions that lines belong to, of each kind
// of session of which they are at most a part.
func (g *group) sessionsOf(lines []int32, part float64) []string {
	var out []string
	for _, c := range g.courses {
		seen := map[int32]bool{}
		var names []string
		for _, line := range lines {
			if i := c.set.of[line]; i >= 0 && !seen[i] {
				seen[i] = true
				names = append(names, c.set.ids[i])
			}
		}
		if float64(len(names)) <= part*float64(len(c.set.ids)) {
			out = append(out, names...)
		}
	}
	return out
}

// readTimes fills in times. Where some entries claim a time of their own, those
// that do not, such as the further lines of a stack trace, have that of the entry
// before them, not the time of their arrival.
func (g *group) readTimes() {
	own := func(e *domain.LogEntry) bool { return !e.Timestamp.IsZero() && !e.Timestamp.Equal(e.ReceivedAt) }
	some := slices.ContainsFunc(g.logs, own)
	g.times = make([]time.Time, len(g.logs))
	var last time.Time
	for i, e := range g.logs {
		if own(e) || !some {
			last = e.Timestamp
		}
		g.times[i] = last
		if last.IsZero() {
			continue
		}
		if g.begin.IsZero() || last.Before(g.begin) {
			g.begin = last
		}
		if last.After(g.end) {
			g.end = last
		}
	}
	g.clock = newClock(g.times)
}

// templateCount is how many templates the lines have.
func (g *group) templateCount() int {
	seen := map[*mining.Template]bool{}
	for _, s := range g.shapes {
		seen[s.template] = true
	}
	return len(seen)
}

// widen makes a window reach over the times of the group.
func (g *group) widen(w *domain.TimeWindow) {
	if g.begin.IsZero() {
		return
	}
	if w.From.IsZero() || g.begin.Before(w.From) {
		w.From = g.begin
	}
	if g.end.After(w.To) {
		w.To = g.end
	}
}
