package redact

import "strings"

func (s *Session) scan(v *view, out []span) []span {
	for at := 0; ; {
		i := strings.Index(v.text[at:], "AKIA")
		if i < 0 {
			return out
		}
		from := at + i
		at = from + len("AKIA")
		for at < len(v.text) && (v.text[at] >= 'A' && v.text[at] <= 'Z' || v.text[at] >= '2' && v.text[at] <= '7') {
			at++
		}
		if at-from == 20 {
			out = append(out, span{from, at, AWSAccessKey})
		}
	}
}
