package logline

import (
	"strings"

	"logsift/domain"
)

// logcat is the format of Android: a time without a year, process, thread, and a
// letter for the level.
var logcat = format{
	name:       "logcat",
	examples:   []string{`03-01 10:11:12.345  1702  2395 E ActivityManager: cannot start`},
	products:   []string{"android"},
	behindTime: behindLogcatTime,
}

func behindLogcatTime(h Header, line string) (Header, bool) {
	if h.layout != layoutLogcat {
		return h, false
	}
	head := headOf(line)
	rest := head[h.TimeEnd:]
	for range 3 {
		word, after := cutWord(strings.TrimLeft(rest, " "))
		if len(word) == 1 && levelOfLetter(word[0]) != domain.LogLevelUnknown {
			h.Level, h.TextBegin = levelOfLetter(word[0]), skipSeparators(head, len(head)-len(after))
			return h, true
		}
		rest = after
	}
	return h, false
}
