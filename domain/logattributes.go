package domain

import "strings"

// Names of the attributes that [ParseLogLine] sets.
const (
	AttributeHost      = "host"
	AttributeProgram   = "program"
	AttributePID       = "pid"
	AttributeMessageID = "msgid"
	AttributeStream    = "stream"
	AttributeClient    = "client"
	AttributeMethod    = "method"
	AttributePath      = "path"
	AttributeStatus    = "status"
	AttributeTraceID   = "trace_id"
)

// attributes gathers the attributes of an entry within its limits.
type attributes map[string]string

// add sets a value that is not empty. The first value of a name counts.
func (a *attributes) add(name, value string) {
	if name == "" || value == "" || len(*a) == MaxLogAttributes {
		return
	}
	if *a == nil {
		*a = make(attributes, 4)
	}
	name = cutString(name, MaxLogSource)
	if _, again := (*a)[name]; !again {
		(*a)[name] = cutString(value, MaxLogAttribute)
	}
}

// attributes are those of a line with this header; nil if it has none.
func (h *LogHeader) attributes(line string) map[string]string {
	var out attributes
	out.add(AttributeHost, h.Host)
	out.add(AttributeProgram, h.Program)
	out.add(AttributePID, h.PID)
	out.add(AttributeMessageID, h.MessageID)
	out.add(AttributeStream, h.Stream)
	switch h.Format {
	case LogFormatAccess:
		if h.extraEnd > 0 {
			h.accessAttributes(line, &out)
		}
	case LogFormatSyslog:
		structuredData(line[h.extraBegin:h.extraEnd], &out)
	case LogFormatJSON:
		eachJSONField(line, func(key, value string) { out.add(attributeOfField(key), value) })
	case LogFormatLogfmt:
		eachPair(line, func(key, value string) { out.add(attributeOfField(key), value) })
	case LogFormatAuto, LogFormatText, LogFormatPlain, LogFormatKlog, LogFormatLogcat, LogFormatRedis, LogFormatContainer:
	}
	return out
}

// attributeOfField is the attribute that a field of JSON or logfmt becomes, by the
// names that are in use for it; "" for none. All other fields stay in the message
// only.
func attributeOfField(key string) string {
	switch key {
	case "host", "hostname", "host.name", "_HOSTNAME":
		return AttributeHost
	case "service", "service.name", "app", "application", "program", "name", "logger", "logger_name", "SYSLOG_IDENTIFIER":
		return AttributeProgram
	case "pid", "process", "process.pid", "_PID":
		return AttributePID
	case "stream":
		return AttributeStream
	case "trace_id", "traceId", "traceID", "trace.id", "TraceId":
		return AttributeTraceID
	case "method", "http_method", "http.method", "http.request.method", "request_method":
		return AttributeMethod
	case "path", "url.path", "uri", "url", "request_uri":
		return AttributePath
	case "status", "status_code", "http.status_code", "http.response.status_code":
		return AttributeStatus
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
