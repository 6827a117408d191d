package logline

import (
	"slices"
	"strings"
	"time"

	"logsift/domain"
)

// FieldNames are the names that programs and shippers use for the parts of an entry, in
// any case; of several the first in the list counts. A name with dots is also that of a
// field in nested objects.
type FieldNames struct {
	Message, Time, Level, Source []string
	// Hints are names that tell of the level without being it, see [LevelMarks].
	Hints []string
}

// Names is the one table of names, for lines of JSON and logfmt and for all ways in. The
// names come from the documentation of the loggers and shippers in testdata/products.txt.
func Names() FieldNames {
	return FieldNames{
		Message: []string{
			"message", "msg", "log", "_msg", "body", "record.message", "text", "@message", "@m", "short_message", "textpayload",
			"jsonpayload.message", "jsonpayload.msg", "fields.message", "event.message", "renderedmessage", "@mt", "messagetemplate",
			"displaymessage", "event", "log_message", "logmessage", "output", "full_message",
		},
		Time: []string{
			"time", "timestamp", "@timestamp", "ts", "date", "_time", "@t", "t", "t.$date", "t.$date.$numberlong", "datetime", "eventtime", "event_time",
			"asctime", "__realtime_timestamp", "_source_realtime_timestamp", "start_time", "starttime", "log_timestamp", "logtime", "log_time", "timemillis", "instant.epochsecond",
			"time_iso8601", "time_local", "ibm_datetime", "timestamp_ns", "record.time.timestamp", "record.time.repr", "stagetimestamp",
			"requestreceivedtimestamp", "lasttimestamp", "edgestarttimestamp",
			"jsonpayload.time", "observed_timestamp", "unixtime", "calendartime", "receivetimestamp",
		},
		Level: []string{
			"level", "severity", "lvl", "log.level", "log_level", "loglevel", "levelname", "level_name", "severity_text", "severitytext", "@l", "@level",
			"s", "priority", "error_severity", "record.level.name", "level.name", "fields.level", "jsonpayload.level", "jsonpayload.severity",
			"event.level", "event.severity", "winlog.level", "leveldisplayname", "entrytype", "level_value", "levelno", "type",
		},
		Source: []string{
			"source", "service", "service.name", "app", "application", "host", "hostname", "host.name", "logger", "log.logger",
			"syslog_identifier", "logger_name", "loggername", "@module", "module", "component",
		},
		Hints: slices.Concat(statusNames, requestNames, []string{
			"t", "c", "priority", "short_message", "syslog_identifier", "syslog_facility", "facility", "_systemd_unit", "reqid", "levelno",
		}),
	}
}

var (
	statusNames = []string{
		"status", "status_code", "statuscode", "response_code", "response_status", "http_status", "http.status_code", "http.response.status_code",
		"response.status", "response.statuscode", "edgeresponsestatus", "downstreamstatus", "sc-status", "res.statuscode",
	}
	requestNames = []string{
		"method", "request_method", "requestmethod", "http_method", "http.method", "clientrequestmethod", "request", "request_uri",
		"requesturi", "request.method", "uri", "req.method", "verb",
	}
)

// field is what a named field of a line means.
type field uint8

const (
	fieldNone field = iota
	fieldTime
	fieldLevel
	fieldText
	// fieldStatus is the status of a response in HTTP, fieldRequest a part of a request.
	fieldStatus
	fieldRequest
	// fieldNanos are nanoseconds to add to a time in seconds.
	fieldNanos
)

// named is what a name stands for. rank is its place among the names of its kind.
type named struct {
	field field
	rank  uint8
	// nests is whether the members of an object of this name may have a meaning.
	nests bool
}

// longestName is that of the table, in bytes.
const longestName = 40

// byName is the table by name.
var byName = func() map[string]named {
	out := map[string]named{}
	add := func(f field, names ...string) {
		for i, name := range names {
			for at, c := range name {
				if c == '.' {
					above := out[name[:at]]
					above.nests = true
					out[name[:at]] = above
				}
			}
			n := out[name]
			if n.field == fieldNone {
				n.field, n.rank = f, uint8(i)
			}
			out[name] = n
		}
	}
	names := Names()
	add(fieldText, names.Message...)
	add(fieldTime, names.Time...)
	add(fieldLevel, names.Level...)
	add(fieldStatus, statusNames...)
	add(fieldRequest, requestNames...)
	add(fieldNanos, "instant.nanoofsecond")
	return out
}()

// path is the lower-case name of a field within the objects around it.
type path struct {
	buf [longestName]byte
	n   int
}

