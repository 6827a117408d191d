package redact

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Config configures a [Redactor]. The zero value replaces everything but IP
// addresses.
type Config struct {
	// IPs is whether IPv4 and IPv6 addresses are replaced too.
	IPs bool
}

// Redactor finds what must not leave. It is safe for concurrent use.
type Redactor struct {
	ips bool
}

// New returns a redactor.
func New(cfg Config) *Redactor { return &Redactor{ips: cfg.IPs} }

// Session returns a session without placeholders.
func (r *Redactor) Session() *Session {
	return &Session{ips: r.ips, numbers: map[string]int{}, distinct: map[Class]int{}, counts: map[string]int{}}
}

// Session replaces the secrets of one request to a service: the same value by the
// same placeholder. It is not safe for concurrent use.
type Session struct {
	ips bool
	// numbers holds the number of each value, by class and value. It lives as long
	// as the request, and is never shown.
	numbers  map[string]int
	distinct map[Class]int
	counts   map[string]int
	// known are the long ones among the values, which are secrets wherever they stand:
	// what told so of the first may not stand beside the next.
	known []known
	// What follows is scratch space of one call.
	view    view
	scanner scanner
	key     []byte
}

// Redact returns text with placeholders for its secrets, those of 16 bytes and more
// that earlier texts of the session had included, and text itself if it has none.
// Redacting the result again changes nothing. Text should be a whole line or a whole
// entry: a secret that was cut off before may no longer be recognised.
func (s *Session) Redact(text string) string {
	v := s.view.of(text)
	found := s.scan(v)
	if len(found) == 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + placeholderSize*len(found))
	from := 0
	for _, f := range merged(found) {
		out.WriteString(text[from:v.place(f.from)])
		s.write(&out, f.class, v.text[f.from:f.to])
		from = v.place(f.to)
	}
	out.WriteString(text[from:])
	return out.String()
}

// Plain returns a text as who reads it would understand it: without the escapes of
// JSON, HTML and URLs, without control and invisible characters, and with plain
// separators for those that look like them.
func Plain(text string) string {
	var v view
	return v.of(text).text
}

// Counts returns how many placeholders were written, by class.
func (s *Session) Counts() map[string]int { return maps.Clone(s.counts) }

// known is a value that was found before.
type known struct {
	value string
	class Class
}

// minKnown is the length, in bytes, from which a value is no accident where it stands.
const minKnown = 16

// placeholderSize is about the length of one.
const placeholderSize = 32

// write writes the placeholder of a value.
func (s *Session) write(out *strings.Builder, class Class, value string) {
	s.key = append(append(append(s.key[:0], class...), ':'), value...)
	number, ok := s.numbers[string(s.key)]
	if !ok {
		s.distinct[class]++
		number = s.distinct[class]
		s.numbers[string(s.key)] = number
		if len(value) >= minKnown {
			s.known = append(s.known, known{strings.Clone(value), class})
		}
	}
	s.counts[string(class)]++
	out.WriteString(placeholderBegin)
	out.WriteString(string(class))
	out.WriteByte(':')
	out.WriteString(strconv.Itoa(number))
	out.WriteByte('>')
}

const placeholderBegin = "<SECRET:"

// placeholder returns the length of the placeholder that s begins with, or 0.
func placeholder(s string) int {
	rest, ok := strings.CutPrefix(s, placeholderBegin)
	if !ok {
		return 0
	}
	class, rest, _ := strings.Cut(rest, ":")
	end := setDigit.end(rest, 0)
	if end == 0 || end == len(rest) || rest[end] != '>' || !slices.Contains(classes[:], Class(class)) {
		return 0
	}
	return len(s) - len(rest) + end + 1
}

// span is a secret in the view of a text.
type span struct {
	from, to int
	class    Class
}

// merged sorts the spans and joins those that overlap: what two rules found in part
// goes as a whole. The joined span has the class of its longest part.
func merged(spans []span) []span {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from - b.from })
	out := spans[:1]
	longest := spans[0].to - spans[0].from
	for _, s := range spans[1:] {
		last := &out[len(out)-1]
		if s.from >= last.to {
			out = append(out, s)
			longest = s.to - s.from
			continue
		}
		if s.to-s.from >= longest { // Names are looked at before shapes, which tell more.
			last.class, longest = s.class, s.to-s.from
		}
		last.to = max(last.to, s.to)
	}
	return out
}
