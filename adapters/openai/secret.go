package openai

import (
	"fmt"
	"io"
)

// Secret is a key that no print, log or encoding shows: every way of turning
// it into text gives "[redacted]", or "" for an empty one. Only a conversion,
// string(s), gives the value. It is no key of a map: encoding/json writes those as
// they are.
type Secret string

// redacted stands for the value, and tells only whether there is one.
func (s Secret) redacted() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// String hides the value.
func (s Secret) String() string { return s.redacted() }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return `openai.Secret("` + s.redacted() + `")` }

// Format hides the value from every verb, %x and %q included.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.redacted()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = io.WriteString(f, text) // A fmt.State does not fail.
}

// MarshalText hides the value from encoders of text, such as YAML's.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.redacted()), nil }

// MarshalJSON hides the value from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.redacted() + `"`), nil }
