package builtin

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// group are the lines of one source. Of a line it keeps a few numbers, never the text:
// what an anomaly shows is asked for when the anomaly is made.
type group struct {
	cfg    *Config
	source string
	// entries are those of the analysis; runs are which of them the lines are.
	entries Entries
	runs    []run
	// lines is how many there are.
	lines int
	// times are those of the lines, in microseconds since 1970, or noTime; a line that
	// claims none has that of the line before it. begin and end are the first and the
	// last. claimed is whether a line claims one.
	times      []int64
	claimed    bool
	begin, end int64
	clock      clock

	// services are those found in the lines, by their numbers; the first is "".
	services       []string
	serviceNumbers map[string]int32
	// serviceOf is the service of each line, templateOf its template: until all lines
	// are read, the number of a variant.
	serviceOf  []int32
	templateOf []int32
	// variants are the templates that lines were given as they came; numbers are
	// theirs.
	variants       []variant
	variantNumbers map[templateKey]int32
	templates      []*serviceTemplate
	numbers        numbers
	read           textReader
	scan           scanner
	sessions       *sessionFinder
	// sessionCounts compare the sessions of each kind.
	sessionCounts []*sessionCounts
	// learned is what was learned before of this source, or nil; base is the same as
	// it is in the document. relearned is whether it has these lines already; before
	// are the templates that were learned.
	learned, base *learnedSource
	relearned     bool
	before        []*mining.Template
	// heldBefore are the templates that an earlier delivery of the lines held back.
	heldBefore map[uint64]bool
	// streaming is whether the lines are the next of a stream of batches, rather than
	// compared with a named baseline.
	streaming bool
	// absent are the learned templates that no line has.
	absent []absence
	// miner has the templates of the lines and those that were learned.
	miner *mining.Miner
}

// noTime is the time of a line that has none.
const noTime = math.MinInt64

// run are lines that follow each other, and that were added one after the other: the
// first of them, and the number of its entry.
type run struct{ line, number int32 }

// variant is a template as lines were given it, before others merged it; lines is how
// many, levels how many of each level.
type variant struct {
	templateKey
	lines  int32
	levels [7]int32
}

// serviceTemplate is a template within one service: what detectors look at.
type serviceTemplate struct {
	template *mining.Template
	service  int32
	text     string
	// words are the text as words.
	words words
	lines []int32
	// level is that of most lines, or what the words suggest; claimed is whether the
	// lines claim it, grave whether they tell of a crash or lost data.
	level          domain.LogLevel
	claimed, grave bool
	// broken is whether the lines claim no level, and tell that something does not work.
	broken bool
	// dump is whether the lines, fatal ones, only give the value of something.
	dump bool
	// learned is what was learned of it; before are the ids that it had by then.
	learned *learnedTemplate
	before  []templateID
	// suspect is what was judged unusual of it before and not learned, or nil; held is
	// whether the lines are judged so now.
	suspect *suspect
	held    bool
	// stray is whether the template is new and may be so by chance.
	stray bool
	// wasHeld is whether an earlier delivery of the lines held them back.
	wasHeld bool
}

// name is how a person names the source.
func (g *group) name() string {
	if g.source == "" {
		return "the source without a name"
	}
	return g.source
}

// serviceName is the service that a template belongs to, or the source.
func (g *group) serviceName(s int32) string {
	if g.services[s] != "" {
		return g.services[s]
	}
	return g.source
}

// newGroup returns the group of a source of which this was learned, or nothing.
func newGroup(cfg *Config, source string, learned *learnedSource, entries Entries) (*group, error) {
	g := &group{
		cfg: cfg, source: source, entries: entries, learned: learned, begin: noTime, end: noTime,
		services: []string{""}, serviceNumbers: map[string]int32{"": 0}, variantNumbers: map[templateKey]int32{},
		miner: mining.New(mining.Config{MaxTemplates: cfg.MaxTemplates}), sessions: newSessionFinder(),
	}
	if learned != nil {
		if err := g.miner.Merge(learned.snapshot); err != nil {
			return nil, fmt.Errorf("read the learned templates of %q: %w", source, err)
		}
		g.before = slices.Clone(g.miner.Templates())
	}
	return g, nil
}

// add takes the next line: the entry with this number.
func (g *group) add(e *domain.LogEntry, number int) {
	line := int32(g.lines)
	g.lines++
	if n := len(g.runs); n == 0 || g.runs[n-1].number-g.runs[n-1].line != int32(number)-line {
		g.runs = append(g.runs, run{line, int32(number)})
	}
	text := g.read.read(e, e.ReceivedAt)
	template := g.miner.Learn(text)
	g.scan.scan(text, line, g.read.members, e.Attributes)
	g.sessions.add(g.scan.ids)
	g.numbers.add(g.scan.numbers)
	service := g.service(serviceOf(e.Attributes, text))
	g.serviceOf = push(g.serviceOf, service)
	key := templateKey{template, service}
	n, ok := g.variantNumbers[key]
	if !ok {
		n = int32(len(g.variants))
		g.variantNumbers[key] = n
		g.variants = append(g.variants, variant{templateKey: key})
	}
	g.templateOf = push(g.templateOf, n)
	g.variants[n].lines++
	g.variants[n].levels[e.Level%7]++
	g.addTime(e)
}

