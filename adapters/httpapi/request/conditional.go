package request

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// Conditional requests, by RFC 9110, section 13. Versions are named by entity tags
// alone: nothing here has a date of its last change, so that If-Modified-Since and
// If-Unmodified-Since are passed over, as the RFC demands.
const (
	ifMatch     = "If-Match"
	ifNoneMatch = "If-None-Match"
)

var (
	// tagList is a list of entity tags, or "*". Elements may be empty (section 5.6.1).
	tagList = regexp.MustCompile(`^(\*|[ \t,]*(W/)?"[^"\x00-\x20\x7f]*"([ \t]*,[ \t,]*(W/)?"[^"\x00-\x20\x7f]*")*[ \t,]*)$`)
	// entityTag finds the tags in such a list; a tag may hold commas.
	entityTag = regexp.MustCompile(`(?:W/)?"[^"\x00-\x20\x7f]*"`)
)

// ETagOf returns the strong entity tag of an answer: equal tags are equal bytes.
func ETagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// namesTag reports whether a header of the request names the version, or any by "*".
// By the strong comparison, a tag that the client calls weak names none (section
// 8.8.3.2).
func namesTag(r *http.Request, header, etag string, strong bool) bool {
	text := strings.Join(r.Header.Values(header), ", ")
	if strings.TrimSpace(text) == "*" {
		return true
	}
	for _, have := range entityTag.FindAllString(text, -1) {
		if !strong {
			have = strings.TrimPrefix(have, "W/")
		}
		if have == etag {
			return true
		}
	}
	return false
}

// HasVersion reports whether the client has the version of a GET already.
func HasVersion(r *http.Request, etag string) bool { return namesTag(r, ifNoneMatch, etag, false) }

// IsConditional reports whether the request asks something of the version that it
// finds.
func IsConditional(r *http.Request) bool {
	return len(r.Header.Values(ifMatch))+len(r.Header.Values(ifNoneMatch)) > 0
}

// Evaluate decides the preconditions of a request that would succeed without them, in
// the order of section 13.2.2. unchanged is whether the client has what it asks for. A
// condition that does not hold is problem.ErrPrecondition. An If-Match that is malformed is a
// *domain.ValidationError, since passing it over would do what the client wanted to
// prevent; such an If-None-Match names nothing.
func Evaluate(r *http.Request, etag string) (unchanged bool, err error) {
	if values := r.Header.Values(ifMatch); len(values) > 0 {
		if !tagList.MatchString(strings.Join(values, ", ")) {
			return false, &domain.ValidationError{Field: ifMatch, Rule: `must be *, or entity tags in double quotes with commas between them`}
		}
		if !namesTag(r, ifMatch, etag, true) {
			return false, problem.Refuse(problem.ErrPrecondition, "If-Match does not name the version that is there now, %s; nothing was changed", etag)
		}
	}
	if !namesTag(r, ifNoneMatch, etag, false) {
		return false, nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false, problem.Refuse(problem.ErrPrecondition, "If-None-Match names the version that is there now, %s; nothing was changed", etag)
	}
	return true, nil
}

// WriteVersion answers a GET with v and its entity tag, or with 304 to a client that
// has it.
func WriteVersion(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := wire.Encode(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	etag := ETagOf(body)
	unchanged, err := Evaluate(r, etag)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag)
	if unchanged {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	wire.Send(w, http.StatusOK, wire.MediaJSON, body)
	return nil
}
