package logline

import (
	"strings"

	"logsift/domain"
)

// traceKind is what an entry is in the middle of.
type traceKind uint8

const (
	traceNone traceKind = iota
	// traceFrames: what is indented belongs to it.
	traceFrames
	// tracePython: behind the frames, a line that is not indented ends it.
	tracePython
	// traceGo: functions are not indented.
	traceGo
	// traceRust: the message stands on the next line.
	traceRust
	// traceDump: all lines without a header belong to it.
	traceDump
)

// startsTrace tells which kind of trace a line begins, by what runtimes write first of
// an error that nobody caught.
func startsTrace(s string) traceKind {
	if s == "" {
		return traceNone
	}
	switch s[0] {
	case 'p', 'f', 'u':
		if strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ") || strings.HasPrefix(s, "unexpected fault address ") {
			return traceGo
		}
	case 'E':
		if strings.HasPrefix(s, "Exception in thread ") {
			return traceFrames
		}
	case 'T', ' ':
		if strings.HasPrefix(s, "Traceback (most recent call last)") || strings.HasPrefix(s, "  + Exception Group Traceback") {
			return tracePython
		}
	case 'U':
		if strings.HasPrefix(s, "Unhandled exception") || strings.HasPrefix(s, "Unhandled Exception") || strings.HasPrefix(s, "Uncaught ") {
			return traceFrames
		}
	case 'P':
		if strings.HasPrefix(s, "PHP Fatal error:  Uncaught ") {
			return traceFrames
		}
	case 'S':
		if strings.HasPrefix(s, "SIGABRT: ") || strings.HasPrefix(s, "SIGQUIT: ") || strings.HasPrefix(s, "SIGSEGV: ") {
			return traceGo
		}
	case '*':
		if strings.HasPrefix(s, "** (") { // Elixir
			return traceFrames
		}
	case 't':
		if strings.HasPrefix(s, "thread '") && strings.Contains(headOf(s), " panicked at ") {
			if strings.HasSuffix(strings.TrimRight(s, "\r"), ":") {
				return traceRust
			}
			return traceFrames
		}
	}
	if isScriptPlace(s) {
		return traceFrames
	}
	return traceNone
}

// isScriptPlace reports whether a line is what Ruby and Node write first: the place of the
// error, in Ruby with its message.
func isScriptPlace(s string) bool {
	if i := strings.Index(headOf(s), ".rb:"); i > 0 {
		return isPlace(s[i+len(".rb:"):], ":in ") && strings.IndexByte(s[:i], ' ') < 0 && strings.HasSuffix(strings.TrimRight(s, "\r"), ")")
	}
	switch s[0] {
	case '/', 'n', 'f', '.', 'C':
	default:
		return false
	}
	s = strings.TrimRight(s, "\r")
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i+1 == len(s) || !isNumber(s[i+1:]) || strings.IndexByte(s, ' ') >= 0 {
		return false
	}
	return strings.HasPrefix(s, "node:") || strings.HasSuffix(s[:i], "js") || strings.HasSuffix(s[:i], ".ts")
}

// isPlace reports whether s is a line number and these characters.
func isPlace(s, behind string) bool {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i > 0 && strings.HasPrefix(s[i:], behind)
}

// traceParts are how lines in the middle of a stack trace begin that are not
// indented.
var traceParts = []string{
	"Caused by: ", "Caused by:", "Suppressed: ", "Wrapped by: ", "During handling of the above exception", "The above exception was the direct cause",
	"goroutine ", "created by ", "[signal ", "[stacktrace]", "[previous exception] ", "[recovered]", "[originating from ",
	"stack backtrace:", "Stack backtrace:", "Stack trace:", "Stacktrace:", "--- End of ", " ---> ", "---> ", "exit status ", "note: run with `RUST_BACKTRACE", "CallStack (from HasCallStack)",
}

// frameStarts are how frames begin behind their indentation.
var frameStarts = []string{"at ", "File \"", "from ", "... ", "Caused by: ", "Suppressed: ", "--- End of", "--->", "--> ", "thrown in ", "- <"}

// isTraceLine reports whether a line can only be a part of a stack trace that
// began before it.
func isTraceLine(s string) bool {
	if isIndented(s) {
		rest := strings.TrimLeft(s, " \t")
		for _, start := range frameStarts {
			if strings.HasPrefix(rest, start) {
				return true
			}
		}
		// Go's frames are a path and a line; Rust's a number and a function; PHP's a number.
		return s[0] == '\t' && strings.HasPrefix(rest, "/") || isNumbered(rest) || isHashed(rest)
	}
	switch s[0] {
	case 'C', 'S', 'W', 'D', 'T', 'g', 'c', '[', 's', '-', 'e', 'n':
		for _, part := range traceParts {
			if strings.HasPrefix(s, part) {
				return isGoroutine(s)
			}
		}
		return false
	case '#':
		return isHashed(s)
	case '.':
		return isMore(s)
	}
	// A frame of Ruby.
	i := strings.Index(headOf(s), ".rb:")
	return i > 0 && isPlace(s[i+len(".rb:"):], ":in ") && strings.IndexByte(s[:i], ' ') < 0
}

