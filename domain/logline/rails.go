package logline

import "strings"

// rails is the first line of a request in Rails' log, which has the time at its end:
// Started GET "/x" for 192.0.2.7 at 2026-11-18 09:00:01 +0000.
var rails = format{
	name:     "rails",
	examples: []string{`Started GET "/x" for 192.0.2.7 at 2026-03-01 10:11:12 +0000`},
	read:     readRails,
}

func readRails(line string, times timeContext, _ bool) (Header, bool) {
	rest, ok := strings.CutPrefix(line, "Started ")
	if !ok {
		return Header{}, false
	}
	method, _ := cutWord(rest)
	at := strings.LastIndex(line, " at ") + len(" at ")
	if at < len("Started  at ") || !isMethod(method) {
		return Header{}, false
	}
	p := timeParser{s: line[at:], timeContext: times}
	t, ok := p.parse()
	if !ok || p.layout != layoutFull || at+p.i != len(line) {
		return Header{}, false
	}
	return Header{Time: t, layout: layoutFull, TimeBegin: at, TimeEnd: len(line), TextBegin: len("Started "), TextEnd: len(line)}, true
}
