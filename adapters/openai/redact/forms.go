package redact

import (
	"cmp"
	_ "embed"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

//go:embed forms.tsv
var formTable string

// shape is a form of keys: bytes of a set, a literal, bytes of a set. It is looked
// for where its anchor stands: a word of the literal, or a separator.
type shape struct {
	class Class
	// lead is the part of the literal before the anchor, anchor the part from it.
	lead, anchor string
	before       run
	after        run
	// digits is how many digits there must be, where words have the form.
	digits int
	// only is whether the literal is no part of the secret.
	only bool
}

// run is at least min bytes of a set, and at most max unless that is unbounded. Sets
// have a number from 1 on.
type run struct {
	set      *alphabet
	number   int
	min, max int
}

const unbounded = -1

// forms is the table of forms.tsv, made ready.
type forms struct {
	// signs holds the shapes whose anchor is a sign, by its first byte, and words the
	// others, in lists of the same two first bytes, whose number is in pairs. Longer
	// anchors come first.
	signs [256][]shape
	words [][]shape
	pairs [1 << 16]uint8
	// names are the words that tell a vendor, nameStarts their first two letters, and
	// sets the number of sets.
	names      map[string]bool
	nameStarts pairSet
	sets       int
}

var loadForms = sync.OnceValue(func() *forms {
	v := &forms{names: map[string]bool{}, words: make([][]shape, 1)}
	sets := map[string]run{}
	for row := range formRows {
		if row.class == vendorName {
			v.names[row.form] = true
			v.nameStarts.add(row.form[0], row.form[1])
			continue
		}
		s, err := newShape(row, sets)
		if err != nil {
			panic(err)
		}
		if !isAlnum(s.anchor[0]) || len(s.anchor) == 1 {
			v.signs[s.anchor[0]] = append(v.signs[s.anchor[0]], s)
			continue
		}
		list := &v.pairs[pair(s.anchor)]
		if *list == 0 {
			*list = uint8(len(v.words))
			v.words = append(v.words, nil)
		}
		v.words[*list] = append(v.words[*list], s)
	}
	v.sets = len(sets)
	for _, shapes := range v.words {
		slices.SortStableFunc(shapes, func(a, b shape) int { return cmp.Compare(len(b.anchor), len(a.anchor)) })
	}
	return v
})

// vendorName is the class of the rows that are names of forms.
const vendorName = "name"

// formRow is a line of forms.tsv.
type formRow struct {
	class, form string
	digits      int
}

// formRows yields the lines of forms.tsv.
func formRows(yield func(formRow) bool) {
	for line := range strings.Lines(formTable) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if line[0] == '#' || len(fields) < 4 {
			continue
		}
		row := formRow{class: fields[0], form: fields[3]}
		if len(fields) > 4 {
			row.digits, _ = strconv.Atoi(fields[4])
		}
		if !yield(row) {
			return
		}
	}
}

// newShape reads a form. Shapes with the same set of characters share it.
func newShape(row formRow, sets map[string]run) (shape, error) {
	s := shape{class: Class(row.class), digits: row.digits}
	parsed, err := syntax.Parse(row.form, syntax.Perl)
	if err != nil {
		return shape{}, err
	}
	parts := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpConcat {
		parts = parsed.Sub
	}
	literal := ""
	for _, part := range parts {
		if part.Op == syntax.OpCapture {
			s.only, part = true, part.Sub[0]
		}
		switch {
		case part.Op == syntax.OpLiteral && s.after.set == nil && literal == "":
			literal = string(part.Rune)
		case part.Op == syntax.OpRepeat && part.Sub[0].Op == syntax.OpCharClass && literal == "" && s.before.set == nil:
			s.before = newRun(part, sets)
		case part.Op == syntax.OpRepeat && part.Sub[0].Op == syntax.OpCharClass && literal != "" && s.after.set == nil:
			s.after = newRun(part, sets)
		default:
			return shape{}, fmt.Errorf("form %s: %s has no place in it", row.form, part)
		}
	}
	at := 0
	if s.before.set != nil {
		// Behind other characters the literal begins in the middle of a word.
		at = strings.IndexFunc(literal, func(r rune) bool { return !isAlnum(byte(r)) })
		if at >= 0 && at+1 < len(literal) && isAlnum(literal[at+1]) {
			at++
		}
	}
	if at < 0 || at == len(literal) {
		return shape{}, fmt.Errorf("form %s: nothing to look for it by", row.form)
	}
	s.lead, s.anchor = literal[:at], literal[at:]
	return s, nil
}

func newRun(repeat *syntax.Regexp, sets map[string]run) run {
	class := repeat.Sub[0]
	key := class.String()
	r, known := sets[key]
	if !known {
		r = run{set: &alphabet{}, number: len(sets) + 1}
		for i := 0; i < len(class.Rune); i += 2 {
			for c := class.Rune[i]; c <= min(class.Rune[i+1], unicode.MaxASCII); c++ {
				r.set[c] = true
			}
		}
		sets[key] = r
	}
	r.min, r.max = repeat.Min, repeat.Max
	return r
}

// pair is the first two bytes of a text as a number.
func pair(text string) int { return int(text[0])<<8 | int(text[1]) }

// form looks for a key of one of the forms whose anchor begins at the given place.
func (s *scanner) form(at int, shapes []shape) bool {
	t := s.text
	for i := range shapes {
		sh := &shapes[i]
		if !strings.HasPrefix(t[at:], sh.anchor) || !strings.HasSuffix(t[:at], sh.lead) {
			continue
		}
		from, to := at-len(sh.lead), at+len(sh.anchor)
		if sh.before.set != nil && (from == 0 || !sh.before.set[t[from-1]]) {
			continue
		}
		if sh.only {
			from = to
		}
		begin := from
		if sh.before.set != nil {
			for begin > 0 && sh.before.set[t[begin-1]] && (sh.before.max == unbounded || from-begin <= sh.before.max) {
				begin--
			}
		}
		if from-begin < sh.before.min {
			continue
		}
		end := to
		if sh.after.set != nil {
			end = s.runEnd(sh.after.set, sh.after.number, to)
		}
		if !s.long(sh, from-begin, end-to, begin, end) {
			continue
		}
		for t[end-1] == '.' { // the full stop of a sentence
			end--
		}
		s.add(begin, end, sh.class)
		return true
	}
	return false
}

// long reports whether what stands before and behind a literal has the lengths and
// digits of a shape.
func (s *scanner) long(sh *shape, before, after, begin, end int) bool {
	t := s.text
	if s.wildcards(begin, end) {
		return 2*after >= sh.after.min // A wildcard may stand for more than one character.
	}
	if after < sh.after.min || sh.before.set != nil && sh.before.max != unbounded && before > sh.before.max {
		return false
	}
	if sh.after.max != unbounded && sh.after.set != nil && (after > sh.after.max || end < len(t) && isAlnum(t[end])) {
		return false
	}
	return sh.digits == 0 || countDigits(t[begin:min(end, begin+maxJudged)]) >= sh.digits
}

// runEnd returns the end of the run of bytes of a set that begins at from. The last
// run of each set is kept, by its number: no place is read again and again.
func (s *scanner) runEnd(set *alphabet, number, from int) int {
	last := &s.runs[number]
	if from < last.from || from > last.to {
		*last = span{from: from, to: set.end(s.text, from)}
	}
	return last.to
}

// setsOfOthers is the number of sets that are not of a form: that of tokens.
const setsOfOthers = 1
