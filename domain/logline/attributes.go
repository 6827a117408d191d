package logline

import (
	"strings"

	"logsift/domain"
)

// Names of the attributes that [Parser.Parse] sets.
const (
	attributeHost      = "host"
	attributeProgram   = "program"
	attributePID       = "pid"
	attributeMessageID = "msgid"
	attributeStream    = "stream"
	attributeClient    = "client"
	attributeMethod    = "method"
	attributePath      = "path"
	attributeStatus    = "status"
	attributeTraceID   = "trace_id"
)

// attributes gathers the attributes of an entry within its limits.
type attributes map[string]string

// add sets a value that is not empty. The first value of a name counts.
func (a *attributes) add(name, value string) {
	if name == "" || value == "" || len(*a) == domain.MaxLogAttributes {
		return
	}
	if *a == nil {
		*a = make(attributes, 4)
	}
	name = domain.CutString(name, domain.MaxLogSource)
	if _, again := (*a)[name]; !again {
		(*a)[name] = domain.CutString(value, domain.MaxLogAttribute)
	}
}

// attributes returns the attributes of a line with this header; nil if it has none.
func (h *Header) attributes(line string) map[string]string {
	var out attributes
	out.add(attributeHost, h.Host)
	out.add(attributeProgram, h.Program)
	out.add(attributePID, h.PID)
	out.add(attributeMessageID, h.MessageID)
	out.add(attributeStream, h.Stream)
	if add := formats[h.Format].attributes; add != nil {
		return add(*h, line, out)
	}
	return out
}

// attributeOfField is the attribute that a field of JSON or logfmt becomes, by the
// names that are in use for it; "" for none. All other fields stay in the message
// only.
func attributeOfField(key string) string {
	switch key {
	case "host", "hostname", "host.name", "_HOSTNAME":
		return attributeHost
	case "service", "service.name", "app", "application", "program", "name", "logger", "logger_name", "SYSLOG_IDENTIFIER":
		return attributeProgram
	case "pid", "process", "process.pid", "_PID":
		return attributePID
	case "stream":
		return attributeStream
	case "trace_id", "traceId", "traceID", "trace.id", "TraceId":
		return attributeTraceID
	case "method", "http_method", "http.method", "http.request.method", "request_method":
		return attributeMethod
	case "path", "url.path", "uri", "url", "request_uri":
		return attributePath
	case "status", "status_code", "http.status_code", "http.response.status_code":
		return attributeStatus
	}
	return ""
}

// unescape removes backslashes that stand before these characters.
func unescape(s, escaped string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(escaped, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
