package domain

import "strings"

// traceStarts are how lines in the middle of a stack trace begin that are not
// indented.
var traceStarts = []string{
	"Caused by: ", "Suppressed: ", "Wrapped by: ", "Traceback (most recent call last)", "During handling of the above exception",
	"The above exception was the direct cause", "goroutine ", "created by ", "[signal ", "stack backtrace:", "--- End of ", " ---> ", "---> ", "Stack trace:", "Stacktrace:",
	"[recovered]", "[originating from ", "Exception in thread ", "... ", "exit status ",
}

// frameStarts are how frames begin behind their indentation.
var frameStarts = []string{"at ", "File \"", "from ", "... ", "... and ", "| ", "+-", "^", "~", "- <", "in ", "Caused by: ", "Suppressed: ", "--- End of", "--->"}

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
		// Go's frames are a path and a line; Rust's a number and a function.
		return s[0] == '\t' && strings.HasPrefix(rest, "/") || isNumbered(rest)
	}
	switch s[0] {
	case 'C', 'S', 'W', 'T', 'D', 'g', 'c', '[', 's', '-', 'E', '.', 'e':
		for _, start := range traceStarts {
			if strings.HasPrefix(s, start) && isGoroutine(s) {
				return true
			}
		}
	}
	return isException(s)
}

// beginsTrace reports whether a line is the first of a stack trace.
func beginsTrace(s string) bool {
	return strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ") || strings.HasPrefix(s, "Exception in thread ") || strings.HasPrefix(s, "Traceback (most recent")
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

// isException reports whether a line begins with the name of an exception's class
// in a package, such as java.lang.IllegalStateException, and a colon.
func isException(s string) bool {
	end := 0
	dots := 0
	for end < len(s) && end < 200 && (isLetter(s[end]) || isDigit(s[end]) || s[end] == '.' || s[end] == '_' || s[end] == '$') {
		if s[end] == '.' {
			dots++
		}
		end++
	}
	name := s[:end]
	if dots == 0 || end < len(s) && s[end] != ':' && s[end] != '\r' {
		return false
	}
	return strings.HasSuffix(name, "Exception") || strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Throwable")
}

// isGoFunction reports whether a line is a function in a trace of Go, such as
// main.main() or main.(*T).run(0xc0000, {0x1, 0x2}).
func isGoFunction(s string) bool {
	s = strings.TrimRight(s, "\r")
	if isIndented(s) || !strings.HasSuffix(s, ")") && !strings.HasPrefix(s, "panic(") {
		return false
	}
	name, _, ok := strings.Cut(s, "(")
	return ok && name != "" && strings.IndexByte(name, ' ') < 0 && (strings.IndexByte(name, '.') > 0 || name == "panic")
}

// traceOf tells what kind of trace goes on behind a line.
func traceOf(s string) traceKind {
	s = strings.TrimRight(s, "\r")
	switch {
	case s == "":
		return traceNone
	case strings.HasSuffix(s, "Traceback (most recent call last):"):
		return tracePython
	case strings.HasPrefix(s, "goroutine ") && isGoroutine(s), strings.HasPrefix(s, "panic: "), strings.HasPrefix(s, "fatal error: "), strings.HasPrefix(s, "[signal SIG"):
		return traceGo
	case strings.HasSuffix(s, "stack backtrace:"), strings.HasPrefix(s, "Unhandled exception"), strings.HasPrefix(s, "Exception in thread "):
		return traceFrames
	case len(s) <= 80 && (s[len(s)-1] == '{' || s[len(s)-1] == '['):
		return traceBlock
	}
	return traceNone
}
