package bootstrap

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"logsift/adapters/httpapi/wire"
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

// Settings returns what is set, as a user writes it, without passwords and keys.
func (c Config) Settings() wire.Settings {
	def := DefaultConfig()
	defaults := def.settings(false)
	out := wire.Settings{Version: ReadVersion().Version}
	for i, s := range c.settings(false) {
		out.Settings = append(out.Settings, wire.Setting{
			Name: s.name, Group: groupNames[s.group], Usage: s.usage,
			Value: written(s.value), Default: written(defaults[i].value),
		})
	}
	key := wire.Setting{Name: "ai-api-key", Group: groupNames[GroupAnalysis], Usage: "key of the AI service; taken from LOGSIFT_AI_API_KEY only"}
	if c.AIKey != "" {
		key.Value = redacted
	}
	out.Settings = append(out.Settings, key)
	return out
}

// written returns a value as a user writes it: lists with commas, durations without
// the zeros of time.Duration, URLs without passwords.
func written(v pflag.Value) string {
	if list, ok := v.(pflag.SliceValue); ok {
		return strings.Join(list.GetSlice(), ",")
	}
	text := v.String()
	if v.Type() == "duration" {
		return shortDuration(text)
	}
	return withoutPassword(text)
}

// short is a limit as a user writes it.
func short(v any) string {
	text := fmt.Sprint(v)
	if _, ok := v.(time.Duration); ok {
		return shortDuration(text)
	}
	return text
}

func shortDuration(text string) string {
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// redacted stands for what must not be shown.
const redacted = "[redacted]"

// secretParameter matches the parameters of a store's URL that hold a secret.
var secretParameter = regexp.MustCompile(`(?i)([?&][^=&]*(?:password|token|secret|key)=)[^&]*`)

// withoutPassword returns the name of a store without user and password. A
// password with an '@' that is not escaped does not survive either.
func withoutPassword(store string) string {
	scheme, rest, ok := strings.Cut(store, "://")
	if !ok {
		return store
	}
	rest = secretParameter.ReplaceAllString(rest, "${1}"+redacted)
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = redacted + rest[at:]
	}
	return scheme + "://" + rest
}
