package ingest

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/domain"
	"logsift/domain/logline"
)

// fieldNames are the names that log entries use for their parts, in any case. Of
// several the first counts, and the others become attributes. A name with dots is
// also that of a field of nested objects.
type fieldNames struct {
	message, time, level, source []string
	// hints tell of the level without being it.
	hints []string
	// anyNumber are those names of times under which each number is a time; under others
	// only one that logline would read.
	anyNumber []string
	ranks     map[string]ranks
	longest   int // of the names, in bytes
}

// ranks are the places of a name among those of each part, from 1; 0 for none.
type ranks struct{ message, time, level, source, hint int }

// rank returns the ranks of a name; ok is false for one without a meaning.
func (n *fieldNames) rank(name string) (ranks, bool) {
	if len(name) > n.longest {
		return ranks{}, false
	}
	r, ok := n.ranks[strings.ToLower(name)]
	return r, ok
}

// ranked returns the names with their ranks.
func (n fieldNames) ranked() fieldNames {
	n.ranks = map[string]ranks{}
	note := func(names []string, rank func(*ranks) *int) {
		for i, name := range names {
			n.longest = max(n.longest, len(name))
			name = strings.ToLower(name)
			of := n.ranks[name]
			if at := rank(&of); *at == 0 {
				*at = i + 1
			}
			n.ranks[name] = of
		}
	}
	note(n.message, func(r *ranks) *int { return &r.message })
	note(n.time, func(r *ranks) *int { return &r.time })
	note(n.level, func(r *ranks) *int { return &r.level })
	note(n.source, func(r *ranks) *int { return &r.source })
	note(n.hints, func(r *ranks) *int { return &r.hint })
	return n
}

// picked is a field with the rank of its name; nil and 0 for none.
type picked struct {
	*field

	rank int
}

// or returns the one with the better name, of two alike the first.
func (p picked) or(other picked) picked {
	if other.rank > 0 && (p.rank == 0 || other.rank < p.rank) {
		return other
	}
	return p
}

// parts are the fields that tell the parts of an entry. at and severity are the values of
// those of the time and the level: of several the first counts that can be read. implied is
// the level that other fields imply.
type parts struct {
	message, time, level, source picked

	at                time.Time
	severity, implied domain.LogLevel
}

// pick returns the parts among the fields of an object, whose times readTime reads.
func (n fieldNames) pick(list []field, readTime func(*field) (time.Time, bool)) parts {
	var out parts
	var marks logline.LevelMarks
	for i := range list {
		marks.Note(list[i].name)
	}
	for i := range list {
		f := &list[i]
		if f.attribute || f.kind == jsontext.KindBeginArray {
			continue
		}
		rank, ok := n.rank(f.name)
		if !ok {
			continue
		}
		marks.NoteValue(f.name, f.text)
		out.message = out.message.or(picked{f, rank.message})
		out.source = out.source.or(picked{f, rank.source})
		if p := (picked{f, rank.time}); out.time.or(p) == p {
			if at, ok := readTime(f); ok {
				out.time, out.at = p, at
			}
		}
		if p := (picked{f, rank.level}); out.level.or(p) == p {
			if level, ok := readLevel(f, &marks); ok {
				out.level, out.severity = p, level
			}
		}
	}
	out.implied = marks.Implied()
	return out
}

// timeOf reads the value of a field whose name is that of a time.
func (in *receiver) timeOf(f *field) (time.Time, bool) {
	for _, name := range in.names.anyNumber {
		if strings.EqualFold(name, f.name) {
			return in.readTime(f.text)
		}
	}
	at, ok := in.parser.ReadTime(strings.TrimSpace(f.text), in.now)
	return at, ok && at.Unix() >= 0
}

// wholeTime completes the time of an object: a date by the clock of another field, and
// where no name of the table has a time, by the first field that may be one.
func (in *receiver) wholeTime(named *parts, list []field) {
	if f := named.time.field; f != nil && len(f.text) > len("2006-01-02") {
		return
	}
	for i := range list {
		f := &list[i]
		if f.attribute || f == named.time.field {
			continue
		}
		switch rank, _ := in.names.rank(f.name); {
		case named.time.field != nil && rank.time > 0 && strings.Contains(f.text, ":") && strings.ContainsAny(named.time.text, "-/."):
			if at, ok := in.parser.ReadTime(named.time.text+" "+f.text, in.now); ok {
				named.at = at
				f.used = true
				return
			}
		case named.time.field == nil:
			if at, ok := in.parser.GuessTime(f.name, f.text, in.now); ok {
				named.time.field, named.at = f, at
				return
			}
		}
	}
}

// defaultNames are those of [logline.Names], the one table of names.
var defaultNames = func() fieldNames {
	names := logline.Names()
	return fieldNames{
		message: names.Message, time: names.Time, level: names.Level, source: names.Source, hints: names.Hints,
		anyNumber: []string{"time", "timestamp", "@timestamp", "ts", "date", "_time"},
	}.ranked()
}()

// splitNames returns names that are separated by commas.
func splitNames(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}
