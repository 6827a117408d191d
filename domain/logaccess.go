package domain

import "strings"

// requestBytes bounds the request line of an access log: servers refuse longer
// ones, and log what they refuse.
const requestBytes = 32 << 10

// parseAccess reads the request and the status behind the time of a line such as
//
//	127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326
//
// (https://httpd.apache.org/docs/2.4/logs.html#common). What follows the status
// does not matter, so that the combined format and its kin are read too.
func (h *LogHeader) parseAccess(line string) bool {
	rest, ok := strings.CutPrefix(line[h.TimeEnd:], `] "`)
	if !ok {
		return false
	}
	begin := len(line) - len(rest)
	end := quotedEnd(rest[:min(len(rest), requestBytes)])
	if end < 0 {
		return false
	}
	after := rest[end+1:]
	if len(after) < 4 || after[0] != ' ' || !isNumber(after[1:4]) || len(after) > 4 && after[4] != ' ' {
		return false
	}
	switch class := after[1]; {
	case class == '5':
		h.Level = LogLevelError
	case class == '4':
		h.Level = LogLevelWarn
	case class >= '1' && class <= '3':
		h.Level = LogLevelInfo
	default:
		return false
	}
	h.Format = LogFormatAccess
	h.TextBegin = begin
	h.extraBegin, h.extraEnd = begin, begin+end
	return true
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

// accessAttributes are those of an access log's line.
func (h *LogHeader) accessAttributes(line string, out *attributes) {
	if client, _ := cutWord(line); client != "-" && len(client) < h.TimeBegin {
		out.add(AttributeClient, client)
	}
	request := line[h.extraBegin:h.extraEnd]
	if method, rest := cutWord(request); rest != "" && isMethod(method) {
		path, _ := cutWord(rest)
		out.add(AttributeMethod, method)
		out.add(AttributePath, path)
	}
	out.add(AttributeStatus, line[h.extraEnd+2:h.extraEnd+5])
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
