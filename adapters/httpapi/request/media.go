package request

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"logsift/adapters/httpapi/problem"
)

// NDJSONTypes are the names in use for JSON values on lines of their own.
var NDJSONTypes = []string{"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/stream+json"}

// MediaType returns the content type of a body if it is one of the allowed ones.
// A request without one is taken to have the first.
func MediaType(r *http.Request, allowed ...string) (string, error) {
	header := r.Header.Values("Content-Type")
	if len(header) == 0 {
		return allowed[0], nil
	}
	media, params, err := mime.ParseMediaType(header[0])
	if err != nil || len(header) > 1 || !slices.Contains(allowed, media) {
		return "", problem.Refuse(problem.ErrUnsupportedMedia, "Content-Type must be one of %s", strings.Join(allowed, ", "))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return "", problem.Refuse(problem.ErrUnsupportedMedia, "charset must be utf-8")
	}
	return media, nil
}
