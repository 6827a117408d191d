package logline

import "strings"

// klog is the format of Kubernetes and glog: a letter for the level, a time without
// a year, the thread, and file:line].
var klog = format{
	name:       "klog",
	examples:   []string{`E0301 10:11:12.345678       1 main.go:7] "Cannot start" err="x"`},
	products:   []string{"kubernetes", "glog"},
	behindTime: behindKlogTime,
}

func behindKlogTime(h Header, line string) (Header, bool) {
	if h.layout != layoutKlog {
		return h, false
	}
	head, end := headOf(line), h.TimeEnd
	if i := strings.Index(head[end:], "] "); i >= 0 {
		end += i + 1
	}
	h.Level, h.TextBegin = levelOfLetter(head[h.TimeBegin]), skipSeparators(head, end)
	return h, true
}
