package builtin

import (
	"strings"
	"time"

	"logsift/domain"
	"logsift/domain/logline"
)

// maxNested is how many lines may be within lines: Docker's JSON holds the line of a
// program, which may be JSON, too.
const maxNested = 3

// textReader takes from lines what their templates are made of. It is used by one
// goroutine; members are valid until the next call of read.
type textReader struct {
	members []logline.Member
}

// read returns what the template of a line is made of: its level, its logger and its
// message, or what happened if there is no message. A line of text has them all, without
// the time at its beginning; a line of JSON or logfmt and an entry that came in fields have
// them by name. The other members are values.
func (r *textReader) read(e *domain.LogEntry, now time.Time) string {
	r.members = r.members[:0]
	head, text, logger := "", e.Message, loggerOf(e.Attributes)
	said := text // with the time, behind which a letter may be a level
	for range maxNested {
		if t, begin, end := logline.FindTime(text, now); !t.IsZero() && begin <= 1 {
			if begin == 1 && end < len(text) && (text[0] == '[' && text[end] == ']' || text[0] == '(' && text[end] == ')') {
				end++ // the bracket goes with the time
			}
			text = text[end:]
		}
		s, ok := logline.ReadStructured(text, r.members)
		if !ok {
			break
		}
		r.members = s.Members
		before := strings.Trim(text[:s.Begin], " \t")
		head = join(head, before)
		if s.Logger != "" {
			logger = s.Logger
		}
		text = s.Text
		if text == "" {
			if said = before; !isMessage(before) {
				text = "{" + strings.Join(s.Event, ", ") + "}"
			}
			break
		}
		said = text
	}
	if logger != "" {
		text = join(logger+":", text)
	}
	return withLevel(e.Level, join(head, text), said, now)
}

// loggerOf is the logger among the fields of an entry.
func loggerOf(attributes map[string]string) string {
	if len(attributes) > 0 {
		for _, name := range logline.LoggerNames {
			if v := attributes[name]; v != "" {
				return v
			}
		}
	}
	return ""
}

// maxLevelBytes is how far into a text a level is looked for.
const maxLevelBytes = 160

// withLevel returns a text that begins with the level of its entry, in one way of writing,
// or says it elsewhere.
func withLevel(level domain.LogLevel, text, message string, now time.Time) string {
	if level == domain.LogLevelUnknown {
		return text
	}
	for i, first := 0, true; i < len(text) && i < maxLevelBytes; i++ {
		begin := i
		for i < len(text) && text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z' {
			i++
		}
		if i == begin {
			continue
		}
		word := text[begin:i]
		marked := begin > 0 && strings.IndexByte("[(<", text[begin-1]) >= 0 || i < len(text) && text[i] == ':'
		if l, ok := domain.LookupLogLevel(word); ok && l == level && (marked || word == strings.ToUpper(word)) {
			if !marked && len(word) == len(level.String()) || word == "panic" {
				return text // As most lines are, and as the last words of a Go program.
			}
			if rest := strings.TrimLeft(text[i:], "])>:"); first && strings.TrimLeft(text[:begin], " \t[(<") == "" && strings.HasPrefix(rest, " ") {
				return join(strings.ToUpper(level.String()), rest[1:])
			}
			return text
		}
		first = false
	}
	if (logline.Parser{}).Header(message, now).Level == level {
		return text
	}
	return join(strings.ToUpper(level.String()), text)
}

func join(head, text string) string {
	if head == "" || text == "" {
		return head + text
	}
	return head + " " + text
}

// isMessage reports whether what stands before the members of a line says something:
// it has two words at least, as a level, a name or the tags of a container have not.
func isMessage(before string) bool {
	words := 0
	for word := range strings.FieldsSeq(before) {
		word = strings.TrimRight(word, ":,")
		if _, isLevel := domain.LookupLogLevel(word); isLevel || word == "stdout" || word == "stderr" {
			continue
		}
		if isLetters(word) {
			words++
		}
	}
	return words >= 2
}

func isLetters(word string) bool {
	for i := range len(word) {
		if c := word[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return len(word) > 1
}
