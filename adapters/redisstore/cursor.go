package redisstore

import (
	"encoding/base64"
	"fmt"
	"strings"

	"logsift/domain"
)

// Cursors of logs and anomalies: what they are for, and a place.
const (
	logCursorPrefix     = "l1."
	anomalyCursorPrefix = "a1."
)

// encodePlace names a place in the list that has the prefix.
func encodePlace(prefix, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(prefix + place))
}

// decodePlace reads a cursor of encodePlace whose place has this size; "" is the
// place "".
func decodePlace(prefix, cursor string, size int) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	place, ok := strings.CutPrefix(string(raw), prefix)
	if err != nil || !ok || len(place) != size {
		return "", fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return place, nil
}
