package httpapi

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/domain"
)

// fieldNames are the names that log entries use for their parts, in any case. Of
// several the first counts, and the others become attributes. A name with dots is
// also that of a field of nested objects.
type fieldNames struct{ message, time, level, source []string }

var defaultNames = fieldNames{
	message: []string{"message", "msg", "log", "_msg", "body", "text"},
	time:    []string{"time", "timestamp", "@timestamp", "ts", "date", "_time"},
	level:   []string{"level", "severity", "lvl", "log.level", "log_level", "loglevel", "levelname", "severity_text"},
	source:  []string{"source", "service", "service.name", "app", "application", "host", "hostname", "host.name", "logger", "log.logger"},
}

// withNames puts names, which are separated by commas, before others.
func withNames(list string, others []string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return append(out, others...)
}

// jsonEntry reads a JSON object. Its own source counts more than that of the
// request. Fields without a meaning become attributes: scalars as text, those of
// nested objects under their names joined by dots, arrays as JSON, all cut to what
// an attribute may have; those beyond the number that an entry may have are
// dropped. Later fields of one name replace earlier ones.
func (in *intake) jsonEntry(value []byte) (domain.LogEntry, error) {
	fields, err := readFields(value)
	if err != nil {
		return domain.LogEntry{}, err
	}
	return in.entryOf(fields, "")
}

// entryOf makes an entry of the fields. message is for an object that has none; if
// that is "", such an object is refused.
func (in *intake) entryOf(fields *fields, message string) (domain.LogEntry, error) {
	entry := domain.LogEntry{Source: in.source, Message: message}
	if f := fields.scalar(in.names.message); f != nil {
		entry.Message = strings.TrimRight(f.text, "\r\n")
		f.used = true
	} else if message == "" {
		return entry, &domain.ValidationError{Field: "message", Rule: "is missing; its name may be " + strings.Join(in.names.message, ", ")}
	}
	if f := fields.scalar(in.names.time); f != nil && f.text != "" {
		var err error
		if entry.Timestamp, err = parseTime(f.text, in.now); err != nil {
			return entry, err
		}
		f.used = true
	}
	if f := fields.scalar(in.names.source); f != nil && f.text != "" {
		entry.Source = cutText(f.text, domain.MaxLogSource)
		f.used = true
	}
	if f := fields.scalar(in.names.level); f == nil {
		entry.Level = domain.ParseLogLine(entry.Message, in.now).Level
	} else if level, ok := parseLevel(f.text); ok {
		// A word that is no level stays an attribute.
		entry.Level = level
		f.used = true
	}
	for i := range fields.list {
		if f := &fields.list[i]; !f.used {
			entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
		}
	}
	return entry, nil
}

// field is a member of a JSON object.
type field struct {
	// name is that of the member, after those of the objects around it.
	name string
	kind jsontext.Kind
	// text is the value of a string, the JSON of others.
	text string
	// attribute is whether it stood in an object named attributes, as entries are
	// shown: it is no part of the entry, whatever its name is.
	attribute bool
	// used is whether it has become a part of the entry.
	used bool
}

// fields are the members of an object that are not null, in their order.
type fields struct {
	list  []field
	named map[fieldKey]int // the place of each name
}

type fieldKey struct {
	name      string
	attribute bool
}

// Limits of what is read of an object: more members than maxFields are dropped.
const (
	maxFields      = 1000
	attributesName = "attributes"
)

// readFields reads a JSON object.
func readFields(value []byte) (*fields, error) {
	if firstByte(value) != '{' {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must be a JSON object"}
	}
	if deeper(value, maxDepth) {
		return nil, &domain.ValidationError{Field: "entry", Rule: fmt.Sprintf("must be nested at most %d deep", maxDepth)}
	}
	out := &fields{named: map[fieldKey]int{}}
	dec := jsontext.NewDecoder(bytes.NewReader(value), lenient)
	_, err := dec.ReadToken()
	if err == nil {
		err = out.read(dec, "", false)
	}
	if err != nil {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must be valid JSON"}
	}
	if len(bytes.TrimSpace(value[dec.InputOffset():])) > 0 {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must have nothing behind the JSON object"}
	}
	return out, nil
}

