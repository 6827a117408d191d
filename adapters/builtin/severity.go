package builtin

import (
	"strings"

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

// levelOf is the level of a template: that of most of its lines, or, where they
// claim none, one that its words suggest.
func levelOf(counts *[7]int, lower string) domain.LogLevel {
	best := domain.LogLevelUnknown
	known := 0
	for level := domain.LogLevelTrace; level <= domain.LogLevelFatal; level++ {
		known += counts[level]
		if counts[level] > 0 && counts[level] >= counts[best] || best == domain.LogLevelUnknown && counts[level] > 0 {
			best = level
		}
	}
	if known > 0 {
		return best
	}
	if strings.Contains(lower, `" 5xx`) {
		return domain.LogLevelError
	}
	if containsAny(lower, grave) {
		return domain.LogLevelError
	}
	if containsAny(lower, trouble) {
		return domain.LogLevelWarn
	}
	return domain.LogLevelUnknown
}

// severityOf is the severity of a template by what it says of itself. share is
// its part of the lines: what makes up much of a log is its daily routine.
func severityOf(level domain.LogLevel, lower string, share float64) domain.Severity {
	isGrave := containsAny(lower, grave)
	switch level {
	case domain.LogLevelFatal:
		if isGrave {
			return domain.SeverityCritical
		}
		return domain.SeverityHigh
	case domain.LogLevelError:
		if isGrave {
			return domain.SeverityHigh
		}
		if share > routineShare {
			return domain.SeverityLow
		}
		return domain.SeverityMedium
	case domain.LogLevelWarn:
		if isGrave {
			return domain.SeverityMedium
		}
		if share > routineShare {
			return domain.SeverityInfo
		}
		return domain.SeverityLow
	case domain.LogLevelUnknown, domain.LogLevelTrace, domain.LogLevelDebug, domain.LogLevelInfo:
	}
	return 0
}

// routineShare is the part of the lines above which a template is routine.
const routineShare = 0.05
