package openai

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape matches the escape sequences of terminals.
var escape = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]`)

// clean returns s as one line of at most limit bytes of valid UTF-8 without
// escape sequences and without control and invisible characters: those could hide
// from a person what a model reads, or steer the terminal that shows it.
func clean(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = escape.ReplaceAllString(s, "")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= ' ' && r <= '~':
			return r
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Variation_Selector):
			return -1
		}
		return r
	}, s)
	return shorten(strings.TrimSpace(s), limit)
}

// cutMark ends a text that was cut.
const cutMark = "…"

// shorten returns at most limit bytes of s, whole characters only, and marks the
// cut.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len(cutMark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cutMark
}

// hash is a name for the parts that others do not give.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		// The length keeps ("ab", "c") apart from ("a", "bc").
		_, _ = h.Write([]byte(encode(len(p)) + ":" + p)) // A hash takes everything.
	}
	return hex.EncodeToString(h.Sum(nil))
}