// join returns the path of a member; ok is false if it is too long to have a meaning.
func (p path) join(key string) (_ path, ok bool) {
	n := p.n
	if n > 0 {
		n++
	}
	if n+len(key) > longestName {
		return p, false
	}
	if p.n > 0 {
		p.buf[p.n] = '.'
	}
	for i := range len(key) {
		c := key[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		p.buf[n+i] = c
	}
	p.n = n + len(key)
	return p, true
}

// named looks the path up.
func (p *path) named() named {
	if p.n == 0 || nameLengths[p.buf[0]]&(1<<p.n) == 0 {
		return named{}
	}
	return byName[string(p.buf[:p.n])]
}

// nameLengths are the lengths of the names that begin with a character, a bit for each:
// most names of a line need no look at the map.
var nameLengths = func() (out [256]uint64) {
	for name := range byName {
		out[name[0]] |= 1 << len(name)
	}
	return out
}()

// fieldOf is the meaning of a name that stands in no object.
func fieldOf(key string) field {
	p, ok := path{}.join(key)
	if !ok {
		return fieldNone
	}
	return p.named().field
}

// GuessTime reads the value of a field that the table does not have as the time of its
// entry: a day with a clock, or a number as [Parser.ReadTime] has it, in a field whose name has
// a word for a time and none for another thing's time, and near now, which is used as by
// [Parser.Parse].
func (p Parser) GuessTime(name, value string, now time.Time) (time.Time, bool) {
	t, _, ok := guessTime(name, value, p.times(now))
	return t, ok
}

// How far from now a guessed time may be: a log may be a year old, and clocks differ by
// a zone.
const (
	guessedPast   = 366 * 24 * time.Hour
	guessedFuture = 24 * time.Hour
)

func guessTime(name, value string, times timeContext) (time.Time, timeLayout, bool) {
	if !saysTime(name) {
		return time.Time{}, 0, false
	}
	t, layout, ok := readTime(value, times)
	if !ok || layout == layoutDate {
		return time.Time{}, 0, false
	}
	if age := times.now.Sub(t); !times.now.IsZero() && (age > guessedPast || age < -guessedFuture) {
		return time.Time{}, 0, false
	}
	return t, layout, true
}

// saysTime reports whether a name has a word for a time, and none that makes it the time
// of something else than an entry.
func saysTime(name string) bool {
	found := false
	for i := 0; i < len(name); {
		if !isLetter(name[i]) {
			i++
			continue
		}
		begin := i
		for i++; i < len(name) && isLetter(name[i]) && (name[i] >= 'a' || name[i-1] < 'a'); i++ {
			// In HTTPTime the last capital begins a word.
			if name[i] < 'a' && i+1 < len(name) && name[i+1] >= 'a' && isLetter(name[i+1]) {
				break
			}
		}
		switch word := name[begin:i]; {
		case isWordOf(word, "time", "timestamp", "date", "datetime", "published", "creationtime"):
			found = true
		case isWordOf(word, "expire", "expires", "expired", "expiry", "expiration", "valid", "before", "after", "until", "due", "next", "birth", "end"):
			return false
		}
	}
	return found
}

// isWordOf reports whether a word is one of these, in any case.
func isWordOf(word string, words ...string) bool {
	for _, w := range words {
		if len(word) == len(w) && strings.EqualFold(word, w) {
			return true
		}
	}
	return false
}

// Numbers says whose numbers the levels of an entry are.
type Numbers uint8

const (
	// NumbersUnknown are read where all that use them agree.
	NumbersUnknown Numbers = iota
	// NumbersSyslog are those of syslog, GELF and the journal, from 0 for the gravest to 7.
	NumbersSyslog
	// NumbersNextcloud are from 0 for debug to 4 for fatal.
	NumbersNextcloud
	// NumbersPython are those of Python's logging: 10 is debug, 50 critical.
	NumbersPython
)

// LevelMarks are what the fields of an entry say of its level beside the one that is its
// level. The zero value is that of no fields. It is not safe for concurrent use.
type LevelMarks struct {
	numbers Numbers
	mongo   bool

	// status is the gravest of the responses, request whether there is a part of a request.
	status  domain.LogLevel
	request bool
	// compact is whether there is @t, of Serilog's compact format (CLEF).
	compact, text bool
}

// Note takes the name of a field.
func (m *LevelMarks) Note(name string) {
	m.mongo = m.mongo || name == "t" || name == "c" || strings.HasPrefix(name, "t.$date")
	switch {
	case name == "PRIORITY", isWordOf(name, "short_message", "syslog_identifier", "syslog_facility", "facility", "_systemd_unit"):
		m.numbers = max(m.numbers, NumbersSyslog)
	case isWordOf(name, "reqid"):
		m.numbers = max(m.numbers, NumbersNextcloud)
	case isWordOf(name, "levelno"):
		m.numbers = max(m.numbers, NumbersPython)
	}
}

// NoteValue takes a field with its value, which is no object and no array. The name is with
// those of the objects around it.
func (m *LevelMarks) NoteValue(name, value string) {
	if value != "" {
		m.note(fieldOf(name), name, value)
	}
}

func (m *LevelMarks) note(f field, key, value string) {
	switch f {
	case fieldTime:
		m.compact = m.compact || key == "@t"
	case fieldText:
		m.text = true
	case fieldStatus:
		m.status = max(m.status, statusLevel(value))
	case fieldRequest:
		m.request = true
	case fieldNone, fieldLevel, fieldNanos:
	}
}

// Implied is the level of an entry without one: that of its response, or the one that CLEF
// leaves out. It is the unknown level if nothing implies one.
func (m *LevelMarks) Implied() domain.LogLevel {
	switch {
	case m.status > domain.LogLevelInfo || m.request && m.status != domain.LogLevelUnknown:
		return m.status
	case m.compact && m.text:
		return domain.LogLevelInfo
	}
	return domain.LogLevelUnknown
}

// Read reads the value of a level's field as [ReadLevel] does, after all names were noted.
// Some names have other values more often: s is a level only beside t or c, as MongoDB has
// it, a number is one under priority only for syslog and under type never.
func (m *LevelMarks) Read(name, value string) (domain.LogLevel, bool) {
	switch {
	case isWordOf(name, "s") && (!m.mongo || len(value) != 1 || !isLetter(value[0])),
		isWordOf(name, "priority") && isNumber(value) && m.numbers != NumbersSyslog,
		isWordOf(name, "type") && isNumber(value):
		return domain.LogLevelUnknown, false
	}
	return ReadLevel(value, m.numbers)
}

// ReadLevel reads the value of a level's field: a word or an abbreviation of one in any
// case, or a number as numbers has it; as pino and bunyan (10 is trace, 60 fatal), Monolog
// (100 to 600) and Logback (5000 to 40000) have it, too.
func ReadLevel(value string, numbers Numbers) (domain.LogLevel, bool) {
	value = strings.TrimSpace(value)
	if l, ok := levelOfWord(value); ok {
		return l, true
	}
	if l := levelOfCode(value); l != domain.LogLevelUnknown {
		return l, true
	}
	if len(value) == 1 && value[0] >= 'A' {
		l := levelOfLetter(value[0])
		return l, l != domain.LogLevelUnknown
	}
	if i := strings.IndexAny(value, "+-"); i > 2 {
		return levelOfWord(value[:i]) // slog writes ERROR+2.
	}
	l := levelOfNumber(value, numbers)
	return l, l != domain.LogLevelUnknown
}

func levelOfNumber(value string, numbers Numbers) domain.LogLevel {
	if !isNumber(value) || len(value) > 5 {
		return domain.LogLevelUnknown
	}
	n := 0
	for _, c := range []byte(value) {
		n = n*10 + int(c-'0')
	}
	switch {
	case n <= 7 && numbers == NumbersSyslog:
		return syslogSeverity(n)
	case n <= 4 && numbers == NumbersNextcloud:
		return domain.LogLevelDebug + domain.LogLevel(n)
	case n == 3 || n >= 5 && n <= 7:
		return syslogSeverity(n)
	case n < 10:
		return domain.LogLevelUnknown
	case n <= 50 && numbers == NumbersPython:
		return domain.LogLevelDebug + domain.LogLevel(n/10-1)
	case n < 70:
		return domain.LogLevelTrace + domain.LogLevel(n/10-1)
	case n < 100:
		return domain.LogLevelUnknown
	case n <= 600:
		return [...]domain.LogLevel{
			1: domain.LogLevelDebug, domain.LogLevelInfo, domain.LogLevelWarn, domain.LogLevelError, domain.LogLevelFatal, domain.LogLevelFatal,
		}[n/100]
	case n >= 5000 && n <= 50000:
		return domain.LogLevelTrace + domain.LogLevel(n/10000)
	}
	return domain.LogLevelUnknown
}

// statusLevel is the level of a response's status, unknown for what is none.
func statusLevel(status string) domain.LogLevel {
	if len(status) != 3 || !isNumber(status) {
		return domain.LogLevelUnknown
	}
	switch status[0] {
	case '5':
		return domain.LogLevelError
	case '4':
		return domain.LogLevelWarn
	case '1', '2', '3':
		return domain.LogLevelInfo
	}
	return domain.LogLevelUnknown
}
