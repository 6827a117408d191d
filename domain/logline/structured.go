package logline

import (
	"encoding/json"
	"slices"
	"strings"
)

// Structured is what a line says whose members have names, such as a JSON object
// or logfmt.
type Structured struct {
	// Begin is where the members begin: what is before them is text.
	Begin int
	// Text is the message, without escapes, "" if there is none.
	Text string
	// Logger is the name of the logger.
	Logger string
	// Event are the values of the members that name what happened, in an order of
	// their own. They matter where there is no text.
	Event []string
	// Level is whether a member gives the level.
	Level bool
	// Members are those given, and the values of the line.
	Members []Member

	event [len(eventKeys)]string
	text  int
}

// minPairs is how many pairs of logfmt a line without the fields of a logger has
// at least.
const minPairs = 2

// Member is a member of a line. Value has no quotes, and is as it is written; the
// members of an object within an object have their own names.
type Member struct{ Key, Value string }

// ReadStructured reads a line, whose time is cut off or a member. It appends the
// scalar members that are values to members. It returns false for a line without
// members. Text may be before the members, nothing after them.
func ReadStructured(line string, members []Member) (Structured, bool) {
	line = strings.TrimRight(line, " \t\r\n")
	if strings.HasSuffix(line, "}") {
		for at := 0; at < len(line); at++ {
			n := strings.IndexByte(line[at:], '{')
			if n < 0 {
				break
			}
			at += n
			if at > 0 && line[at-1] > ' ' && line[at-1] != ':' {
				continue
			}
			if strings.HasPrefix(strings.TrimLeft(line[at+1:], " \t\r\n"), `"`) || line[at:] == "{}" {
				s := Structured{Begin: at, Members: members}
				ok := s.readObject(line[at:], 0)
				return s.done(ok)
			}
		}
	}
	begin := pairsBegin(line)
	if begin < 0 {
		return Structured{}, false
	}
	s := Structured{Begin: begin, Members: members}
	return s.done(s.readPairs(line[begin:]))
}

func (s *Structured) done(ok bool) (Structured, bool) {
	for _, v := range s.event {
		if v != "" {
			s.Event = append(s.Event, v)
		}
	}
	return *s, ok
}

// maxObjectDepth is how deep an object within objects is read.
const maxObjectDepth = 2

// readObject reads the members of a JSON object.
func (s *Structured) readObject(text string, depth int) bool {
	scan := jsonScanner{s: text, i: 1}
	for fields := 0; ; fields++ {
		scan.space()
		if scan.one('}') {
			return depth > 0 || scan.i == len(text)
		}
		if fields > 0 && !scan.one(',') {
			return false
		}
		key, ok := scan.text()
		if !ok || !scan.one(':') {
			return false
		}
		begin, end, ok := scan.value()
		if !ok {
			return false
		}
		value := text[begin:end]
		quoted := text[begin-1] == '"'
		if value == "" || !quoted && (value[0] == '[' || value == "null") {
			continue
		}
		if !quoted && value[0] == '{' {
			if depth < maxObjectDepth {
				s.readObject(value, depth+1)
			}
			continue
		}
		if quoted && strings.IndexByte(value, '\\') >= 0 && rankOfText(key) > 0 {
			var plain string
			if json.Unmarshal([]byte(text[begin-1:end+1]), &plain) == nil {
				value = plain
			}
		}
		s.member(key, value, depth)
	}
}

// readPairs reads pairs of logfmt.
func (s *Structured) readPairs(text string) bool {
	pairs, words := 0, 0
	for at := 0; ; {
		key, value, _, next, ok := pair(text[at:])
		if !ok {
			break
		}
		value = strings.TrimRight(value, ",;")
		if value == "" {
			words++
		} else {
			pairs++
			if rankOfText(key) > 0 {
				value = unescape(value, `"\`)
			}
			s.member(key, value, 0)
		}
		at += next
	}
	return pairs >= minPairs && (words == 0 || s.text > 0 && words < pairs)
}

// pairsBegin is where the pairs of logfmt begin that a line ends with, or -1.
func pairsBegin(line string) int {
	equals := strings.IndexByte(line, '=')
	if equals < 0 {
		return -1
	}
	begin := strings.LastIndexAny(line[:equals], " \t") + 1
	if logfmtKey(line[begin:]) == 0 || equals+1 == len(line) {
		return -1
	}
	return begin
}

// member takes one member.
func (s *Structured) member(key, value string, depth int) {
	switch fieldOf(key) {
	case fieldTime:
		return
	case fieldLevel:
		s.Level = true
		return
	case fieldText, fieldNone, fieldStatus, fieldRequest, fieldNanos:
	}
	if rank := rankOfText(key) - depth; rank > 0 && (rank > s.text || s.text == 0) {
		s.Text, s.text = value, rank
		return
	}
	if s.Logger == "" && slices.Contains(LoggerNames[:], key) {
		s.Logger = value
		return
	}
	for i, k := range eventKeys {
		if k == key && s.event[i] == "" && len(value) <= maxEvent {
			s.event[i] = value
		}
	}
	s.Members = append(s.Members, Member{key, value})
}

// rankOfText is how sure it is that the member with this key is the message, from
// 0, not at all.
func rankOfText(key string) int {
	if fieldOf(key) == fieldText {
		return 2 + maxObjectDepth
	}
	switch key {
	case "error", "err", "exception", "reason", "description", "detail", "details", "summary", "title", "errorMessage", "error_message", "statusMessage":
		return 1 + maxObjectDepth
	}
	return 0
}

// LoggerNames are names of members that say which logger wrote the line.
var LoggerNames = [...]string{"logger", "logger_name", "loggerName", "log.logger", "SourceContext", "target"}

// eventKeys are names of members that say what happened; their values are few.
var eventKeys = [...]string{
	"event_type", "eventType", "eventName", "event_name", "event.action", "type", "kind", "action", "operation", "op", "verb", "command", "cmd",
	"method", "http_method", "request_method", "category", "status", "status_code", "outcome", "result", "code",
}

// maxEvent is how long the value of such a member is at most.
const maxEvent = 64
