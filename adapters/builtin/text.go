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

// read returns a line without the time at its beginning. Of a line whose members have
// names, it returns the level, the logger and the message; or what happened, if there
// is no message. The other members are values.
func (r *textReader) read(e *domain.LogEntry, now time.Time) string {
	r.members = r.members[:0]
	head, text := "", e.Message
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
		if s.Level && e.Level != domain.LogLevelUnknown {
			head = join(head, strings.ToUpper(e.Level.String()))
		}
		if s.Logger != "" {
			head = join(head, s.Logger+":")
		}
		text = s.Text
		if text == "" {
			if !isMessage(before) {
				text = "{" + strings.Join(s.Event, ", ") + "}"
			}
			break
		}
	}
	return join(head, text)
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
