package builtin

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"logsift/adapters/builtin/mining"
)

// word is a word of a template in lower case. A name such as "com.example.Job", a
// path or "some-key" is one word, whose parts are words of their own in
// words.parts.
type word struct {
	text string
	// before and after are the characters beside it, 0 at an end; after is a colon or
	// an equal sign behind spaces, too.
	before, after byte
	// failure is whether it is the name of a type of errors, such as
	// "java.io.IOException" or "TypeError".
	failure bool
}

// words are a template as words: what a line says, apart from the names in it.
type words struct {
	all []word
	// parts are the words, and the parts of names, in their order.
	parts []string
}

// wild stands for a wildcard among the words.
const wild = "*"

// readText takes a template apart.
func readText(template string) words {
	s := strings.ReplaceAll(template, mining.Wildcard, wild)
	var t words
	for i := 0; i < len(s); {
		size := wordByte(s[i:])
		if size == 0 {
			i++
			continue
		}
		begin := i
		for i < len(s) {
			n := wordByte(s[i:])
			if n == 0 {
				break
			}
			i += n
		}
		end := i
		for end > begin && strings.IndexByte(".-/", s[end-1]) >= 0 {
			end-- // the end of a sentence
		}
		if end == begin {
			continue
		}
		w := word{text: strings.ToLower(s[begin:end]), failure: isFailure(s[begin:end])}
		if begin > 0 {
			w.before = s[begin-1]
		}
		if rest := strings.TrimLeft(s[end:], " "); rest != "" {
			w.after = s[end]
			if rest[0] == ':' || rest[0] == '=' {
				w.after = rest[0]
			}
		}
		t.all = append(t.all, w)
		t.parts = append(t.parts, partsOf(s[begin:end])...)
	}
	return t
}

// wordByte returns how many bytes of a word s begins with, or 0.
func wordByte(s string) int {
	c := s[0]
	switch {
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRuneInString(s)
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return n
		}
		return 0
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_-./\\@$*'", c) >= 0:
		return 1
	}
	return 0
}

// partsOf takes a name apart at its punctuation and where capitals begin.
func partsOf(name string) []string {
	var out []string
	begin := 0
	cut := func(end int) {
		if end > begin {
			out = append(out, strings.ToLower(name[begin:end]))
		}
		begin = end
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case strings.IndexByte("_-./\\@$*", c) >= 0:
			cut(i)
			begin = i + 1
		case i > begin && isCapital(c) && (!isCapital(name[i-1]) || i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'):
			cut(i)
		}
	}
	cut(len(name))
	return out
}

func isCapital(c byte) bool { return c >= 'A' && c <= 'Z' }

// mentions reports whether one of the phrases occurs, in a name or outside of one.
// A word of a phrase that ends with * stands for all that begin so.
func (t *words) mentions(phrases []string) bool {
	return slices.ContainsFunc(phrases, func(phrase string) bool {
		for rest := range tails(t.parts) {
			if _, ok := follows(rest, phrase, func(p string) string { return p }); ok {
				return true
			}
		}
		return false
	})
}

// says reports whether the lines say one of the phrases of themselves: not in a
// name, not as a key, and not that there is none of it.
func (t *words) says(phrases []string) bool {
	return slices.ContainsFunc(phrases, func(phrase string) bool {
		for i := range t.all {
			n, ok := follows(t.all[i:], phrase, func(w word) string { return w.text })
			if ok && !t.isName(i, i+n) && !t.isDenied(i, i+n) {
				return true
			}
		}
		return false
	})
}

// isFailure reports whether a name is that of a type of errors.
func isFailure(name string) bool {
	if strings.ContainsAny(name, "_-/\\@$*") {
		return false
	}
	for _, end := range [...]string{"Exception", "Error"} {
		if len(name) > len(end) && strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// fails reports whether the lines name a type of errors.
func (t *words) fails() bool {
	for i, w := range t.all {
		if w.failure && w.after != '=' && !t.isDenied(i, i+1) {
			return true
		}
	}
	return false
}

// tails yields the words from each place on.
func tails[W any](all []W) func(yield func([]W) bool) {
	return func(yield func([]W) bool) {
		for i := range all {
			if !yield(all[i:]) {
				return
			}
		}
	}
}

// follows reports whether all begins with a phrase, and of how many words it is.
func follows[W any](all []W, phrase string, of func(W) string) (n int, ok bool) {
	for want := range strings.SplitSeq(phrase, " ") {
		if n == len(all) {
			return 0, false
		}
		got := of(all[n])
		if begin, prefix := strings.CutSuffix(want, "*"); prefix && want != wild {
			if !strings.HasPrefix(got, begin) {
				return 0, false
			}
		} else if got != want {
			return 0, false
		}
		n++
	}
	return n, true
}

// nameNouns follow a word that is part of the name of something: a panic handler
// is no panic.
var nameNouns = []string{
	"handler", "handlers", "handling", "recovery", "reporter", "report", "reports", "reporting", "detector", "detection", "protection",
	"monitor", "monitoring", "check", "checks", "checker", "checking", "test", "tests", "timeout", "prevention", "guard", "manager", "service",
	"plugin", "module", "hook", "hooks", "policy", "mode", "counter", "count", "counts", "threshold", "level", "log", "logs", "logger",
	"support", "listener", "page", "pages", "rate", "budget", "code", "stream", "channel", "topic", "queue", "dump", "dumps", "simulation", "score",
	"register", "registers", "syndrome",
}

// successes end a line that says that what stands before them went well.
var successes = []string{"done", "ok", "success", "succeeded", "passed"}

// succeeds reports whether the lines end with the result of what they name, and it is good:
// "Testing error recovery... done.".
func (t *words) succeeds() bool {
	last := len(t.all) - 1
	if last < 1 || !slices.Contains(successes, t.all[last].text) {
		return false
	}
	return strings.IndexByte(".:=", t.all[last-1].after) >= 0
}

// isName reports whether the words from begin to end are a program's name, a key,
// or part of the name of a thing.
func (t *words) isName(begin, end int) bool {
	last := t.all[end-1]
	if last.after == '=' || last.after == '[' && begin < 3 {
		return true
	}
	return last.after == ' ' && end < len(t.all) && slices.Contains(nameNouns, t.all[end].text)
}

// Words that say there is nothing of what stands after or before them.
var (
	noneBefore = []string{"no", "0", "zero", "without", "not", "never", "non", "any", "if", "cleared", "ignoring", "ignored"}
	noneAfter  = []string{"none", "no", "0", "null", "nil", "false", "ok", "disabled", "off", "cleared", "recovered", "free"}
	// counted are the words of which a line gives a number, which may be 0.
	counted = []string{"errors", "failures", "exceptions", "timeouts", "crashes", "panics", "deadlocks", "failed"}
)

// isDenied reports whether the lines say that there is none of the words from
// begin to end, or only how many of them there are.
func (t *words) isDenied(begin, end int) bool {
	last := t.all[end-1]
	number := slices.Contains(counted, last.text)
	if begin > 0 && t.all[begin].before == ' ' {
		if before := t.all[begin-1].text; slices.Contains(noneBefore, before) || number && before == wild {
			return true
		}
	}
	if end == len(t.all) || last.after != ':' && last.after != '=' {
		return false
	}
	after := t.all[end].text
	return slices.Contains(noneAfter, after) || number && after == wild
}
