package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"

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

// etagOf returns the strong entity tag of an answer: equal tags are equal bytes.
func etagOf(body []byte) string {
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

// isConditional reports whether the request asks something of the version that it
// finds.
func isConditional(r *http.Request) bool {
	return len(r.Header.Values(ifMatch))+len(r.Header.Values(ifNoneMatch)) > 0
}

// evaluate decides the preconditions of a request that would succeed without them, in
// the order of section 13.2.2. unchanged is whether the client has what it asks for. A
// condition that does not hold is errPrecondition. An If-Match that is malformed is a
// *domain.ValidationError, since passing it over would do what the client wanted to
// prevent; such an If-None-Match names nothing.
func evaluate(r *http.Request, etag string) (unchanged bool, err error) {
	if values := r.Header.Values(ifMatch); len(values) > 0 {
		if !tagList.MatchString(strings.Join(values, ", ")) {
			return false, &domain.ValidationError{Field: ifMatch, Rule: `must be *, or entity tags in double quotes with commas between them`}
		}
		if !namesTag(r, ifMatch, etag, true) {
			return false, refuse(errPrecondition, "If-Match does not name the version that is there now, %s; nothing was changed", etag)
		}
	}
	if !namesTag(r, ifNoneMatch, etag, false) {
		return false, nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false, refuse(errPrecondition, "If-None-Match names the version that is there now, %s; nothing was changed", etag)
	}
	return true, nil
}

// writeVersion answers a GET with v and its entity tag, or with 304 to a client that
// has it.
func writeVersion(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	etag := etagOf(body)
	unchanged, err := evaluate(r, etag)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag)
	if unchanged {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	send(w, http.StatusOK, mediaJSON, body)
	return nil
}

// checkVersion decides the preconditions of a change of a task; a request without any
// costs nothing. That the task is not there, or in a state that forbids the change,
// comes first (section 13.2.1).
//
// The check and the change are two steps of the store. A change that comes between
// them is not noticed, so that this prevents most lost updates, not all. What the
// store decides in one step stays right all the same: whether the state that the task
// has then allows the change.
func (a *API) checkVersion(ctx context.Context, r *http.Request, id domain.TaskID, action domain.TaskAction) error {
	if !isConditional(r) {
		return nil
	}
	task, err := a.queue.GetTask(ctx, id)
	if err != nil {
		return err
	}
	if err := action.Allowed(task); err != nil {
		return err
	}
	body, err := encodeJSON(singleTaskView(task))
	if err != nil {
		return fmt.Errorf("encode the task: %w", err)
	}
	_, err = evaluate(r, etagOf(body))
	return err
}
