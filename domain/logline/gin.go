package logline

import "strings"

// gin is the default format of gin's requests: "[GIN] 2026/11/18 - 09:00:01 | 500 | ".
var gin = format{
	name:       "gin",
	examples:   []string{`[GIN] 2026/03/01 - 10:11:12 | 500 |  12ms | 192.0.2.7 | GET "/x"`},
	behindTime: behindGinTime,
}

func behindGinTime(h Header, line string) (Header, bool) {
	rest, ok := strings.CutPrefix(line[h.TimeEnd:], " | ")
	if !ok || len(rest) < 3 || !strings.HasPrefix(line, "[GIN] ") {
		return h, false
	}
	h.Level = statusLevel(rest[:3])
	h.TextBegin = h.TimeEnd + len(" | ")
	return h, true
}