// isGoroutine is false for a line that only begins with the word.
func isGoroutine(s string) bool {
	rest, ok := strings.CutPrefix(s, "goroutine ")
	return !ok || strings.Contains(rest, " [") && strings.HasSuffix(strings.TrimRight(rest, "\r"), "]:")
}

// isNumbered reports whether s is "12: " and a word.
func isNumbered(s string) bool {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i > 0 && i <= 4 && strings.HasPrefix(s[i:], ": ")
}

// isHashed reports whether s is "#12 " and a word, a frame of PHP, Dart or C.
func isHashed(s string) bool {
	return len(s) > 1 && s[0] == '#' && isPlace(s[1:min(len(s), 6)], " ")
}

// isMore reports whether s is "... 12 more" or "... 12 common frames omitted".
func isMore(s string) bool {
	rest, ok := strings.CutPrefix(s, "... ")
	return ok && (isPlace(rest, " more") || isPlace(rest, " common frames")) || strings.HasPrefix(s, "...additional frames elided")
}

// announcesTrace reports whether a line says that another trace follows.
func announcesTrace(s string) bool {
	switch s[0] {
	case 'D', 'T':
		return strings.HasPrefix(s, "During handling of the above exception") || strings.HasPrefix(s, "The above exception was the direct cause")
	}
	return false
}

// isTraceEnd reports whether a line belongs to a trace with frames, and is none.
func isTraceEnd(s string) bool {
	for _, start := range [...]string{"Node.js v", "Last message", "State: ", "[SQL: ", "[parameters: ", "(Background on this error"} {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	return false
}

// isException reports whether a line begins with the name of an exception's class and
// what sets it off, such as java.lang.IllegalStateException: text or TypeError: text.
func isException(s string) bool {
	end, word, dots := 0, 0, 0
	for end < len(s) && end < 200 && isClassByte(s[end]) {
		if !isLetter(s[end]) && !isDigit(s[end]) && s[end] != '_' {
			// C++, Ruby and Rust have two colons.
			if s[end] == ':' && (end+1 == len(s) || s[end+1] != ':') {
				break
			}
			if s[end] == ':' {
				end++
			}
			dots++
			word = end + 1
		}
		end++
	}
	name := s[min(word, end):end]
	if !strings.HasSuffix(name, "Exception") && !strings.HasSuffix(name, "Error") && !strings.HasSuffix(name, "Throwable") || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	rest := s[end:]
	switch {
	case rest == "" || rest == "\r":
		return dots > 0
	case rest[0] == ':' || rest[0] == '[':
		return true
	}
	return strings.HasPrefix(rest, " (") && strings.HasSuffix(strings.TrimRight(rest, "\r"), "):") // Rails
}

func isClassByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '.' || c == '_' || c == '$' || c == ':' || c == '\\'
}

// isPythonEnd reports whether the line ends a traceback: the exception behind the
// frames.
func isPythonEnd(body string) bool {
	word, _, _ := strings.Cut(body, ":")
	return word != "" && strings.IndexByte(word, ' ') < 0
}

// isGoLine reports whether a line belongs to a trace of Go: a function, such as
// main.main() or main.(*T).run(0xc0000, {0x1, 0x2}), or a register.
func isGoLine(s string) bool {
	s = strings.TrimRight(s, "\r")
	if isIndented(s) {
		return false
	}
	if i := strings.LastIndex(s, " 0x"); i > 0 && i < 8 && strings.IndexByte(s[i+1:], ' ') < 0 {
		return true
	}
	if strings.HasPrefix(s, "runtime stack:") || strings.HasPrefix(s, "PC=0x") {
		return true
	}
	if !strings.HasSuffix(s, ")") && !strings.HasPrefix(s, "panic(") {
		return false
	}
	name, _, ok := strings.Cut(s, "(")
	return ok && name != "" && strings.IndexByte(name, ' ') < 0 && (strings.IndexByte(name, '.') > 0 || name == "panic")
}

// traceOf tells what kind of trace goes on behind a line.
func traceOf(s string) traceKind {
	s = strings.TrimRight(s, "\r")
	if kind := startsTrace(s); kind != traceNone {
		return kind
	}
	switch {
	case s == "":
		return traceNone
	case s[len(s)-1] == ':':
		switch {
		case strings.HasSuffix(s, "Traceback (most recent call last):"):
			return tracePython
		case strings.HasPrefix(s, "goroutine ") && isGoroutine(s):
			return traceGo
		case strings.HasPrefix(s, "Full thread dump "):
			return traceDump
		case strings.HasSuffix(s, "tack backtrace:"):
			return traceFrames
		}
	case strings.HasPrefix(s, "[signal SIG"):
		return traceGo
	}
	return traceNone
}

// traceLevel is the level of an entry that says none of itself and has a stack trace:
// in its first line, or in those below; else it is unknown.
func traceLevel(text string) domain.LogLevel {
	const looked = 20
	for n := range looked {
		line, rest, more := strings.Cut(text, "\n")
		if !isBlank(line) {
			switch kind := startsTrace(line); {
			case kind == traceGo, kind != traceNone && n == 0: // nobody caught it
				return domain.LogLevelFatal
			case kind != traceNone, isException(line), n > 0 && isTraceLine(line):
				return domain.LogLevelError
			}
		}
		if !more {
			break
		}
		text = rest
	}
	return domain.LogLevelUnknown
}
