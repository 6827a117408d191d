package builtin

import (
	"time"

	"logsift/domain"
)

// Bounds of what is looked at in one line. The rest of a longer line is masked
// as one variable part.
const (
	maxLineBytes = 4 << 10
	maxTokens    = 128
	wildcard     = "<*>"
)

// minSessionID is how long a token must be to be taken for the id of a session.
const minSessionID = 8

// maskedLine is a line without its variable parts. Its slices are valid until
// the masker is used again.
type maskedLine struct {
	// text are the tokens, joined by single spaces; ends are where each ends.
	text []byte
	ends []int
	// ids are tokens that may be the id of a session.
	ids []string
}

// masker masks lines. It is used by one goroutine.
type masker struct{ line maskedLine }

// mask replaces each part of a line that holds a digit by the wildcard, since
// such parts vary. Parts are set apart by white space and by punctuation such as
// "=" and brackets, which stays. A time at the beginning is left out. The status
// of an HTTP access log is kept as its class, such as 5xx.
func (m *masker) mask(message string, now time.Time) *maskedLine {
	l := &m.line
	l.text, l.ends, l.ids = l.text[:0], l.ends[:0], l.ids[:0]
	s := message
	if t, begin, end := domain.ScanLogTime(s, now); !t.IsZero() && begin <= 1 {
		s = s[end:]
	}
	cut := len(s) > maxLineBytes
	if cut {
		s = s[:maxLineBytes]
	}
	for i := 0; i < len(s); {
		for i < len(s) && isSpace(s[i]) {
			i++
		}
		begin := i
		for i < len(s) && !isSpace(s[i]) {
			i++
		}
		if begin == i {
			break
		}
		if len(l.ends) == maxTokens {
			cut = true
			break
		}
		afterQuote := len(l.text) > 0 && l.text[len(l.text)-1] == '"'
		if len(l.text) > 0 {
			l.text = append(l.text, ' ')
		}
		if token := s[begin:i]; afterQuote && isStatus(token) {
			l.text = append(l.text, token[0], 'x', 'x')
		} else {
			m.maskToken(token)
		}
		l.ends = append(l.ends, len(l.text))
	}
	if cut && len(l.ends) > 0 {
		l.text = append(l.text, " "+wildcard...)
		l.ends = append(l.ends, len(l.text))
	}
	return l
}

// maskToken masks the parts of one token.
func (m *masker) maskToken(token string) {
	l := &m.line
	for i := 0; i < len(token); {
		if isDelimiter(token[i]) {
			l.text = append(l.text, token[i])
			i++
			continue
		}
		begin, digits, odd := i, 0, false
		for i < len(token) && !isDelimiter(token[i]) {
			c := token[i]
			switch {
			case c >= '0' && c <= '9':
				digits++
			case c == '.' || c == '/' || c == '%':
				odd = true
			}
			i++
		}
		part := token[begin:i]
		if digits == 0 {
			l.text = append(l.text, part...)
			continue
		}
		l.text = append(l.text, wildcard...)
		if len(part) >= minSessionID && digits >= 4 && !odd && len(l.ids) < 4 {
			l.ids = append(l.ids, part)
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDelimiter(c byte) bool {
	switch c {
	case '=', ':', ',', '(', ')', '[', ']', '"', '\'', '{', '}', ';', '|', '<', '>', '#', '@', '&', '?':
		return true
	}
	return false
}

func isStatus(token string) bool {
	if len(token) != 3 || token[0] < '1' || token[0] > '5' {
		return false
	}
	return token[1] >= '0' && token[1] <= '9' && token[2] >= '0' && token[2] <= '9'
}
