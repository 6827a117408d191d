package redacttest

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// window is how many characters in a row of a long secret may not be seen.
const window = 10

// Visible reports whether a part of the secret can be read in a text: as it is, or
// escaped for JSON, percent-encoded, or in base64. Of a secret of 20 characters and
// more it takes ten in a row, or a third of them; of a shorter one all.
func Visible(text, secret string) bool {
	return VisibleBy(func(part string) bool { return strings.Contains(text, part) }, secret)
}

// VisibleBy is Visible for what contains looks into.
func VisibleBy(contains func(string) bool, secret string) bool {
	size := len(secret)
	if size >= 2*window {
		size = max(window, size/3)
	}
	for at := 0; at+size <= len(secret); at++ {
		if slices.ContainsFunc(forms(secret[at:at+size]), contains) {
			return true
		}
	}
	return false
}

func forms(part string) []string {
	out := []string{part, strings.Trim(quote(part), `"`), strings.Trim(quote(quote(part)), `\"`), url.QueryEscape(part), url.PathEscape(part), percentAll(part)}
	// Base64 of a text with the part in it, which may begin at any of three places of
	// a group; the characters at both ends depend on what is beside it.
	for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for skip := range 3 {
			if text := coding.EncodeToString([]byte(strings.Repeat("x", skip) + part)); len(text) > 10 {
				out = append(out, text[4*((skip+2)/3):len(text)-3])
			}
		}
	}
	return out
}

func quote(s string) string {
	out, _ := json.Marshal(s)
	return string(out)
}
