package logline

import (
	"strings"
	"time"

	"logsift/domain"
)

// ParseZone reads a time zone: a name of the IANA database such as Europe/Berlin, UTC, or
// an offset such as +02:00; "" is UTC, and Local the machine's own. The error is a
// *domain.ValidationError for the field "timezone".
func ParseZone(s string) (*time.Location, error) {
	const longest = 64
	name := strings.TrimSpace(s)
	if name != "" && (name[0] == '+' || name[0] == '-' || isDigit(name[0])) {
		offset := name
		if isDigit(name[0]) {
			offset = "+" + name // As a + in a URL's query arrives.
		}
		p := timeParser{s: offset}
		if d, ok := p.offset(false); ok && p.i == len(offset) {
			return time.FixedZone(offset, int(d/time.Second)), nil
		}
	} else if len(name) <= longest {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, &domain.ValidationError{Field: "timezone", Value: domain.CutString(s, longest), Rule: "must be a name of the IANA database such as Europe/Berlin, or an offset such as +02:00"}
}

// zone reads Z, +07, +0700, +07:00, Db2's minutes as +060, or " -0700", " UTC", " CET",
// and returns the offset from UTC. A name that it does not know is taken as UTC.
func (p *timeParser) zone() time.Duration {
	if p.i == len(p.s) {
		return 0
	}
	mark := p.i
	apart := p.one(' ')
	if p.i == len(p.s) {
		p.i = mark
		return 0
	}
	switch c := p.s[p.i]; {
	case c == '+' || c == '-':
		if offset, ok := p.offset(apart); ok {
			return offset
		}
	case c >= 'A' && c <= 'Z', c == 'z':
		end := p.i + 1
		for end < len(p.s) && (isLetter(p.s[end]) || isDigit(p.s[end])) {
			end++
		}
		if offset, ok := zoneOffset(p.s[p.i:end]); ok && (len(p.s[p.i:end]) > 1 || !apart) {
			p.i = end
			return offset
		}
	}
	p.i = mark
	return 0
}

// offset reads +07, +0700, +07:00, or minutes of three digits.
func (p *timeParser) offset(apart bool) (time.Duration, bool) {
	negative := p.s[p.i] == '-'
	p.i++
	digits := p.i
	for digits < len(p.s) && isDigit(p.s[digits]) {
		digits++
	}
	var offset time.Duration
	switch digits - p.i {
	case 3:
		minutes, _ := p.number(3)
		offset = time.Duration(minutes) * time.Minute
	case 2, 4:
		hours, _ := p.number(2)
		colon := p.one(':')
		minutes, ok := p.number(2)
		if hours > 14 || minutes > 59 || !ok && (colon || apart) {
			return 0, false
		}
		offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	default:
		return 0, false
	}
	if negative {
		offset = -offset
	}
	return offset, p.atBoundary()
}

// zoneOffset is the offset of a zone's abbreviation, as the tz database uses them
// (https://www.iana.org/time-zones, files africa, asia, australasia, europe and
// northamerica). Of an ambiguous one it is the first use here:
//
//   - CST, EST, MST and PST are those of North America, as RFC 5322 has it (section
//     4.3), not China's or the Philippines';
//   - BST is Britain's summer time, not Bangladesh's; IST India's, not Ireland's or
//     Israel's; AST the Atlantic's, not Arabia's.
func zoneOffset(name string) (time.Duration, bool) {
	hours, minutes := 0, 0
	switch name {
	case "Z", "z", "UTC", "GMT", "UT", "WET":
	case "CET", "WEST", "BST", "WAT", "MET":
		hours = 1
	case "CEST", "EET", "SAST", "CAT", "MEST":
		hours = 2
	case "EEST", "MSK", "EAT", "IDT":
		hours = 3
	case "PKT":
		hours = 5
	case "IST":
		hours, minutes = 5, 30
	case "WIB":
		hours = 7
	case "HKT", "SGT", "AWST", "WITA":
		hours = 8
	case "JST", "KST", "WIT":
		hours = 9
	case "ACST":
		hours, minutes = 9, 30
	case "AEST":
		hours = 10
	case "ACDT":
		hours, minutes = 10, 30
	case "AEDT":
		hours = 11
	case "NZST":
		hours = 12
	case "NZDT":
		hours = 13
	case "NDT":
		hours, minutes = -2, -30
	case "ADT":
		hours = -3
	case "NST":
		hours, minutes = -3, -30
	case "EDT", "AST":
		hours = -4
	case "EST", "CDT":
		hours = -5
	case "CST", "MDT":
		hours = -6
	case "MST", "PDT":
		hours = -7
	case "PST", "AKDT":
		hours = -8
	case "AKST", "HDT":
		hours = -9
	case "HST":
		hours = -10
	default:
		return 0, false
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, true
}
