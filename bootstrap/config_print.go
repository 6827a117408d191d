package bootstrap

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// plain is a Config that is printed by its fields.
type plain Config

// printable returns the configuration without the passwords that the name of the
// store holds.
func (c Config) printable() plain {
	c.Store = withoutPassword(c.Store)
	return plain(c)
}

// Format prints the configuration without passwords, by every verb.
func (c Config) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), c.printable()) // A fmt.State does not fail.
}

// MarshalJSON writes the configuration without passwords.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.printable()) }

// MarshalYAML writes the configuration without passwords.
func (c Config) MarshalYAML() (any, error) { return c.printable(), nil }

// secretParameter matches the parameters of a store's URL that hold a secret.
var secretParameter = regexp.MustCompile(`(?i)([?&][^=&]*password=)[^&]*`)

// withoutPassword returns the name of a store without user and password. A
// password with an '@' that is not escaped does not survive either.
func withoutPassword(store string) string {
	scheme, rest, ok := strings.Cut(store, "://")
	if !ok {
		return store
	}
	rest = secretParameter.ReplaceAllString(rest, "${1}[redacted]")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "[redacted]" + rest[at:]
	}
	return scheme + "://" + rest
}
