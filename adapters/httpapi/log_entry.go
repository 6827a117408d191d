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

// The names that log entries use, in any case; of several the first counts, and
// the others become attributes.
var (
	messageNames = []string{"message", "msg", "log", "body", "text"}
	timeNames    = []string{"time", "timestamp", "@timestamp", "ts", "date"}
	levelNames   = []string{"level", "severity", "lvl"}
	sourceNames  = []string{"source", "service", "host"}
)

const attributesName = "attributes"

// jsonEntry reads a JSON object. Its own source counts more than that of the
// request. Fields without a meaning become attributes: scalars as text, others as
// JSON, cut to what an attribute may have; those beyond the number that an entry
// may have are dropped. Later fields of one name replace earlier ones.
func jsonEntry(value []byte, source string, now time.Time) (domain.LogEntry, error) {
	fields, err := readFields(value)
	if err != nil {
		return domain.LogEntry{}, err
	}
	entry := domain.LogEntry{Source: source}
	if f := fields.scalar(messageNames); f != nil {
		entry.Message = strings.TrimRight(f.text, "\r\n")
		f.used = true
	} else {
		return entry, &domain.ValidationError{Field: "message", Rule: "is missing; its name may be " + strings.Join(messageNames, ", ")}
	}
	if f := fields.scalar(timeNames); f != nil && f.text != "" {
		if entry.Timestamp, err = parseTime(f.text, now); err != nil {
			return entry, err
		}
		f.used = true
	}
	if f := fields.scalar(sourceNames); f != nil && f.text != "" {
		entry.Source = f.text
		f.used = true
	}
	if f := fields.scalar(levelNames); f == nil {
		entry.Level = domain.ParseLogLine(entry.Message, now).Level
	} else if level, ok := parseLevel(f); ok {
		// A word that is no level stays an attribute.
		entry.Level = level
		f.used = true
	}
	entry.Attributes, err = fields.attributes()
	return entry, err
}

// field is a member of a JSON object.
type field struct {
	name string
	kind jsontext.Kind
	// text is the value of a string, the JSON of others.
	text string
	// used is whether it has become a part of the entry.
	used bool
}

// fields are the members of an object that are not null, in their order.
type fields struct {
	list  []field
	named map[string]int // the place of each name
}

// readFields reads a JSON object.
func readFields(value []byte) (*fields, error) {
	if firstByte(value) != '{' {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must be a JSON object"}
	}
	if deeper(value, maxDepth) {
		return nil, &domain.ValidationError{Field: "entry", Rule: fmt.Sprintf("must be nested at most %d deep", maxDepth)}
	}
	out := &fields{named: map[string]int{}}
	dec := jsontext.NewDecoder(bytes.NewReader(value), lenient)
	if _, err := dec.ReadToken(); err != nil {
		return nil, entryError(err)
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, entryError(err)
		}
		f := field{name: name.String()}
		raw, err := dec.ReadValue()
		if err != nil {
			return nil, entryError(err)
		}
		if f.kind = raw.Kind(); f.kind == jsontext.KindNull {
			continue
		}
		if f.text, err = fieldText(raw); err != nil {
			return nil, entryError(err)
		}
		if i, again := out.named[f.name]; again {
			out.list[i] = f
			continue
		}
		out.named[f.name] = len(out.list)
		out.list = append(out.list, f)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, entryError(err)
	}
	if len(bytes.TrimSpace(value[dec.InputOffset():])) > 0 {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must have nothing behind the JSON object"}
	}
	return out, nil
}

func entryError(error) error {
	return &domain.ValidationError{Field: "entry", Rule: "must be valid JSON"}
}

// fieldText returns a string's value, or the JSON of any other value.
func fieldText(raw jsontext.Value) (string, error) {
	if raw.Kind() == jsontext.KindString {
		// The only error left is invalid UTF-8, which is replaced.
		text, _ := jsontext.AppendUnquote(nil, raw)
		return strings.ToValidUTF8(string(text), "\uFFFD"), nil
	}
	if !isScalar(raw.Kind()) {
		raw = raw.Clone()
		if err := raw.Compact(lenient); err != nil {
			return "", err
		}
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), nil
}

func isScalar(k jsontext.Kind) bool {
	return k != jsontext.KindBeginObject && k != jsontext.KindBeginArray
}

// scalar returns the field of the first of these names that is no object or
// array, or nil.
func (f *fields) scalar(names []string) *field {
	for _, name := range names {
		for i := range f.list {
			c := &f.list[i]
			if isScalar(c.kind) && strings.EqualFold(c.name, name) {
				return c
			}
		}
	}
	return nil
}

// attributes returns the fields that are not used, those of an object named
// "attributes" as if they were fields of the entry.
func (f *fields) attributes() (map[string]string, error) {
	var out map[string]string
	for _, c := range f.list {
		if c.used || c.name == "" {
			continue
		}
		if c.name == attributesName && c.kind == jsontext.KindBeginObject {
			nested, err := readFields([]byte(c.text))
			if err != nil {
				return nil, err
			}
			for _, n := range nested.list {
				out = addAttribute(out, n)
			}
			continue
		}
		out = addAttribute(out, c)
	}
	return out, nil
}

func addAttribute(to map[string]string, f field) map[string]string {
	if f.name == "" || len(to) == domain.MaxLogAttributes {
		return to
	}
	if to == nil {
		to = map[string]string{}
	}
	to[cutText(f.name, domain.MaxLogSource)] = cutText(f.text, domain.MaxLogAttribute)
	return to
}

// parseLevel reads a level's name, or its number as pino and bunyan write it.
func parseLevel(f *field) (domain.LogLevel, bool) {
	if f.kind != jsontext.KindNumber {
		return domain.LookupLogLevel(f.text)
	}
	switch f.text {
	case "10":
		return domain.LogLevelTrace, true
	case "20":
		return domain.LogLevelDebug, true
	case "30":
		return domain.LogLevelInfo, true
	case "40":
		return domain.LogLevelWarn, true
	case "50":
		return domain.LogLevelError, true
	case "60":
		return domain.LogLevelFatal, true
	default:
		return domain.LogLevelUnknown, false
	}
}

// parseTime reads a time in RFC 3339 or another layout of log lines, or a number
// of seconds, milliseconds, microseconds or nanoseconds since 1970: whichever unit
// gives a time between 1973 and 5138, as far as there is one.
func parseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		switch {
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
