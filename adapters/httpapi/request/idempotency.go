package request

import (
	"fmt"
	"net/http"
	"strings"

	"logsift/domain"
)

// ReplayedHeader is the header of an answer that is given again.
const ReplayedHeader = "Idempotency-Replayed"

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
)

// IdempotencyKey returns the key of the request, "" if it has none. The draft
// (draft-ietf-httpapi-idempotency-key-header-07) spells it as a string of structured
// fields, in quotes; most clients send it bare. Both spell the same key.
func IdempotencyKey(r *http.Request) (string, error) {
	keys := r.Header.Values(idempotencyHeader)
	if len(keys) == 0 {
		return "", nil
	}
	key, ok := unquoteKey(keys[0])
	ok = ok && len(keys) == 1 && key != "" && len(key) <= maxIdempotencyKey
	for i := 0; ok && i < len(key); i++ {
		ok = key[i] >= ' ' && key[i] <= '~'
	}
	if !ok {
		return "", &domain.ValidationError{
			Field: idempotencyHeader, Rule: fmt.Sprintf("must be given once, as 1 to %d printable ASCII characters", maxIdempotencyKey),
		}
	}
	return key, nil
}

// unquoteKey takes the quotes of RFC 9651, section 3.3.3, off a key that has them.
func unquoteKey(text string) (key string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return text, true
	}
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return out.String(), i == len(text)-1
		case '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", false
			}
			out.WriteByte(text[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", false // the closing quote is missing
}

// CallersKey returns the key of the request, "" if it has none, which no other caller can
// give. It must never change: ids of tasks and log entries are made of it.
func CallersKey(r *http.Request) (string, error) {
	key, err := IdempotencyKey(r)
	if id := CallerID(r.Context()); id != "" && key != "" {
		key = id + "\x00" + key // no key has a NUL
	}
	return key, err
}
