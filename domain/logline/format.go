package logline

import (
	"slices"
	"strings"

	"logsift/domain"
)

// Format is how the lines of a log are written. The zero value is FormatAuto.
type Format uint8

// The formats that differ in how they are read. Each has a file of its own.
const (
	// FormatAuto tells the format by the line, each for itself.
	FormatAuto Format = iota
	// FormatText is text that says nothing of itself, or is not to be read: no
	// time, no level.
	FormatText
	FormatPlain
	FormatJSON
	FormatLogfmt
	FormatSyslog
	FormatAccess
	FormatKlog
	FormatLogcat
	FormatRedis
	FormatContainer
	FormatGin
	FormatRails
)

// formats are tried in this order.
var formats = [...]format{
	FormatAuto:      {name: "auto"},
	FormatText:      {name: "text", products: []string{"raw", "none"}},
	FormatPlain:     plain,
	FormatJSON:      jsonObject,
	FormatLogfmt:    logfmt,
	FormatSyslog:    syslog,
	FormatAccess:    access,
	FormatKlog:      klog,
	FormatLogcat:    logcat,
	FormatRedis:     redis,
	FormatContainer: container,
	FormatGin:       gin,
	FormatRails:     rails,
}

// format is how the lines of a format are told from others and read. All functions
// are optional. A Header is passed by value, so that it is never allocated.
type format struct {
	name string
	// examples are lines that are read in the format.
	examples []string
	// products are further names, of what writes the format.
	products []string
	// read reads a whole line. set is whether the lines are known to have the
	// format, so that less of a mark is needed.
	read func(line string, times timeContext, set bool) (Header, bool)
	// behindTime reads a line in whose first words a time was found. It completes
	// the header that has the time.
	behindTime func(h Header, line string) (Header, bool)
	// attributes adds those of a line with this header to the ones of the header.
	attributes func(h Header, line string, out attributes) attributes
}

// FormatNames are the names of the formats, without those of products.
func FormatNames() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// Examples are lines that are read in the format, for people who choose one.
func (f Format) Examples() []string { return formats[f].examples }

// ParseFormat reads the name of a format, or of a product whose logs have it,
// such as java, postgres, nginx or docker; "" is auto. The error is a
// *domain.ValidationError for the field "format".
func ParseFormat(s string) (Format, error) {
	for i, f := range formats {
		if s == f.name || slices.Contains(f.products, s) {
			return Format(i), nil
		}
	}
	if s == "" {
		return FormatAuto, nil
	}
	return 0, &domain.ValidationError{Field: "format", Value: domain.CutString(s, 32), Rule: "must be one of " + strings.Join(FormatNames(), ", ") + ", or a product whose logs have such a format"}
}

// String returns the name of the format.
func (f Format) String() string {
	if int(f) >= len(formats) {
		f = FormatAuto
	}
	return formats[f].name
}
