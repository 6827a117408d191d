package logline

import (
	"strings"

	"logsift/domain"
)

const (
	// requestBytes bounds the request line of an access log: servers refuse longer
	// ones, and log what they refuse.
	requestBytes = 32 << 10
	// accessBytes are searched for the time of an access log, which stands behind the
	// addresses that a request was forwarded by.
	accessBytes = 1 << 10
)

// access is the common and combined log format of web servers.
var access = format{
	name: "access",
	examples: []string{
		`192.0.2.7 - - [01/Mar/2026:10:11:12 +0000] "GET /x HTTP/1.1" 500 12`,
	},
	products:   []string{"apache", "nginx", "common", "combined", "clf"},
	behindTime: behindAccessTime,
	attributes: accessAttributes,
}

// behindAccessTime reads the request and the status behind the time of a line such as
//
//	127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326
//
// (https://httpd.apache.org/docs/2.4/logs.html#common). What follows the status
// does not matter, so that the combined format and its kin are read too.
func behindAccessTime(h Header, line string) (Header, bool) {
	rest, ok := strings.CutPrefix(line[h.TimeEnd:], `] "`)
	if !ok || h.layout != layoutAccess {
		return h, false
	}
	begin := len(line) - len(rest)
	end := quotedEnd(rest[:min(len(rest), requestBytes)])
	if end < 0 {
		return h, false
	}
	after := rest[end+1:]
	if len(after) < 4 || after[0] != ' ' || !isNumber(after[1:4]) || len(after) > 4 && after[4] != ' ' {
		return h, false
	}
	switch class := after[1]; {
	case class == '5':
		h.Level = domain.LogLevelError
	case class == '4':
		h.Level = domain.LogLevelWarn
	case class >= '1' && class <= '3':
		h.Level = domain.LogLevelInfo
	default:
		return h, false
	}
	h.TextBegin = begin
	h.extraBegin, h.extraEnd = begin, begin+end
	return h, true
}

// readForwarded reads a line whose time and request stand far from its begin.
func readForwarded(h Header, line string, times timeContext) (Header, bool) {
	head := line[:min(len(line), accessBytes)]
	for at := 0; ; {
		i := strings.IndexByte(head[at:], '[')
		if i < 0 {
			return h, false
		}
		at += i + 1
		if len(head) < at+len("02/Jan/2006:15:04:05") || head[at+2] != '/' || head[at+6] != '/' {
			continue
		}
		p := timeParser{s: head[at:], timeContext: times}
		if t, ok := p.parse(); ok {
			h.Time, h.TimeBegin, h.TimeEnd, h.layout, h.Format = t, at, at+p.i, p.layout, FormatAccess
			return behindAccessTime(h, line)
		}
	}
}

// quotedEnd finds the quote that ends a text in which quotes are escaped by a
// backslash, or returns -1.
func quotedEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// accessAttributes returns the attributes of an access log's line.
func accessAttributes(h Header, line string, out attributes) attributes {
	if h.extraEnd == 0 {
		return out
	}
	if client, _ := cutWord(line); client != "-" && len(client) < h.TimeBegin {
		out.add(attributeClient, client)
	}
	request := line[h.extraBegin:h.extraEnd]
	if method, rest := cutWord(request); rest != "" && isMethod(method) {
		path, _ := cutWord(rest)
		out.add(attributeMethod, method)
		out.add(attributePath, path)
	}
	out.add(attributeStatus, line[h.extraEnd+2:h.extraEnd+5])
	return out
}

// isMethod reports whether the word is in capitals, as the methods of HTTP are.
func isMethod(word string) bool {
	for i := range len(word) {
		if c := word[i]; (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return word != ""
}
