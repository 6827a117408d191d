package builtin

import (
	"slices"
	"strings"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// grave are phrases that say that something crashed or that data are lost, and raise a
// severity. graveAlone do so only in lines that claim no level: in others they may
// be no more than the name of the level.
var (
	grave = []string{
		"panic", "panics", "panicked", "panicking", "segfault", "segfaulted", "segmentation fault", "signal 11", "sigsegv", "sigabrt", "sigbus",
		"core dumped", "dumped core", "exited on signal", "terminated by signal", "killed by signal", "out of memory", "outofmemoryerror", "oom",
		"oom-kill", "oom-killer", "oom-killed", "oomkilled", "stackoverflowerror", "no space left", "disk full", "corrupt", "corrupted", "corruption",
		"crash", "crashed", "crashes", "crashing", "crashloopbackoff", "unrecoverable", "data loss", "was interrupted", "deadlock", "deadlocked",
		"catastrophic",
	}
	graveAlone = []string{"fatal"}
)

// trouble are phrases that tell of a failure in lines that claim no level.
var trouble = []string{
	"error", "errors", "exception", "exceptions", "fail", "fails", "failed", "failing", "failure", "failures", "refused", "denied", "timed out",
	"timeout", "unreachable", "not responding", "no response", "exceeded", "cannot", "can't", "couldn't", "unable to", "aborted", "not permitted", "invalid user",
	"broken pipe",
}

// broken are phrases that tell, in lines that claim no level, that something does not work
// any more: what syslog calls critical or worse (RFC 5424, section 6.2.1). Words that are
// also said of rows, letters or pods stand with their verb.
var broken = []string{
	"uncorrectable", "uncorrected", "unrecovered", "machine check exception", "machine check events", "hardware error", "parity error",
	"medium error", "i/o error", "input/output error", "rejecting i/o", "bad sector", "bad sectors",
	"is dead", "are dead", "declared dead", "marked dead", "has died", "is stuck", "got stuck", "is not running", "not functional", "not operational",
	"lockup", "call trace", "kernel bug", "general protection fault", "protection fault", "blocked for more than", "hung task",
	"remounting filesystem read-only", "assertion failed", "overheated", "overheating", "temperature above threshold",
}

// denials are further words by which a line tells of something that went wrong.
var denials = []string{
	"not", "no", "invalid", "unexpected", "missing", "lost", "terminat*", "abort*", "shut*", "stop*", "kill*", "died", "unable", "bad", "illegal", "severed",
}

// isGrave reports whether the lines of a template say that something crashed or
// that data are lost; claimed is whether they claim a level.
func (t *words) isGrave(claimed bool) bool {
	if t.says(grave) || !claimed && t.says(graveAlone) {
		return true
	}
	// A class, such as "java.lang.OutOfMemoryError".
	return slices.ContainsFunc(t.all, func(w word) bool {
		return strings.HasSuffix(w.text, ".outofmemoryerror") || strings.HasSuffix(w.text, ".stackoverflowerror")
	})
}

// levelOf is the level of a template: that of most of its lines, or, where they
// claim none, one that its words suggest. claimed reports whether they claim one.
func levelOf(counts *[7]int32, template string, t *words) (level domain.LogLevel, claimed bool) {
	best := domain.LogLevelUnknown
	for level := domain.LogLevelTrace; level <= domain.LogLevelFatal; level++ {
		if counts[level] > 0 && (best == domain.LogLevelUnknown || counts[level] >= counts[best]) {
			best = level
		}
	}
	switch {
	case best != domain.LogLevelUnknown:
		return best, true
	case strings.Contains(template, `" 5xx`), t.isGrave(false):
		return domain.LogLevelError, false
	case t.succeeds():
	case t.says(broken):
		return domain.LogLevelError, false
	case t.says(trouble), t.fails():
		return domain.LogLevelWarn, false
	}
	return domain.LogLevelUnknown, false
}

// isDump reports whether the lines of a template only give the value of something,
// such as "exception syndrome register: 0x00800000" among the registers that a
// crash prints: they are details of an event, not one. Such a line ends with a
// label's colon, dots or equal sign, with a value or none, and tells of no failure
// in words.
func isDump(template string) bool {
	rest := strings.TrimRight(template, " ")
	value, ok := strings.CutSuffix(rest, mining.Wildcard)
	if ok {
		rest = strings.TrimRight(value, " ")
	}
	if rest == "" || strings.IndexByte(":=", rest[len(rest)-1]) < 0 && !strings.HasSuffix(rest, "..") {
		return false
	}
	fields := strings.Fields(template)
	fields = slices.DeleteFunc(fields, func(w string) bool {
		_, level := domain.LookupLogLevel(strings.Trim(w, "[]():"))
		return level && w == strings.ToUpper(w)
	})
	t := readText(strings.Join(fields, " "))
	return !t.says(trouble) && !t.says(grave) && !t.mentions(denials)
}

// isCritical reports whether the lines are fatal and tell of a crash or lost data. The
// last words of a Go program are fatal by their "panic" alone, which does not count twice.
func (s *serviceTemplate) isCritical() bool {
	return s.level == domain.LogLevelFatal && s.grave && !strings.HasPrefix(s.text, "panic: ")
}

// severityOf is the severity of a template by what it says of itself, however many
// its lines are: what is frequent is not therefore usual.
func severityOf(s *serviceTemplate) domain.Severity {
	switch s.level {
	case domain.LogLevelFatal:
		switch {
		case s.isCritical():
			return domain.SeverityCritical
		case s.dump:
			return domain.SeverityLow
		}
		return domain.SeverityHigh
	case domain.LogLevelError:
		if s.grave {
			return domain.SeverityHigh
		}
		return domain.SeverityMedium
	case domain.LogLevelWarn:
		if s.grave {
			return domain.SeverityMedium
		}
		return domain.SeverityLow
	case domain.LogLevelUnknown, domain.LogLevelTrace, domain.LogLevelDebug, domain.LogLevelInfo:
	}
	return 0
}
