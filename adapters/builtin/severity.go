package builtin

import (
	"slices"
	"strings"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// grave are words that tell of a crash or of lost data, and raise a severity.
var grave = []string{
	"panic", "segfault", "signal 11", "sigsegv", "core dumped", "exited on signal", "terminated by signal", "out of memory", "oom",
	"no space left", "corrupt", "crash", "unrecoverable", "kernel panic", "data loss", "was interrupted", "deadlock",
}

// trouble are words that tell of a failure in lines that claim no level.
var trouble = []string{
	"error", "exception", "fail", "fatal", "refused", "denied", "timed out", "timeout", "unreachable", "cannot ", "can't ", "unable to",
	"aborted", "not permitted", "invalid user", "broken pipe",
}

// categories are words by what they are about; the first that occurs counts.
var categories = []struct {
	category domain.AnomalyCategory
	words    []string
}{
	{domain.CategorySecurity, []string{"break-in", "attack", "injection", "ignore previous instructions"}},
	{domain.CategoryAuth, []string{"password", "authentication", "login", "permission denied", "unauthorized", "forbidden", "role \"", "invalid user", "credential"}},
	{domain.CategoryResource, []string{"no space left", "out of memory", "oom", "too many", "not enough", "maxmemory", "memory usage", "disk", "quota", "remaining connection slots", "limiting"}},
	{domain.CategoryCrash, []string{"panic", "segfault", "signal", "core dumped", "crash", "fatal exception", "interrupted", "terminated"}},
	{domain.CategoryData, []string{"corrupt", "checksum", "duplicate key", "constraint", "parity", "deadlock", "invalid data"}},
	{domain.CategoryDependency, []string{"upstream", "backend", "downstream", "gateway"}},
	{domain.CategoryNetwork, []string{"connection", "connect", "socket", "timed out", "timeout", "unreachable", "reset by peer", "network", "link"}},
	{domain.CategoryConfig, []string{"config", "option", "parameter", "setting", "unknown directive"}},
}

func categoryOf(text string) domain.AnomalyCategory {
	for _, c := range categories {
		if containsAny(text, c.words) {
			return c.category
		}
	}
	return domain.CategoryUnknown
}

func containsAny(lower string, words []string) bool {
	for _, w := range words {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return false
}

// levelOf is the level of a shape: that of most of its lines, or, where they
// claim none, one that its words suggest.
func levelOf(counts *[7]int32, lower string) domain.LogLevel {
	best := domain.LogLevelUnknown
	for level := domain.LogLevelTrace; level <= domain.LogLevelFatal; level++ {
		if counts[level] > 0 && (best == domain.LogLevelUnknown || counts[level] >= counts[best]) {
			best = level
		}
	}
	switch {
	case best != domain.LogLevelUnknown:
		return best
	case strings.Contains(lower, `" 5xx`), containsAny(lower, grave):
		return domain.LogLevelError
	case containsAny(lower, trouble):
		return domain.LogLevelWarn
	}
	return domain.LogLevelUnknown
}

// denials are further words by which a line tells of something that went wrong.
var denials = []string{
	"not ", "no ", "invalid", "unexpected", "missing", "lost", "terminat", "abort", "shut", "stop", "kill", "died", "unable", "bad ", "illegal", "severed",
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
	words := strings.Fields(template)
	words = slices.DeleteFunc(words, func(w string) bool {
		_, level := domain.LookupLogLevel(strings.Trim(w, "[]():"))
		return level && w == strings.ToUpper(w)
	})
	text := plainWords(strings.Join(words, " "))
	return !containsAny(text, trouble) && !containsAny(text, grave) && !containsAny(text, denials)
}

// severityOf is the severity of a shape by what it says of itself. share is its
// part of the lines: what makes up much of a log is its daily routine.
func severityOf(s *shape, share float64) domain.Severity {
	isGrave := containsAny(s.lower, grave)
	switch s.level {
	case domain.LogLevelFatal:
		switch {
		case isGrave:
			return domain.SeverityCritical
		case s.dump:
			return domain.SeverityLow
		}
		return domain.SeverityHigh
	case domain.LogLevelError:
		switch {
		case isGrave:
			return domain.SeverityHigh
		case share > routineShare:
			return domain.SeverityLow
		}
		return domain.SeverityMedium
	case domain.LogLevelWarn:
		switch {
		case isGrave:
			return domain.SeverityMedium
		case share > routineShare:
			return domain.SeverityInfo
		}
		return domain.SeverityLow
	case domain.LogLevelUnknown, domain.LogLevelTrace, domain.LogLevelDebug, domain.LogLevelInfo:
	}
	return 0
}

// routineShare is the part of the lines above which a shape is routine.
const routineShare = 0.05