// push appends to a list that becomes long: it doubles, where append would copy a long
// list each time that it has grown by a quarter.
func push[T any](list []T, v T) []T {
	if len(list) == cap(list) {
		list = slices.Grow(list, max(len(list), 64))
	}
	return append(list, v)
}

// service is the number of a service.
func (g *group) service(name string) int32 {
	n, ok := g.serviceNumbers[name]
	if !ok && len(g.services) < maxServices {
		n = int32(len(g.services))
		name = strings.Clone(name)
		g.serviceNumbers[name] = n
		g.services = append(g.services, name)
	}
	return n
}

// finish puts together what the lines told.
func (g *group) finish() {
	g.groupLines()
	g.clock = newClock(g.times)
	if g.learned != nil {
		g.recognise(g.before)
	}
	var times []int64
	if g.claimed {
		times = g.times
	}
	for _, set := range g.sessions.sets(g.templateOf, len(g.templates), times) {
		if g.haveCounts(set) {
			g.sessionCounts = append(g.sessionCounts, newSessionCounts(g, set))
		}
	}
}

// number is the number of a line's entry.
func (g *group) number(line int32) int {
	n, exact := slices.BinarySearchFunc(g.runs, line, func(r run, line int32) int { return cmp.Compare(r.line, line) })
	if !exact {
		n--
	}
	return int(g.runs[n].number + line - g.runs[n].line)
}

// maxServices bounds the services that are told apart within one source.
const maxServices = 1000

// templateKey names a template within a group.
type templateKey struct {
	template *mining.Template
	service  int32
}

// groupLines puts the lines of each template and service together.
func (g *group) groupLines() {
	numbers := map[templateKey]int32{}
	of := make([]int32, len(g.variants))
	var counts []int32
	var levels [][7]int32
	for i := range g.variants {
		v := &g.variants[i]
		k := templateKey{v.template.Root(), v.service}
		n, ok := numbers[k]
		if !ok {
			n = int32(len(g.templates))
			numbers[k] = n
			text := k.template.String()
			g.templates = append(g.templates, &serviceTemplate{template: k.template, service: k.service, text: text, words: readText(text)})
			counts, levels = append(counts, 0), append(levels, [7]int32{})
		}
		of[i] = n
		counts[n] += v.lines
		for level, lines := range v.levels {
			levels[n][level] += lines
		}
	}
	g.variants, g.variantNumbers = nil, nil
	rest := make([]int32, g.lines)
	for n, s := range g.templates {
		s.lines, rest = rest[:0:counts[n]], rest[counts[n]:]
		s.level, s.claimed = levelOf(&levels[n], s.text, &s.words)
		s.grave = s.words.isGrave(s.claimed)
		s.broken = !s.claimed && s.words.says(broken)
		s.dump = s.level == domain.LogLevelFatal && isDump(s.text)
	}
	for line, v := range g.templateOf {
		n := of[v]
		g.templateOf[line] = n
		g.templates[n].lines = append(g.templates[n].lines, int32(line))
	}
}

// haveCounts reports whether at least half of the sessions go from one template to
// another. Where they do not, their ids name parts of a system, not session counts.
func (g *group) haveCounts(set *sessionSet) bool {
	n := 0
	for _, lines := range set.lines {
		first := g.templateOf[lines[0]]
		if slices.ContainsFunc(lines, func(line int32) bool { return g.templateOf[line] != first }) {
			n++
		}
	}
	return 2*n >= len(set.lines)
}

// sessionsOf returns the names of the sessions that lines belong to, of each kind
// of session of which they are at most a part.
func (g *group) sessionsOf(lines []int32, part float64) []string {
	var out []string
	for _, c := range g.sessionCounts {
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

// addTime notes the time of the next line. Where some lines claim a time of their own,
// those that do not, such as the further lines of a stack trace, have that of the line
// before them, not the time of their arrival.
func (g *group) addTime(e *domain.LogEntry) {
	own := !e.Timestamp.IsZero() && !e.Timestamp.Equal(e.ReceivedAt)
	if own && !g.claimed {
		g.claimed = true
		for i := range g.times {
			g.times[i] = noTime
		}
		g.begin, g.end = noTime, noTime
	}
	at := int64(noTime)
	switch {
	case own, !g.claimed && !e.Timestamp.IsZero():
		at = e.Timestamp.UnixMicro()
	case g.claimed && len(g.times) > 0:
		at = g.times[len(g.times)-1]
	}
	g.times = push(g.times, at)
	if at == noTime {
		return
	}
	if g.begin == noTime || at < g.begin {
		g.begin = at
	}
	g.end = max(g.end, at)
}

// templateCount is how many templates the lines have.
func (g *group) templateCount() int {
	seen := map[*mining.Template]bool{}
	for _, s := range g.templates {
		seen[s.template] = true
	}
	return len(seen)
}

// widen makes a window reach over the times of the group.
func (g *group) widen(w *domain.TimeWindow) {
	if g.begin == noTime {
		return
	}
	if begin := timeOf(g.begin); w.From.IsZero() || begin.Before(w.From) {
		w.From = begin
	}
	if end := timeOf(g.end); end.After(w.To) {
		w.To = end
	}
}

// timeOf is the time of so many microseconds since 1970, or of noTime.
func timeOf(at int64) time.Time {
	if at == noTime {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}
