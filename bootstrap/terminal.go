package bootstrap

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// Printable makes a text safe to show on a terminal, on one line: control characters,
// which could move the cursor or worse, and invisible ones that reorder or hide text are
// replaced. The joiners that Persian, Hindi and others are written with stay.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case acts(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// PrintableJSON makes JSON safe to show on a terminal: what [Printable] would replace
// stands in it by its number, as in \u009b, so that programs read the same.
func PrintableJSON(json []byte) []byte {
	var out []byte // nil for as long as nothing was escaped
	for i := 0; i < len(json); {
		r, size := utf8.DecodeRune(json[i:])
		if r >= 0x7f && acts(r) {
			if out == nil {
				out = append(make([]byte, 0, len(json)+16), json[:i]...)
			}
			if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
				out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
		} else if out != nil {
			out = append(out, json[i:i+size]...)
		}
		i += size
	}
	if out == nil {
		return json
	}
	return out
}

// acts reports whether a terminal may do something at a character instead of showing
// it, or a person may not see that it is there.
func acts(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	return r != zeroWidthNonJoiner && r != zeroWidthJoiner &&
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

// printableEncoder makes lines of the program's own log safe to show on a terminal.
type printableEncoder struct {
	zapcore.Encoder
	// plain is whether messages stand in the line as they are, and not as JSON.
	plain bool
}

func (e printableEncoder) Clone() zapcore.Encoder {
	return printableEncoder{e.Encoder.Clone(), e.plain}
}

// EncodeEntry writes the fields as JSON in both forms.
func (e printableEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	if e.plain {
		entry.Message = Printable(entry.Message)
	}
	line, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return nil, err
	}
	if safe := PrintableJSON(line.Bytes()); len(safe) != line.Len() {
		line.Reset()
		_, err = line.Write(safe)
	}
	return line, err
}