// read reads the rest of an object. prefix is put before the names.
func (f *fields) read(dec *jsontext.Decoder, prefix string, attribute bool) error {
	for dec.PeekKind() != jsontext.KindEndObject {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		member := field{name: cutText(prefix+token.String(), domain.MaxLogSource), attribute: attribute}
		if dec.PeekKind() == jsontext.KindBeginObject {
			if _, err := dec.ReadToken(); err != nil {
				return err
			}
			inner, attribute := member.name+".", attribute
			if prefix == "" && member.name == attributesName {
				inner, attribute = "", true
			}
			if err := f.read(dec, inner, attribute); err != nil {
				return err
			}
			continue
		}
		raw, err := dec.ReadValue()
		if err != nil {
			return err
		}
		member.kind = raw.Kind()
		if member.text, err = fieldText(raw); err != nil {
			return err
		}
		f.put(member)
	}
	_, err := dec.ReadToken()
	return err
}

// put adds a member, or replaces the one of its name.
func (f *fields) put(member field) {
	if member.kind == jsontext.KindNull || member.name == "" {
		return
	}
	key := fieldKey{member.name, member.attribute}
	if i, again := f.named[key]; again {
		f.list[i] = member
		return
	}
	if len(f.list) == maxFields {
		return
	}
	f.named[key] = len(f.list)
	f.list = append(f.list, member)
}

// fieldText returns a string's value, or the JSON of any other value.
func fieldText(raw jsontext.Value) (string, error) {
	if raw.Kind() == jsontext.KindString {
		// The only error left is invalid UTF-8, which is replaced.
		text, _ := jsontext.AppendUnquote(nil, raw)
		return strings.ToValidUTF8(string(text), "\uFFFD"), nil
	}
	if raw.Kind() == jsontext.KindBeginArray {
		raw = raw.Clone()
		if err := raw.Compact(lenient); err != nil {
			return "", err
		}
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), nil
}

// scalar returns the field of the first of these names that is no array, or nil.
func (f *fields) scalar(names []string) *field {
	for _, name := range names {
		for i := range f.list {
			c := &f.list[i]
			if !c.attribute && c.kind != jsontext.KindBeginArray && strings.EqualFold(c.name, name) {
				return c
			}
		}
	}
	return nil
}

// addAttribute adds an attribute, cut to its limits, if there is room for it and
// none of its name.
func addAttribute(to map[string]string, name, value string) map[string]string {
	name = cutText(name, domain.MaxLogSource)
	if _, taken := to[name]; taken || name == "" || len(to) == domain.MaxLogAttributes {
		return to
	}
	if to == nil {
		to = map[string]string{}
	}
	to[name] = cutText(value, domain.MaxLogAttribute)
	return to
}

// levelNumbers are the numbers of levels: those of pino and bunyan, and those of
// syslog, as GELF and the journal have them.
var levelNumbers = map[string]domain.LogLevel{
	"10": domain.LogLevelTrace, "20": domain.LogLevelDebug, "30": domain.LogLevelInfo,
	"40": domain.LogLevelWarn, "50": domain.LogLevelError, "60": domain.LogLevelFatal,
	"0": domain.LogLevelFatal, "1": domain.LogLevelFatal, "2": domain.LogLevelFatal, "3": domain.LogLevelError,
	"4": domain.LogLevelWarn, "5": domain.LogLevelInfo, "6": domain.LogLevelInfo, "7": domain.LogLevelDebug,
}

// parseLevel reads a level by its name or number.
func parseLevel(text string) (domain.LogLevel, bool) {
	text = strings.TrimSpace(text)
	if level, ok := domain.LookupLogLevel(text); ok {
		return level, true
	}
	level, ok := levelNumbers[text]
	return level, ok
}

// parseTime reads a time in RFC 3339 or another layout of log lines, or a number
// of seconds, milliseconds, microseconds or nanoseconds since 1970: whichever unit
// gives a time between 1973 and 5138, as far as there is one. 0 is no time, since
// clients send it for that.
func parseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		switch {
		case n == 0:
			return time.Time{}, nil
		case n < 1e11:
			return time.Unix(n, 0), nil
		case n < 1e14:
			return time.UnixMilli(n), nil
		case n < 1e17:
			return time.UnixMicro(n), nil
		default:
			return time.Unix(0, n), nil
		}
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e20 {
		for n >= 1e11 {
			n /= 1000
		}
		return time.UnixMicro(int64(math.Round(n * 1e6))), nil
	}
	if t, begin, end := domain.ScanLogTime(text, now); !t.IsZero() && begin == 0 && end == len(text) {
		return t, nil
	}
	return time.Time{}, &domain.ValidationError{
		Field: "timestamp", Value: cutText(text, 64),
		Rule: "must be an RFC 3339 time, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970",
	}
}
