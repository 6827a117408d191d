package logline

import (
	"strings"

	"logsift/domain"
)

// redis is the format of Redis and Valkey: the pid and a role, such as "12:M ", a
// time, and a mark for the level.
var redis = format{
	name:       "redis",
	examples:   []string{`12:M 01 Mar 2026 10:11:12.345 # Cannot start`},
	products:   []string{"valkey"},
	behindTime: behindRedisTime,
}

func behindRedisTime(h Header, line string) (Header, bool) {
	n, end := h.TimeBegin, h.TimeEnd
	if n < 4 || line[n-1] != ' ' || !isRedisPID(line[:n-1], h.layout) || len(headOf(line)) <= end+2 || line[end] != ' ' || line[end+2] != ' ' {
		return h, false
	}
	switch line[end+1] {
	case '.':
		h.Level = domain.LogLevelDebug
	case '-', '*':
		h.Level = domain.LogLevelInfo
	case '#':
		h.Level = domain.LogLevelWarn
	default:
		return h, false
	}
	h.TextBegin = skipSeparators(headOf(line), end+2)
	return h, true
}

// isRedisPID reports whether s is 12:M, [12:M], or [12] as Redis 2 writes it, without a
// year.
func isRedisPID(s string, layout timeLayout) bool {
	inner, ok := strings.CutPrefix(s, "[")
	if ok {
		inner, ok = strings.CutSuffix(inner, "]")
	}
	if pid, role, found := strings.Cut(inner, ":"); found && len(role) == 1 && strings.IndexByte("MSCX", role[0]) >= 0 {
		return isNumber(pid)
	}
	return ok && isNumber(inner) && layout == layoutSyslog
}
