package ingest

import (
	"math"
	"strconv"
	"strings"
	"time"

	"logsift/adapters/httpapi/request"
	"logsift/domain"
	"logsift/domain/logline"
)

// plainEntry reads a line of text, or several of one entry. A source that the request
// names is the line's own; what the line says of it is kept as an attribute.
func (in *receiver) plainEntry(text []byte) (domain.LogEntry, error) {
	entry := in.parser.Parse(strings.ToValidUTF8(string(text), "\uFFFD"), in.now)
	if said := entry.Source; in.source != "" {
		if said != "" && said != in.source {
			entry.Attributes = addAttribute(entry.Attributes, "source", said)
		}
		entry.Source = in.source
	}
	return entry, nil
}

// jsonEntry reads a JSON object. Its own source counts more than that of the
// request. Fields without a meaning become attributes: scalars as text, those of
// nested objects under their names joined by dots, arrays as JSON, all cut to what
// an attribute may have; those beyond the number that an entry may have are
// dropped. Later fields of one name replace earlier ones.
func (in *receiver) jsonEntry(value []byte) (domain.LogEntry, error) {
	fields, err := in.readFields(value)
	if err != nil {
		return domain.LogEntry{}, err
	}
	return in.entryOf(fields, value)
}

// entryOf makes an entry of the fields of an object. An object without a message is its
// own; one without anything is refused. A time that cannot be read stays an attribute, as
// a word that is no level does.
func (in *receiver) entryOf(fields *fields, object []byte) (domain.LogEntry, error) {
	entry := domain.LogEntry{Source: in.source}
	named := in.names.pick(fields.list, in.timeOf)
	in.wholeTime(&named, fields.list)
	switch f := named.message.field; {
	case f != nil && (strings.TrimSpace(f.text) != "" || len(fields.list) == 1):
		entry.Message = strings.TrimRight(f.text, "\r\n")
		f.used = true
	case len(fields.list) == 0:
		return entry, &domain.ValidationError{Field: "message", Rule: "is missing; its name may be " + strings.Join(in.names.message, ", ")}
	default:
		entry.Message = request.CutText(strings.TrimSpace(strings.ToValidUTF8(string(object), "\uFFFD")), domain.MaxLogMessage)
	}
	if f := named.time.field; f != nil {
		entry.Timestamp = named.at
		f.used = true
	}
	if f := named.source.field; f != nil && f.text != "" {
		entry.Source = request.CutText(f.text, domain.MaxLogSource)
		f.used = true
	}
	if f := named.level.field; f != nil {
		entry.Level = named.severity
		f.used = true
	} else if entry.Level = named.implied; entry.Level == domain.LogLevelUnknown && named.message.field != nil && named.message.used {
		entry.Level = logline.Parser{}.Header(entry.Message, in.now).Level
	}
	for i := range fields.list {
		if len(entry.Attributes) == domain.MaxLogAttributes {
			break
		}
		if f := &fields.list[i]; !f.used {
			entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
		}
	}
	return entry, nil
}

// addAttribute adds an attribute, cut to its limits, if there is room for it and
// none of its name.
func addAttribute(to map[string]string, name, value string) map[string]string {
	name = request.CutText(name, domain.MaxLogSource)
	if _, taken := to[name]; taken || name == "" || len(to) == domain.MaxLogAttributes {
		return to
	}
	if to == nil {
		to = map[string]string{}
	}
	to[name] = request.CutText(value, domain.MaxLogAttribute)
	return to
}

// parseLevel reads a level by its name, as logline does, or the name of the unknown one.
func parseLevel(text string) (domain.LogLevel, bool) {
	text = strings.TrimSpace(text)
	if level, ok := domain.LookupLogLevel(text); ok {
		return level, true
	}
	return logline.ReadLevel(text, logline.NumbersUnknown)
}

// readLevel reads a level as parseLevel does, by its field and the marks beside it.
func readLevel(f *field, marks *logline.LevelMarks) (domain.LogLevel, bool) {
	text := strings.TrimSpace(f.text)
	if level, ok := domain.LookupLogLevel(text); ok {
		return level, true
	}
	return marks.Read(f.name, text)
}

// readTime reads a time in RFC 3339 or another layout of log lines, or a number
// of seconds, milliseconds, microseconds or nanoseconds since 1970: whichever unit
// gives a time between 1973 and 5138, as far as there is one. 0 is no time, since
// clients send it for that. A time before 1970 cannot be kept, and is none.
func (in *receiver) readTime(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, t.Unix() >= 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		switch {
		case n == 0:
			return time.Time{}, true
		case n < 1e11:
			return time.Unix(n, 0), true
		case n < 1e14:
			return time.UnixMilli(n), true
		case n < 1e17:
			return time.UnixMicro(n), true
		default:
			return time.Unix(0, n), true
		}
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e20 {
		for n >= 1e11 {
			n /= 1000
		}
		return time.UnixMicro(int64(math.Round(n * 1e6))), true
	}
	return in.parser.ReadTime(text, in.now)
}
